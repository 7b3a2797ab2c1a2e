-- vaults: see src/strongroom/vaults/README.md

-- A Safe that was taken in is not made by us.
ALTER TABLE vault ALTER COLUMN creation_id DROP NOT NULL;

-- A vault's configuration at finalized blocks, as the relay's examiner read it. A new row where it
-- changed; else only `seen_*` of the last row move.
CREATE TABLE vault_snapshot (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    vault_id        uuid NOT NULL,
    configuration   jsonb NOT NULL,
    policy_version  bigint NOT NULL,
    height          bigint NOT NULL CHECK (height >= 0),
    taken_at        timestamptz NOT NULL,
    seen_height     bigint NOT NULL CHECK (seen_height >= height),
    seen_hash       bytea NOT NULL CHECK (octet_length(seen_hash) = 32),
    seen_time       timestamptz NOT NULL,
    seen_at         timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, vault_id) REFERENCES vault (organisation_id, id)
);
CALL tenant_table('vault_snapshot', 'strongroom_relay');
CREATE INDEX vault_snapshot_newest ON vault_snapshot (organisation_id, vault_id, id DESC);
GRANT SELECT ON vault_snapshot TO strongroom_api, strongroom_worker;
GRANT SELECT, INSERT, UPDATE (seen_height, seen_hash, seen_time, seen_at)
    ON vault_snapshot TO strongroom_relay;

-- One Safe transaction of a change: its announcement, its execution, or all of it where nothing
-- must wait. `guard`, `permit_signer`, `owners`, `threshold`: what stands on chain when it is made.
CREATE TABLE vault_step (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    vault_id        uuid NOT NULL,
    change          jsonb NOT NULL,
    phase           text NOT NULL CHECK (phase IN ('announce', 'execute', 'now')),
    guard           bytea NOT NULL CHECK (octet_length(guard) = 20),
    permit_signer   bytea NOT NULL CHECK (octet_length(permit_signer) = 20),
    owners          jsonb NOT NULL,
    threshold       integer NOT NULL CHECK (threshold > 0),
    policy_version  bigint NOT NULL,
    safe_nonce      bigint NOT NULL CHECK (safe_nonce >= 0),
    safe_tx_hash    bytea NOT NULL CHECK (octet_length(safe_tx_hash) = 32),
    rejection_hash  bytea NOT NULL CHECK (octet_length(rejection_hash) = 32),
    state           text NOT NULL CHECK (state IN
                        ('signing', 'binding', 'sent', 'done', 'withdrawn', 'voiding', 'void')),
    reason          text NOT NULL,
    bound_at        timestamptz,
    turn            integer NOT NULL DEFAULT 0 CHECK (turn >= 0),
    lease_until     timestamptz,
    attempt         integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    due_at          timestamptz,
    outgoing_id     uuid,
    request_id      text NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, vault_id) REFERENCES vault (organisation_id, id),
    FOREIGN KEY (organisation_id, outgoing_id) REFERENCES outgoing (organisation_id, id),
    CHECK (state IN ('signing', 'withdrawn') = (bound_at IS NULL))
);
CALL tenant_table('vault_step', 'strongroom_relay', 'strongroom_indexer');
-- One step at a time has the vault's next nonce, and a nonce that is bound belongs to it for ever.
CREATE UNIQUE INDEX vault_step_open ON vault_step (organisation_id, vault_id)
    WHERE state IN ('signing', 'binding', 'sent', 'voiding');
CREATE UNIQUE INDEX vault_step_nonce ON vault_step (organisation_id, vault_id, safe_nonce)
    WHERE state <> 'withdrawn';
CREATE INDEX vault_step_due ON vault_step (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX vault_step_by_hash ON vault_step (safe_tx_hash);
CREATE INDEX vault_step_by_rejection ON vault_step (rejection_hash);

CREATE TABLE vault_step_signature (
    organisation_id uuid NOT NULL,
    step_id         uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('step', 'rejection')),
    address         bytea NOT NULL CHECK (octet_length(address) = 20),
    signature       bytea NOT NULL CHECK (octet_length(signature) = 65),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, step_id, kind, address),
    FOREIGN KEY (organisation_id, step_id) REFERENCES vault_step (organisation_id, id)
);
CALL tenant_table('vault_step_signature', 'strongroom_relay', 'strongroom_indexer');
CALL append_only('vault_step_signature');

GRANT SELECT, INSERT, UPDATE ON vault_step TO strongroom_api;
GRANT SELECT, UPDATE ON vault_step TO strongroom_relay, strongroom_indexer;
GRANT SELECT ON vault_step TO strongroom_worker;
GRANT SELECT, INSERT ON vault_step_signature TO strongroom_api;
GRANT SELECT ON vault_step_signature TO strongroom_relay, strongroom_indexer;

-- What the examiner sees that is not ours goes to the organisation's alerts.
GRANT SELECT, INSERT ON alert TO strongroom_relay;

-- Against a thief with the API's role: what is bound is the relay's and the blocks' alone.
CREATE FUNCTION vault_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF session_user = 'strongroom_api' AND NOT (
        CASE
            WHEN TG_OP = 'INSERT' THEN NEW.state = 'signing' AND NEW.outgoing_id IS NULL
            WHEN to_jsonb(NEW) - '{state,reason,due_at,updated_at}'::text[]
                <> to_jsonb(OLD) - '{state,reason,due_at,updated_at}'::text[] THEN false
            ELSE (OLD.state, NEW.state) IN (('signing', 'signing'), ('signing', 'withdrawn'),
                ('voiding', 'voiding'))
        END)
    THEN
        RAISE EXCEPTION 'this change of a vault''s step is not the API''s to make'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON vault_step
    FOR EACH ROW EXECUTE FUNCTION vault_step_guard();
