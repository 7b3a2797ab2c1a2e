-- relay: see src/strongroom/relay/README.md
-- A logical transaction (`outgoing`) and every signed form of it (`outgoing_attempt`). A nonce
-- belongs to one row for ever, and an attempt is stored before anybody may broadcast it.

CREATE TABLE outgoing (
    organisation_id     uuid NOT NULL REFERENCES organisation (id),
    id                  uuid NOT NULL,
    chain_id            bigint NOT NULL CHECK (chain_id > 0),
    purpose             text NOT NULL CHECK (purpose IN
                            ('vault_creation', 'delegate_deployment', 'vault_execution', 'sweep',
                             'hot_payment', 'cold_payment')),
    ref                 bytea NOT NULL CHECK (octet_length(ref) = 32),
    payload             jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    state               text NOT NULL DEFAULT 'queued' CHECK (state IN
                            ('queued', 'signed', 'broadcast', 'mined', 'finalized', 'failed',
                             'cancelled')),
    sender              bytea CHECK (octet_length(sender) = 20),
    nonce               bigint CHECK (nonce >= 0),
    lease_until         timestamptz,
    attempt             integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    due_at              timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    gas                 bigint CHECK (gas BETWEEN 21000 AND 16777216),
    max_fee_per_gas_wei numeric(78, 0) CHECK (max_fee_per_gas_wei > 0),
    max_total_fee_wei   numeric(78, 0) CHECK (max_total_fee_wei > 0),
    mined_hash          bytea CHECK (octet_length(mined_hash) = 32),
    mined_height        bigint CHECK (mined_height >= 0),
    mined_block_hash    bytea CHECK (octet_length(mined_block_hash) = 32),
    succeeded           boolean,
    last_error          text,
    request_id          text NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (chain_id, ref),
    CHECK ((nonce IS NULL) = (sender IS NULL)),
    CHECK (state NOT IN ('signed', 'broadcast', 'mined', 'finalized', 'cancelled')
           OR nonce IS NOT NULL),
    CHECK ((mined_hash IS NULL) = (mined_height IS NULL)
           AND (mined_hash IS NULL) = (mined_block_hash IS NULL)
           AND (mined_hash IS NULL) = (succeeded IS NULL))
);
CALL tenant_table('outgoing', 'strongroom_relay', 'strongroom_indexer');
CREATE UNIQUE INDEX outgoing_nonce ON outgoing (chain_id, sender, nonce) WHERE nonce IS NOT NULL;
CREATE INDEX outgoing_due ON outgoing (due_at, id) WHERE state IN ('queued', 'signed', 'broadcast');
CREATE INDEX outgoing_mined ON outgoing (chain_id, mined_height) WHERE state = 'mined';

-- `attempt` counts the signed forms of one transaction: 0, then the bumps; a cancel is one more.
CREATE TABLE outgoing_attempt (
    organisation_id              uuid NOT NULL,
    outgoing_id                  uuid NOT NULL,
    attempt                      integer NOT NULL CHECK (attempt >= 0),
    kind                         text NOT NULL CHECK (kind IN ('payload', 'cancel')),
    gas                          bigint NOT NULL CHECK (gas > 0),
    max_fee_per_gas_wei          numeric(78, 0) NOT NULL CHECK (max_fee_per_gas_wei > 0),
    max_priority_fee_per_gas_wei numeric(78, 0) NOT NULL CHECK (max_priority_fee_per_gas_wei >= 0),
    planned_at                   timestamptz NOT NULL,
    refused                      text,
    raw                          bytea,
    hash                         bytea CHECK (octet_length(hash) = 32),
    stored_at                    timestamptz,
    first_broadcast_at           timestamptz,
    last_broadcast_at            timestamptz,
    PRIMARY KEY (organisation_id, outgoing_id, attempt),
    FOREIGN KEY (organisation_id, outgoing_id) REFERENCES outgoing (organisation_id, id),
    CHECK ((raw IS NULL) = (hash IS NULL) AND (raw IS NULL) = (stored_at IS NULL)),
    CHECK (first_broadcast_at IS NULL OR raw IS NOT NULL)
);
CALL tenant_table('outgoing_attempt', 'strongroom_relay', 'strongroom_indexer');
CREATE UNIQUE INDEX outgoing_attempt_hash ON outgoing_attempt (hash) WHERE hash IS NOT NULL;

CREATE FUNCTION outgoing_keeps() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'outgoing: what may have been sent is never deleted';
    END IF;
    IF (OLD.organisation_id, OLD.id, OLD.chain_id, OLD.purpose, OLD.ref, OLD.payload)
        IS DISTINCT FROM (NEW.organisation_id, NEW.id, NEW.chain_id, NEW.purpose, NEW.ref,
                          NEW.payload) THEN
        RAISE EXCEPTION 'outgoing: what a transaction does is never changed';
    END IF;
    IF OLD.nonce IS NOT NULL
        AND (OLD.sender, OLD.nonce) IS DISTINCT FROM (NEW.sender, NEW.nonce) THEN
        RAISE EXCEPTION 'outgoing: a nonce belongs to one intent for ever';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER outgoing_keeps BEFORE UPDATE OR DELETE ON outgoing
    FOR EACH ROW EXECUTE FUNCTION outgoing_keeps();

CREATE FUNCTION outgoing_attempt_keeps() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'outgoing_attempt: an attempt is never deleted';
    END IF;
    IF (OLD.organisation_id, OLD.outgoing_id, OLD.attempt)
        IS DISTINCT FROM (NEW.organisation_id, NEW.outgoing_id, NEW.attempt) THEN
        RAISE EXCEPTION 'outgoing_attempt: an attempt keeps its place';
    END IF;
    IF OLD.raw IS NOT NULL
        AND (OLD.raw, OLD.hash, OLD.kind, OLD.stored_at, OLD.gas, OLD.max_fee_per_gas_wei,
             OLD.max_priority_fee_per_gas_wei)
            IS DISTINCT FROM (NEW.raw, NEW.hash, NEW.kind, NEW.stored_at, NEW.gas,
                              NEW.max_fee_per_gas_wei, NEW.max_priority_fee_per_gas_wei) THEN
        RAISE EXCEPTION 'outgoing_attempt: a signed transaction is never replaced';
    END IF;
    IF OLD.first_broadcast_at IS NOT NULL
        AND OLD.first_broadcast_at IS DISTINCT FROM NEW.first_broadcast_at THEN
        RAISE EXCEPTION 'outgoing_attempt: the first broadcast happened once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER outgoing_attempt_keeps BEFORE UPDATE OR DELETE ON outgoing_attempt
    FOR EACH ROW EXECUTE FUNCTION outgoing_attempt_keeps();

-- A new row begins at the beginning: state, nonce, sender and lease are the relay's to say. And each
-- role asks for its own purposes: a reference squatted for another's would hold that up for ever.
GRANT SELECT ON outgoing TO strongroom_api, strongroom_worker, strongroom_relay;
GRANT INSERT (organisation_id, id, chain_id, purpose, ref, payload, due_at, gas,
              max_fee_per_gas_wei, max_total_fee_wei, request_id, created_at, updated_at) ON outgoing
    TO strongroom_api, strongroom_worker, strongroom_relay;
CREATE POLICY outgoing_of_api ON outgoing AS RESTRICTIVE FOR INSERT TO strongroom_api
    WITH CHECK (purpose IN ('vault_creation', 'delegate_deployment'));
CREATE POLICY outgoing_of_worker ON outgoing AS RESTRICTIVE FOR INSERT TO strongroom_worker
    WITH CHECK (purpose = 'sweep');
GRANT SELECT, UPDATE ON outgoing TO strongroom_relay, strongroom_indexer;
GRANT UPDATE (cancel_requested_at, due_at, updated_at) ON outgoing TO strongroom_api;
GRANT SELECT ON outgoing_attempt TO strongroom_api, strongroom_worker, strongroom_indexer;
GRANT SELECT, INSERT, UPDATE ON outgoing_attempt TO strongroom_relay;
