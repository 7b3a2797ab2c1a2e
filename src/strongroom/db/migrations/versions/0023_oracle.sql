-- The balance oracle, blocks read again on demand, what was believed at a moment, vaults' events.
-- See src/strongroom/indexer/README.md, reconciliation/README.md, vaults/README.md.

-- The rolling reading of all balances, a row a chain. No address's last reading is older than
-- `whole_since`; NULL until a first round has ended.
CREATE TABLE chain_sweep (
    chain_id    bigint PRIMARY KEY REFERENCES chain_cursor (chain_id),
    round       bigint NOT NULL CHECK (round > 0),
    begun_at    timestamptz NOT NULL,
    ended_at    timestamptz,
    after       bytea CHECK (octet_length(after) = 20),
    swept       bigint NOT NULL CHECK (swept >= 0),
    whole_since timestamptz,
    updated_at  timestamptz NOT NULL
);
GRANT SELECT ON chain_sweep TO strongroom_api, strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON chain_sweep TO strongroom_indexer;
ALTER TABLE chain_cursor DROP COLUMN balances_after;

-- Which reading a balance belongs to: '' for what moved, else the sweep's place.
-- After a reorganisation below finality the same height is read again, of another block.
ALTER TABLE chain_balance
    ADD COLUMN part text NOT NULL DEFAULT '',
    DROP CONSTRAINT chain_balance_pkey,
    ADD PRIMARY KEY (chain_id, height, address, asset, block_hash);
CREATE INDEX chain_balance_account ON chain_balance (chain_id, address, asset, height DESC);
ALTER TABLE reconciliation_run
    ADD COLUMN part text NOT NULL DEFAULT '',
    ADD COLUMN swept integer NOT NULL DEFAULT 0 CHECK (swept >= 0),
    DROP CONSTRAINT reconciliation_run_chain_id_height_key,
    ADD UNIQUE (chain_id, block_hash, part);
ALTER TABLE reconciliation_row
    ADD COLUMN equal_height bigint CHECK (equal_height < differs_height),
    ADD COLUMN differs_height bigint CHECK (differs_height <= height);
CREATE INDEX reconciliation_row_account
    ON reconciliation_row (organisation_id, custody_code, asset, height DESC, id DESC);
-- A code's own index, in byte order: the sweep reads the books in the order of addresses.
CREATE INDEX ledger_account_custody ON ledger_account (code COLLATE "C", asset)
    WHERE code LIKE 'custody:%';

-- Where a difference began, by bisection: books and chain were equal at equal_height (NULL: at no
-- height that could be asked) and differed at differs_height.
CREATE TABLE chain_difference (
    chain_id       bigint NOT NULL REFERENCES chain_cursor (chain_id),
    height         bigint NOT NULL CHECK (height >= 0),
    block_hash     bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    address        bytea NOT NULL CHECK (octet_length(address) = 20),
    asset          text NOT NULL,
    equal_height   bigint CHECK (equal_height >= 0 AND equal_height < differs_height),
    differs_height bigint NOT NULL CHECK (differs_height >= 0 AND differs_height <= height),
    told           text NOT NULL,
    found_at       timestamptz NOT NULL,
    PRIMARY KEY (chain_id, height, address, asset, block_hash)
);
CALL append_only('chain_difference');
GRANT SELECT, INSERT ON chain_difference TO strongroom_indexer;
GRANT SELECT ON chain_difference TO strongroom_worker;

-- Blocks that people want read again. Picked up by the chain's indexer; done_height moves in the
-- unit that books what was found.
CREATE TABLE chain_rescan (
    id           uuid PRIMARY KEY,
    chain_id     bigint NOT NULL REFERENCES chain_cursor (chain_id),
    from_height  bigint NOT NULL CHECK (from_height >= 0),
    to_height    bigint NOT NULL CHECK (to_height >= from_height),
    address      bytea CHECK (octet_length(address) = 20),
    done_height  bigint NOT NULL CHECK (done_height BETWEEN from_height - 1 AND to_height),
    found        bigint NOT NULL DEFAULT 0 CHECK (found >= 0),
    state        text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'refused')),
    reason       text,
    requested_at timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CHECK ((state = 'refused') = (reason IS NOT NULL)),
    CHECK (state <> 'done' OR done_height = to_height)
);
CREATE INDEX chain_rescan_open ON chain_rescan (chain_id, id)
    WHERE state IN ('waiting', 'running');
GRANT SELECT, INSERT, UPDATE (done_height, found, state, reason, updated_at) ON chain_rescan
    TO strongroom_indexer;

-- Beacon withdrawals (EIP-4895): no transaction carries them, so tx_hash is the block's own.
ALTER TABLE chain_transfer
    DROP CONSTRAINT chain_transfer_kind_check,
    ADD CHECK (kind IN ('native', 'internal', 'withdrawal', 'erc20'));
ALTER TABLE deposit
    DROP CONSTRAINT deposit_kind_check,
    ADD CHECK (kind IN ('native', 'internal', 'withdrawal', 'erc20'));

-- What the API may know of a chain's past: its blocks, and transfers of the caller's addresses.
GRANT SELECT (id, chain_id, height, block_hash, sighting, parent_hash, block_time, touched, state,
    seen_at, confirmed_at, safe_at, finalized_at, orphaned_at) ON chain_block TO strongroom_api;
CREATE VIEW own_transfer WITH (security_barrier) AS
    SELECT t.* FROM chain_transfer AS t
    WHERE EXISTS (
        SELECT FROM watched_address AS w
        WHERE w.organisation_id = current_organisation() AND w.chain_id = t.chain_id
          AND w.address IN (t.sender, t.recipient));
GRANT SELECT ON own_transfer TO strongroom_api, strongroom_indexer, strongroom_worker;

-- What Safes told of themselves in final blocks, and whether one of our transactions ordered it.
CREATE TABLE vault_event (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    vault_id        uuid NOT NULL,
    height          bigint NOT NULL CHECK (height >= 0),
    block_hash      bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    tx_hash         bytea NOT NULL CHECK (octet_length(tx_hash) = 32),
    position        integer NOT NULL CHECK (position >= 0),
    contract        bytea NOT NULL CHECK (octet_length(contract) = 20),
    name            text NOT NULL,
    body            jsonb NOT NULL,
    ours            boolean NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, block_hash, tx_hash, position),
    FOREIGN KEY (organisation_id, vault_id) REFERENCES vault (organisation_id, id)
);
CREATE INDEX vault_event_newest ON vault_event (organisation_id, vault_id, id DESC);
CALL tenant_table('vault_event', 'strongroom_indexer', 'strongroom_relay');
CALL append_only('vault_event');
GRANT SELECT, INSERT ON vault_event TO strongroom_indexer;
GRANT SELECT ON vault_event TO strongroom_api, strongroom_relay, strongroom_worker;
