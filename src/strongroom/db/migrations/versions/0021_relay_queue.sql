-- relay: gas money and leaf payments, what a transaction is predicted to do, why it reverted, and
-- how long the purses of our keys last. See src/strongroom/relay/README.md

ALTER TABLE outgoing DROP CONSTRAINT outgoing_purpose_check;
ALTER TABLE outgoing ADD CONSTRAINT outgoing_purpose_check CHECK (purpose IN
    ('vault_creation', 'delegate_deployment', 'vault_execution', 'sweep', 'hot_payment',
     'cold_payment', 'gas_topup', 'leaf_sweep'));

-- `predicted`: what a node said just before it was signed, [{token, from, to, units}]; evidence to
-- compare the mined block with. `revert_reason`: the chain's own words, decoded.
ALTER TABLE outgoing
    ADD COLUMN predicted jsonb CHECK (jsonb_typeof(predicted) = 'array'),
    ADD COLUMN revert_reason text CHECK (length(revert_reason) BETWEEN 1 AND 2000);

DROP POLICY outgoing_of_worker ON outgoing;
CREATE POLICY outgoing_of_worker ON outgoing AS RESTRICTIVE FOR INSERT TO strongroom_worker
    WITH CHECK (purpose IN ('sweep', 'gas_topup', 'leaf_sweep'));

-- The rows of one key in nonce order: sending the queue again, finding gaps.
CREATE INDEX outgoing_unmined ON outgoing (chain_id, sender, nonce)
    WHERE state IN ('signed', 'broadcast');

-- What nodes say of a key of ours: its gas money, how many transactions that pays at the present
-- price, and its nonces (how many are mined, known to a pool, final).
CREATE TABLE relay_purse (
    organisation_id   uuid NOT NULL REFERENCES organisation (id),
    chain_id          bigint NOT NULL CHECK (chain_id > 0),
    address           bytea NOT NULL CHECK (octet_length(address) = 20),
    balance_wei       numeric(78, 0) NOT NULL CHECK (balance_wei >= 0),
    cost_wei          numeric(78, 0) NOT NULL CHECK (cost_wei > 0),
    transactions_left bigint NOT NULL CHECK (transactions_left >= 0),
    mined_nonce       bigint NOT NULL CHECK (mined_nonce >= 0),
    pending_nonce     bigint NOT NULL CHECK (pending_nonce >= 0),
    finalized_nonce   bigint NOT NULL CHECK (finalized_nonce >= 0),
    state             text NOT NULL CHECK (state IN ('ok', 'low', 'dry')),
    since             timestamptz NOT NULL,
    checked_at        timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, chain_id, address)
);
CALL tenant_table('relay_purse', 'strongroom_relay');
GRANT SELECT ON relay_purse TO strongroom_api, strongroom_relay;
GRANT INSERT, UPDATE ON relay_purse TO strongroom_relay;
