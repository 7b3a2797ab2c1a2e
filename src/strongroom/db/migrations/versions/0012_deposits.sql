-- deposits: the life cycle of money that comes in. See src/strongroom/deposits/README.md.

CREATE TABLE sweep (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    chain_id        bigint NOT NULL CHECK (chain_id > 0),
    ref             bytea NOT NULL CHECK (octet_length(ref) = 32),
    outgoing_id     uuid NOT NULL,
    state           text NOT NULL CHECK (state IN ('planned', 'finished', 'abandoned')),
    planned_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, ref)
);
-- One sweep an organisation and chain at a time: the next one starts from what this one left.
CREATE UNIQUE INDEX sweep_in_flight ON sweep (organisation_id, chain_id) WHERE state = 'planned';
CALL tenant_table('sweep', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

-- A transfer to one of our addresses, in the block that carried it. After a reorganisation the
-- same transaction in another block is another row; the orphaned one stays.
CREATE TABLE deposit (
    organisation_id      uuid NOT NULL REFERENCES organisation (id),
    id                   uuid NOT NULL,
    chain_id             bigint NOT NULL CHECK (chain_id > 0),
    height               bigint NOT NULL CHECK (height >= 0),
    block_hash           bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    sighting             integer NOT NULL CHECK (sighting >= 1),
    tx_hash              bytea NOT NULL CHECK (octet_length(tx_hash) = 32),
    position             integer NOT NULL,
    kind                 text NOT NULL CHECK (kind IN ('native', 'internal', 'erc20')),
    token                bytea CHECK (octet_length(token) = 20),
    asset                text,
    units                numeric(78, 0) NOT NULL CHECK (units >= 0 AND units < 2::numeric ^ 256),
    payer                bytea NOT NULL CHECK (octet_length(payer) = 20),
    address              bytea NOT NULL CHECK (octet_length(address) = 20),
    address_kind         text NOT NULL CHECK (address_kind IN ('deposit', 'vault', 'spending')),
    custody_code         text NOT NULL,
    client_account       text NOT NULL,
    chain_state          text NOT NULL
                         CHECK (chain_state IN ('seen', 'confirmed', 'finalized', 'orphaned')),
    disposition          text NOT NULL CHECK (disposition IN
                         ('unscreened', 'credited', 'quarantined', 'unknown_token', 'reversed')),
    booking_key          text,
    settlement_key       text,
    screening_request_id uuid,
    sweep_id             uuid,
    swept_at             timestamptz,
    swept_block_hash     bytea CHECK (octet_length(swept_block_hash) = 32),
    seen_at              timestamptz NOT NULL,
    confirmed_at         timestamptz,
    settled_at           timestamptz,
    finalized_at         timestamptz,
    orphaned_at          timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (chain_id, block_hash, sighting, tx_hash, position),
    FOREIGN KEY (organisation_id, sweep_id) REFERENCES sweep (organisation_id, id),
    CHECK ((asset IS NULL) = (disposition = 'unknown_token')
           OR (asset IS NULL AND disposition = 'reversed')),
    CHECK (disposition NOT IN ('credited', 'quarantined') OR settlement_key IS NOT NULL)
);
CREATE INDEX deposit_by_block ON deposit (chain_id, block_hash, sighting);
CREATE INDEX deposit_to_sweep ON deposit (organisation_id, chain_id, address)
    WHERE disposition = 'credited' AND swept_at IS NULL AND address_kind = 'deposit';
CALL tenant_table('deposit', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

-- Every change of state, in order; what webhooks and the history in the console read.
CREATE TABLE deposit_transition (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    ordinal         bigint GENERATED ALWAYS AS IDENTITY,
    deposit_id      uuid NOT NULL,
    state           text NOT NULL,
    reason          text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, deposit_id) REFERENCES deposit (organisation_id, id)
);
CALL tenant_table('deposit_transition', 'strongroom_indexer', 'strongroom_worker');
CALL append_only('deposit_transition');

GRANT SELECT ON deposit, sweep, deposit_transition
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT INSERT ON deposit TO strongroom_indexer;
GRANT INSERT ON deposit_transition TO strongroom_indexer, strongroom_worker;
GRANT INSERT ON sweep TO strongroom_worker;
GRANT UPDATE (state, finished_at) ON sweep TO strongroom_worker;
GRANT UPDATE (chain_state, disposition, booking_key, screening_request_id, sweep_id, swept_at,
              swept_block_hash, confirmed_at, finalized_at, orphaned_at) ON deposit TO strongroom_indexer;
GRANT UPDATE (disposition, settlement_key, settled_at, sweep_id) ON deposit TO strongroom_worker;
