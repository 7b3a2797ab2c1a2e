-- chain: what the indexer believes about each chain, and when it believed it. Nothing is deleted:
-- a row is believed from seen_at until orphaned_at. Not tenant tables: no API role reads them but
-- the cursor. See src/strongroom/indexer/README.md.

-- One row a chain, moved by compare-and-set on (height, block_hash, epoch) only.
CREATE TABLE chain_cursor (
    chain_id         bigint PRIMARY KEY CHECK (chain_id > 0),
    start_height     bigint NOT NULL CHECK (start_height >= 0),
    height           bigint NOT NULL CHECK (height >= start_height),
    block_hash       bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    confirmed_height bigint NOT NULL CHECK (confirmed_height <= height),
    safe_height      bigint NOT NULL CHECK (safe_height <= height),
    finalized_height bigint NOT NULL CHECK (finalized_height <= height),
    balances_height  bigint NOT NULL DEFAULT 0,
    balances_after   bytea,
    epoch            bigint NOT NULL,
    halted_reason    text,
    updated_at       timestamptz NOT NULL
);

-- A block as this chain showed it. The same hash may come back after a reorganisation: sighting
-- counts its appearances, so that what is booked again is booked under another key.
CREATE TABLE chain_block (
    id            uuid PRIMARY KEY,
    chain_id      bigint NOT NULL REFERENCES chain_cursor (chain_id),
    height        bigint NOT NULL CHECK (height >= 0),
    block_hash    bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    sighting      integer NOT NULL CHECK (sighting >= 1),
    parent_hash   bytea NOT NULL CHECK (octet_length(parent_hash) = 32),
    block_time    timestamptz NOT NULL,
    header_rlp    bytea NOT NULL,
    receipts_root bytea NOT NULL CHECK (octet_length(receipts_root) = 32),
    touched       boolean NOT NULL,
    state         text NOT NULL
                  CHECK (state IN ('seen', 'confirmed', 'safe', 'finalized', 'orphaned')),
    seen_at       timestamptz NOT NULL,
    confirmed_at  timestamptz,
    safe_at       timestamptz,
    finalized_at  timestamptz,
    orphaned_at   timestamptz,
    UNIQUE (chain_id, block_hash, sighting),
    CHECK ((state = 'orphaned') = (orphaned_at IS NOT NULL))
);
CREATE UNIQUE INDEX chain_block_canonical ON chain_block (chain_id, height)
    WHERE orphaned_at IS NULL;
CREATE INDEX chain_block_touched ON chain_block (chain_id, height) WHERE touched;

-- The transactions of touched blocks that concern us, with their proofs under the header's roots:
-- Patricia nodes from the root to the leaf of key rlp(tx_index).
CREATE TABLE chain_receipt (
    block_id                uuid NOT NULL REFERENCES chain_block (id),
    chain_id                bigint NOT NULL,
    block_hash              bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    tx_index                integer NOT NULL CHECK (tx_index >= 0),
    tx_hash                 bytea NOT NULL CHECK (octet_length(tx_hash) = 32),
    sender                  bytea NOT NULL CHECK (octet_length(sender) = 20),
    recipient               bytea CHECK (octet_length(recipient) = 20),
    nonce                   numeric(20, 0) NOT NULL CHECK (nonce >= 0),
    succeeded               boolean NOT NULL,
    gas_used                bigint NOT NULL CHECK (gas_used >= 0),
    effective_gas_price_wei numeric(78, 0) NOT NULL CHECK (effective_gas_price_wei >= 0),
    receipt_rlp             bytea NOT NULL,
    receipt_proof           bytea[] NOT NULL,
    transaction_raw         bytea,
    tx_proof                bytea[],
    PRIMARY KEY (block_id, tx_index)
);
CREATE INDEX chain_receipt_by_hash ON chain_receipt (tx_hash);

-- Movements from or to a watched address. position: log index, or -1 - trace index for native.
CREATE TABLE chain_transfer (
    block_id  uuid NOT NULL REFERENCES chain_block (id),
    chain_id  bigint NOT NULL,
    height    bigint NOT NULL CHECK (height >= 0),
    tx_hash   bytea NOT NULL CHECK (octet_length(tx_hash) = 32),
    position  integer NOT NULL,
    token     bytea CHECK (octet_length(token) = 20),
    sender    bytea NOT NULL CHECK (octet_length(sender) = 20),
    recipient bytea NOT NULL CHECK (octet_length(recipient) = 20),
    units     numeric(78, 0) NOT NULL CHECK (units >= 0 AND units < 2::numeric ^ 256),
    kind      text NOT NULL CHECK (kind IN ('native', 'internal', 'erc20')),
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (block_id, tx_hash, position),
    CHECK ((kind = 'erc20') = (token IS NOT NULL)),
    CHECK ((kind = 'erc20') = (position >= 0))
);
CREATE INDEX chain_transfer_recipient ON chain_transfer (chain_id, recipient, height);
CREATE INDEX chain_transfer_sender ON chain_transfer (chain_id, sender, height);
CALL append_only('chain_receipt');
CALL append_only('chain_transfer');

-- What the chain itself says an address holds, read by block hash at a finalized block.
CREATE TABLE chain_balance (
    chain_id   bigint NOT NULL REFERENCES chain_cursor (chain_id),
    height     bigint NOT NULL CHECK (height >= 0),
    block_hash bytea NOT NULL CHECK (octet_length(block_hash) = 32),
    address    bytea NOT NULL CHECK (octet_length(address) = 20),
    asset      text NOT NULL,
    token      bytea CHECK (octet_length(token) = 20),
    units      numeric(78, 0) NOT NULL CHECK (units >= 0 AND units < 2::numeric ^ 256),
    read_at    timestamptz NOT NULL,
    PRIMARY KEY (chain_id, height, address, asset)
);
CALL append_only('chain_balance');

GRANT SELECT ON chain_cursor TO strongroom_api;
GRANT SELECT ON chain_cursor, chain_block, chain_receipt, chain_transfer, chain_balance
    TO strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT INSERT ON chain_cursor, chain_block, chain_receipt, chain_transfer, chain_balance
    TO strongroom_indexer;
GRANT UPDATE ON chain_cursor TO strongroom_indexer;
GRANT UPDATE (state, touched, confirmed_at, safe_at, finalized_at, orphaned_at) ON chain_block
    TO strongroom_indexer;
