-- withdrawals: see src/strongroom/withdrawals/README.md

-- `batch_id`: the first of several payments in one Safe transaction; each row keeps all of them, so
-- that what is signed follows from the row. `memo` is never sent to the chain.
ALTER TABLE withdrawal
    ADD COLUMN batch_id uuid,
    ADD COLUMN batch_place integer NOT NULL DEFAULT 0 CHECK (batch_place BETWEEN 0 AND 63),
    ADD COLUMN batch jsonb,
    ADD COLUMN memo text NOT NULL DEFAULT '' CHECK (length(memo) <= 1000),
    ADD COLUMN fee_level text NOT NULL DEFAULT 'normal'
        CHECK (fee_level IN ('slow', 'normal', 'fast')),
    ADD FOREIGN KEY (organisation_id, batch_id) REFERENCES withdrawal (organisation_id, id),
    ADD CHECK ((batch_id IS NULL) = (batch IS NULL)),
    ADD CHECK (batch_id IS NULL OR wallet_kind = 'vault'),
    ADD CHECK (batch_id IS NOT NULL OR batch_place = 0);
ALTER TABLE withdrawal
    DROP CONSTRAINT withdrawal_organisation_id_vault_id_safe_nonce_key,
    ADD UNIQUE (organisation_id, vault_id, safe_nonce, batch_place);
-- As before, and batches are formed and dissolved while nothing is bound.
CREATE OR REPLACE FUNCTION withdrawal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving CONSTANT text[] := ARRAY['state', 'reason', 'held', 'screening_id', 'safe_nonce',
        'safe_tx_hash', 'void_to', 'due_at', 'lease_until', 'updated_at', 'batch_id', 'batch_place',
        'batch'];
    unbound CONSTANT text[] := ARRAY['screening', 'queued', 'awaiting_approval', 'approved'];
    allowed boolean;
BEGIN
    IF session_user <> 'strongroom_api' THEN
        RETURN NEW;
    END IF;
    allowed := CASE
        WHEN TG_OP = 'INSERT' THEN
            NEW.state IN ('screening', 'rejected') AND NEW.bound_at IS NULL
            AND NEW.safe_nonce IS NULL AND NEW.batch_id IS NULL
        WHEN to_jsonb(NEW) - moving <> to_jsonb(OLD) - moving THEN false
        WHEN (NEW.batch_id, NEW.batch_place, NEW.batch)
             IS DISTINCT FROM (OLD.batch_id, OLD.batch_place, OLD.batch)
            THEN OLD.bound_at IS NULL AND OLD.state = ANY (unbound) AND NEW.safe_nonce IS NULL
                 AND NEW.held = OLD.held AND NEW.state IN ('screening', 'queued', OLD.state)
        WHEN (NEW.safe_nonce, NEW.safe_tx_hash) IS DISTINCT FROM (OLD.safe_nonce, OLD.safe_tx_hash)
            THEN OLD.bound_at IS NULL AND NEW.safe_nonce IS NULL
        WHEN OLD.state = ANY (unbound) AND OLD.bound_at IS NULL THEN
            NEW.state IN ('rejected', 'expired', 'cancelled', 'blocked')
            OR NEW.state = ANY (unbound) AND NEW.held = OLD.held
        WHEN OLD.state IN ('binding', 'signed', 'broadcast') THEN
            NEW.state IN (OLD.state, 'voiding') AND NEW.held = OLD.held
        WHEN OLD.state = 'voiding' THEN
            NEW.state = 'voiding' AND NEW.held = OLD.held AND NEW.void_to = OLD.void_to
        -- When it lets its money go, the row has ended already.
        WHEN OLD.state IN ('rejected', 'expired', 'cancelled', 'blocked') AND OLD.bound_at IS NULL
            THEN NEW.state = OLD.state
        ELSE false
    END;
    IF allowed IS NOT TRUE THEN
        RAISE EXCEPTION 'this change of a withdrawal is not the API''s to make'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE INDEX withdrawal_by_batch ON withdrawal (organisation_id, batch_id, id)
    WHERE batch_id IS NOT NULL;

-- Who signed a payment may sign it again when it is sent in another Safe transaction.
ALTER TABLE withdrawal_approval
    DROP CONSTRAINT withdrawal_approval_pkey,
    DROP CONSTRAINT withdrawal_approval_organisation_id_withdrawal_id_kind_addr_key,
    ADD PRIMARY KEY (organisation_id, withdrawal_id, kind, person, digest),
    ADD UNIQUE (organisation_id, withdrawal_id, kind, address, digest);

-- One outgoing transaction carries all payments of a batch.
DROP INDEX withdrawal_permit_outgoing;
CREATE INDEX withdrawal_permit_outgoing ON withdrawal_permit (organisation_id, outgoing_id);

-- What a chain's last blocks paid: the base fee of the next one, and three usual tips.
CREATE TABLE fee_quote (
    chain_id     bigint PRIMARY KEY CHECK (chain_id > 0),
    base_fee_wei numeric(78, 0) NOT NULL CHECK (base_fee_wei >= 0),
    slow_wei     numeric(78, 0) NOT NULL CHECK (slow_wei > 0),
    normal_wei   numeric(78, 0) NOT NULL CHECK (normal_wei >= slow_wei),
    fast_wei     numeric(78, 0) NOT NULL CHECK (fast_wei >= normal_wei),
    at           timestamptz NOT NULL
);
GRANT SELECT ON fee_quote TO strongroom_api, strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON fee_quote TO strongroom_relay;

ALTER TABLE outgoing
    ADD COLUMN fee_level text NOT NULL DEFAULT 'normal'
        CHECK (fee_level IN ('slow', 'normal', 'fast'));
GRANT INSERT (fee_level) ON outgoing TO strongroom_api, strongroom_worker, strongroom_relay;

-- How much of an asset lies on a hot wallet; the newest version is in force.
CREATE TABLE hot_float (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    wallet          bytea NOT NULL CHECK (octet_length(wallet) = 20),
    asset           text NOT NULL,
    version         integer NOT NULL CHECK (version > 0),
    min_units       numeric(78, 0) NOT NULL CHECK (min_units >= 0),
    target_units    numeric(78, 0) NOT NULL CHECK (target_units >= min_units),
    max_units       numeric(78, 0) NOT NULL CHECK (max_units >= target_units),
    active          boolean NOT NULL,
    set_by          text NOT NULL,
    set_at          timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, wallet, asset, version)
);
CALL tenant_table('hot_float', 'strongroom_worker');
CALL append_only('hot_float');

-- A payment that the float asks for: an initiator signs it and the people approve it as any other.
CREATE TABLE hot_proposal (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    wallet          bytea NOT NULL CHECK (octet_length(wallet) = 20),
    asset           text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('refill', 'return')),
    units           numeric(78, 0) NOT NULL CHECK (units > 0),
    reference       text NOT NULL CHECK (length(reference) BETWEEN 1 AND 280),
    sentence        text NOT NULL,
    created_at      timestamptz NOT NULL,
    closed_at       timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, reference)
);
CALL tenant_table('hot_proposal', 'strongroom_worker');
CREATE UNIQUE INDEX hot_proposal_open ON hot_proposal (organisation_id, wallet, asset)
    WHERE closed_at IS NULL;

GRANT SELECT, INSERT ON hot_float TO strongroom_api;
GRANT SELECT ON hot_float TO strongroom_worker;
GRANT SELECT ON hot_proposal TO strongroom_api;
GRANT SELECT, INSERT, UPDATE ON hot_proposal TO strongroom_worker;
