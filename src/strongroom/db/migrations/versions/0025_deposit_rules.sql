-- deposits: when they are credited, whose they are, how they are swept. See
-- src/strongroom/deposits/README.md.

-- What a deposit must have before it is credited. A row of the house binds every organisation, an
-- organisation's only itself; all that fit a deposit count together. Rows are ended, never changed.
--   confirmation: from `units` on, `confirmations` blocks (its own included) and the level
--   dust: below `units` it is kept until address and asset have so much together
CREATE TABLE deposit_rule (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('confirmation', 'dust')),
    chain_id        bigint CHECK (chain_id > 0),
    asset           text CHECK (asset ~ '^[A-Z0-9]{1,16}/[0-9]{1,2}$'),
    units           numeric(78, 0) NOT NULL CHECK (units >= 0 AND units < 2::numeric ^ 256),
    confirmations   integer NOT NULL CHECK (confirmations BETWEEN 0 AND 10000),
    level           text NOT NULL CHECK (level IN ('confirmed', 'safe', 'final')),
    set_at          timestamptz NOT NULL,
    set_by          text NOT NULL,
    ended_at        timestamptz,
    ended_by        text,
    PRIMARY KEY (organisation_id, id),
    CHECK (asset IS NOT NULL OR (kind = 'confirmation' AND units = 0)),
    CHECK (kind <> 'dust' OR (units > 0 AND confirmations = 0 AND level = 'confirmed')),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX deposit_rule_standing ON deposit_rule (organisation_id, kind,
    coalesce(chain_id, 0), coalesce(asset, ''), (CASE kind WHEN 'dust' THEN 0 ELSE units END))
    WHERE ended_at IS NULL;
CALL tenant_table('deposit_rule', 'strongroom_indexer', 'strongroom_worker');
CREATE POLICY of_the_house ON deposit_rule FOR SELECT
    USING (organisation_id = '00000000-0000-0000-0000-000000000000');
GRANT SELECT ON deposit_rule TO strongroom_api, strongroom_indexer, strongroom_worker;
GRANT INSERT, UPDATE (ended_at, ended_by) ON deposit_rule TO strongroom_api;

-- When and at what price a vault's deposit addresses are swept; the newest row counts.
CREATE TABLE sweep_schedule (
    organisation_id     uuid NOT NULL REFERENCES organisation (id),
    id                  uuid NOT NULL,
    chain_id            bigint NOT NULL CHECK (chain_id > 0),
    minimums            jsonb NOT NULL CHECK (jsonb_typeof(minimums) = 'object'),
    interval_seconds    integer NOT NULL CHECK (interval_seconds BETWEEN 0 AND 2592000),
    window_from_minute  integer CHECK (window_from_minute BETWEEN 0 AND 1439),
    window_to_minute    integer CHECK (window_to_minute BETWEEN 0 AND 1439),
    max_fee_per_gas_wei numeric(78, 0) CHECK (max_fee_per_gas_wei > 0),
    set_at              timestamptz NOT NULL,
    set_by              text NOT NULL,
    PRIMARY KEY (organisation_id, id),
    CHECK ((window_from_minute IS NULL) = (window_to_minute IS NULL)),
    CHECK (window_from_minute <> window_to_minute)
);
CREATE INDEX sweep_schedule_newest ON sweep_schedule (organisation_id, chain_id, id DESC);
CALL tenant_table('sweep_schedule', 'strongroom_worker');
CALL append_only('sweep_schedule');
GRANT SELECT, INSERT ON sweep_schedule TO strongroom_api;
GRANT SELECT ON sweep_schedule TO strongroom_worker;

-- A customer's own address: one customer reference, one address, for ever. What a second deposit
-- to it is: credited like the first, or held until people accept it.
ALTER TABLE wallet_address
    ADD COLUMN customer_reference text CHECK (customer_reference ~ '^[\x20-\x7e]{1,140}$'),
    ADD COLUMN reuse text NOT NULL DEFAULT 'credit' CHECK (reuse IN ('credit', 'hold'));
CREATE UNIQUE INDEX wallet_address_customer ON wallet_address (organisation_id, customer_reference)
    WHERE customer_reference IS NOT NULL;

-- `confirmations`, `level`: what its credit waits for. `awaits`: the same as a sentence, with why.
-- `cleared_at`: screening is satisfied and the rest is not. `held`: kept although cleared and deep.
ALTER TABLE deposit
    ADD COLUMN customer_reference text,
    ADD COLUMN confirmations integer NOT NULL DEFAULT 0 CHECK (confirmations >= 0),
    ADD COLUMN level text NOT NULL DEFAULT 'confirmed'
        CHECK (level IN ('confirmed', 'safe', 'final')),
    ADD COLUMN awaits text,
    ADD COLUMN cleared_at timestamptz,
    ADD COLUMN held text CHECK (held IN ('reuse', 'dust'));
CREATE INDEX deposit_waiting ON deposit (chain_id, height)
    WHERE disposition = 'unscreened' AND cleared_at IS NOT NULL AND held IS NULL;
CREATE INDEX deposit_by_address ON deposit (organisation_id, address);
CREATE INDEX deposit_by_customer ON deposit (organisation_id, customer_reference, id DESC)
    WHERE customer_reference IS NOT NULL;
CREATE INDEX deposit_unknown ON deposit (organisation_id, chain_id, token)
    WHERE disposition = 'unknown_token';
GRANT UPDATE (awaits, held) ON deposit TO strongroom_indexer;
-- A token that the policy names later: the worker books what had come in before.
GRANT UPDATE (asset, booking_key, screening_request_id, confirmations, level, awaits, cleared_at,
              held) ON deposit TO strongroom_worker;

-- batch: by EIP-7702, many addresses in one transaction. leaf: one address by itself, fed with gas
-- money first (feed_id), where the chain has no EIP-7702.
ALTER TABLE sweep
    ALTER COLUMN outgoing_id DROP NOT NULL,
    ADD COLUMN kind text NOT NULL DEFAULT 'batch' CHECK (kind IN ('batch', 'leaf')),
    ADD COLUMN address bytea CHECK (octet_length(address) = 20),
    ADD COLUMN feed_id uuid,
    ADD CHECK ((kind = 'leaf') = (address IS NOT NULL)),
    ADD CHECK (kind = 'leaf' OR (outgoing_id IS NOT NULL AND feed_id IS NULL));
DROP INDEX sweep_in_flight;
CREATE UNIQUE INDEX sweep_in_flight ON sweep (organisation_id, chain_id)
    WHERE state = 'planned' AND kind = 'batch';
CREATE UNIQUE INDEX sweep_leaf_in_flight ON sweep (organisation_id, chain_id, address)
    WHERE state = 'planned' AND kind = 'leaf';
GRANT UPDATE (outgoing_id) ON sweep TO strongroom_worker;
