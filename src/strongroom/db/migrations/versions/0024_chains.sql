-- wallets: the chains that this house serves, and the code of each one's own coin. See
-- src/strongroom/decisions/0012-several-chains.md.

-- Written by `strongroom deploy` and never changed: the books of two chains are told apart by it.
CREATE TABLE watched_chain (
    chain_id     bigint PRIMARY KEY CHECK (chain_id > 0),
    native_asset text NOT NULL UNIQUE CHECK (native_asset ~ '^[A-Z][A-Z0-9]{0,14}/[0-9]{1,2}$'),
    created_at   timestamptz NOT NULL
);
GRANT SELECT ON watched_chain
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT INSERT ON watched_chain TO strongroom_relay;
INSERT INTO watched_chain (chain_id, native_asset, created_at)
    SELECT chain_id, 'ETH/18', deployed_at FROM platform;

-- A transaction that moved only tokens of ours is proven by its receipt alone, which has no nonce.
-- Those of our own keys and vaults, and those that moved the chain's coin, are proven whole.
ALTER TABLE chain_receipt ALTER COLUMN nonce DROP NOT NULL;
