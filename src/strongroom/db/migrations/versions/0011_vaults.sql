-- vaults: see src/strongroom/vaults/README.md

-- What `strongroom deploy` put on a chain and which of the signer's keys it was bound to. The
-- signer recomputes every address from its own keys; this row only saves others the question.
CREATE TABLE platform (
    chain_id      bigint PRIMARY KEY CHECK (chain_id > 0),
    relay         bytea NOT NULL CHECK (octet_length(relay) = 20),
    permit_signer bytea NOT NULL CHECK (octet_length(permit_signer) = 20),
    store_epoch   bigint NOT NULL CHECK (store_epoch >= 0),
    deployed_at   timestamptz NOT NULL,
    checked_at    timestamptz NOT NULL
);
GRANT SELECT ON platform TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT INSERT, UPDATE ON platform TO strongroom_relay;

CREATE TABLE vault (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    chain_id        bigint NOT NULL CHECK (chain_id > 0),
    address         bytea NOT NULL CHECK (octet_length(address) = 20),
    sweeper         bytea NOT NULL CHECK (octet_length(sweeper) = 20),
    policy_version  bigint NOT NULL,
    owners          jsonb NOT NULL,
    threshold       integer NOT NULL CHECK (threshold > 0),
    state           text NOT NULL CHECK (state IN ('requested', 'creating', 'active', 'failed')),
    reason          text,
    creation_id     uuid NOT NULL,
    delegate_id     uuid NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    active_at       timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id),
    UNIQUE (chain_id, address),
    FOREIGN KEY (organisation_id, creation_id) REFERENCES outgoing (organisation_id, id),
    FOREIGN KEY (organisation_id, delegate_id) REFERENCES outgoing (organisation_id, id),
    CHECK ((state = 'active') = (active_at IS NOT NULL))
);
CALL tenant_table('vault', 'strongroom_relay', 'strongroom_indexer', 'strongroom_worker');
GRANT SELECT, INSERT ON vault TO strongroom_api;
GRANT SELECT, UPDATE ON vault TO strongroom_indexer, strongroom_relay;
GRANT SELECT ON vault TO strongroom_worker;
-- A Safe nonce is given out under the row's lock, which needs the right to change something.
GRANT UPDATE (updated_at) ON vault TO strongroom_api, strongroom_worker;
