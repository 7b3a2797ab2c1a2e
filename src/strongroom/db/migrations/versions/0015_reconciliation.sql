-- reconciliation: ledger and chain side by side at finalized blocks.
-- See src/strongroom/reconciliation/README.md.

CREATE TABLE reconciliation_run (
    id          uuid PRIMARY KEY,
    chain_id    bigint NOT NULL CHECK (chain_id > 0),
    height      bigint NOT NULL CHECK (height >= 0),
    block_hash  bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    accounts    integer NOT NULL CHECK (accounts >= 0),
    differences integer NOT NULL CHECK (differences >= 0),
    compared_at timestamptz NOT NULL,
    UNIQUE (chain_id, height)
);
CALL append_only('reconciliation_run');

CREATE TABLE reconciliation_row (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    run_id          uuid NOT NULL REFERENCES reconciliation_run (id),
    chain_id        bigint NOT NULL CHECK (chain_id > 0),
    height          bigint NOT NULL CHECK (height >= 0),
    block_hash      bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    custody_code    text NOT NULL,
    asset           text NOT NULL,
    ledger_units    numeric(78, 0) NOT NULL,
    chain_units     numeric(78, 0) NOT NULL CHECK (chain_units >= 0),
    difference      numeric(78, 0) NOT NULL CHECK (difference = chain_units - ledger_units),
    compared_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, run_id, custody_code, asset)
);
CREATE INDEX reconciliation_row_newest ON reconciliation_row (organisation_id, height DESC);
CALL tenant_table('reconciliation_row', 'strongroom_worker');
CALL append_only('reconciliation_row');

GRANT SELECT ON reconciliation_run, reconciliation_row TO strongroom_api, strongroom_worker;
GRANT INSERT ON reconciliation_run, reconciliation_row TO strongroom_worker;
