-- wallets: who owns which address. See src/strongroom/wallets/README.md.

-- An organisation's hardened account m/44'/60'/account_index' as the key ceremony gave it:
-- its public half (watch only, confidential) and the Merkle root of the addresses whose keys exist.
CREATE TABLE wallet_account (
    organisation_id    uuid NOT NULL REFERENCES organisation (id),
    id                 uuid NOT NULL,
    chain_id           bigint NOT NULL CHECK (chain_id > 0),
    account_index      integer NOT NULL UNIQUE CHECK (account_index >= 0),
    xpub               text NOT NULL CHECK (length(xpub) BETWEEN 100 AND 120),
    xpub_hash          bytea NOT NULL CHECK (octet_length(xpub_hash) = 32),
    manifest_root      bytea NOT NULL CHECK (octet_length(manifest_root) = 32),
    manifest_count     integer NOT NULL CHECK (manifest_count > 0),
    manifest_digest    bytea NOT NULL CHECK (octet_length(manifest_digest) = 32),
    officer_signatures bytea[] NOT NULL CHECK (cardinality(officer_signatures) > 0),
    next_index         integer NOT NULL DEFAULT 0
                       CHECK (next_index >= 0 AND next_index <= manifest_count),
    created_at         timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id)
);
CALL tenant_table('wallet_account', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

-- A deposit address that was given out: xpub derivation and manifest proof agreed on it.
CREATE TABLE wallet_address (
    organisation_id      uuid NOT NULL,
    id                   uuid NOT NULL,
    account_id           uuid NOT NULL,
    chain_id             bigint NOT NULL CHECK (chain_id > 0),
    address_index        integer NOT NULL CHECK (address_index >= 0),
    path                 text NOT NULL,
    address              bytea NOT NULL UNIQUE CHECK (octet_length(address) = 20),
    label                text NOT NULL CHECK (length(label) <= 200),
    client_account       text NOT NULL CHECK (client_account ~ '^client:[a-z0-9][a-z0-9._-]{0,62}$'),
    manifest_proof       bytea[] NOT NULL,
    manifest_root        bytea NOT NULL CHECK (octet_length(manifest_root) = 32),
    manifest_count       integer NOT NULL CHECK (manifest_count > 0),
    provenance_signature bytea NOT NULL CHECK (octet_length(provenance_signature) = 65),
    delegated_at         timestamptz,
    created_at           timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, account_id, address_index),
    FOREIGN KEY (organisation_id, account_id) REFERENCES wallet_account (organisation_id, id)
);
CALL tenant_table('wallet_address', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

-- Everything the indexer looks for. active_height is null until the indexer took the address up:
-- it matches every block above that height; blocks from scan_from_height up to it are read again
-- by the late scan, scanned_height says how far that came.
CREATE TABLE watched_address (
    organisation_id  uuid NOT NULL REFERENCES organisation (id),
    id               uuid NOT NULL,
    chain_id         bigint NOT NULL CHECK (chain_id > 0),
    address          bytea NOT NULL CHECK (octet_length(address) = 20),
    kind             text NOT NULL CHECK (kind IN ('deposit', 'vault', 'relay', 'spending')),
    custody_code     text NOT NULL,
    active_height    bigint CHECK (active_height >= 0),
    scan_from_height bigint CHECK (scan_from_height >= 0),
    scanned_height   bigint CHECK (scanned_height >= 0),
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (chain_id, address),
    UNIQUE (organisation_id, custody_code)
);
CREATE INDEX watched_address_pending ON watched_address (chain_id) WHERE active_height IS NULL;
CREATE INDEX watched_address_to_scan ON watched_address (chain_id)
    WHERE scan_from_height IS NOT NULL AND (scanned_height IS NULL OR scanned_height < active_height);
CALL tenant_table('watched_address', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

-- The tokens an organisation's signed policy names; any other token is kept and never credited.
CREATE TABLE watched_token (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    chain_id        bigint NOT NULL CHECK (chain_id > 0),
    contract        bytea NOT NULL CHECK (octet_length(contract) = 20),
    asset           text NOT NULL CHECK (asset ~ '^[A-Z0-9]{1,16}/[0-9]{1,2}$'),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, chain_id, contract),
    UNIQUE (organisation_id, chain_id, asset)
);
CALL tenant_table('watched_token', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

-- A custody account that nothing may leave: set by reconciliation, lifted by people.
CREATE TABLE custody_freeze (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    custody_code    text NOT NULL,
    asset           text NOT NULL,
    reason          text NOT NULL,
    frozen_at       timestamptz NOT NULL,
    lifted_at       timestamptz,
    lifted_by       text,
    PRIMARY KEY (organisation_id, id),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE UNIQUE INDEX custody_freeze_standing ON custody_freeze (organisation_id, custody_code, asset)
    WHERE lifted_at IS NULL;
CALL tenant_table('custody_freeze', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');

GRANT SELECT ON wallet_account, wallet_address, watched_address, watched_token, custody_freeze
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT INSERT ON wallet_account, wallet_address, watched_address, watched_token TO strongroom_api;
GRANT INSERT ON watched_address TO strongroom_relay, strongroom_worker;
GRANT UPDATE (next_index, manifest_root, manifest_count, manifest_digest, officer_signatures)
    ON wallet_account TO strongroom_api;
GRANT UPDATE (delegated_at) ON wallet_address TO strongroom_indexer;
GRANT UPDATE (active_height, scan_from_height, scanned_height) ON watched_address
    TO strongroom_indexer;
GRANT INSERT ON custody_freeze TO strongroom_indexer, strongroom_worker;
GRANT UPDATE (lifted_at, lifted_by) ON custody_freeze TO strongroom_api, strongroom_worker;
