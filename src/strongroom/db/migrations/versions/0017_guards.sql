-- Against a thief with the API's role: what blocks and the relay go by is not the API's to change.

-- The books follow the address: an account of another name could make its block be refused.
ALTER TABLE watched_address ADD CHECK
    (custody_code = 'custody:' || chain_id || ':0x' || encode(address, 'hex'));

-- May the hold be let go although no block says so? Once its order ended before the signer was
-- asked: from `binding` on only a mined transaction frees the money. Asked by ledger_post.
CREATE FUNCTION withdrawal_hold_is_free(p_organisation uuid, p_hold text, p_key text)
    RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT p_hold ~ '^withdrawal:[0-9a-f-]{36}:(hold|fee)$'
       AND starts_with(p_key, left(p_hold, 48)) AND substr(p_key, 49) ~ '^[a-z:-]*void$'
       AND EXISTS (SELECT FROM withdrawal AS w
                   WHERE w.organisation_id = p_organisation AND w.id::text = substr(p_hold, 12, 36)
                     AND w.state IN ('rejected', 'expired', 'cancelled', 'blocked')
                     AND w.bound_at IS NULL)
$$;
GRANT SELECT (organisation_id, id, state, bound_at) ON withdrawal TO strongroom_ledger;

-- The API takes orders in, counts approvals, and ends what nothing of ours was signed for; beyond
-- that it can only ask that a bound one be voided. session_user cannot be changed by SET ROLE.
CREATE FUNCTION withdrawal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving CONSTANT text[] := ARRAY['state', 'reason', 'held', 'screening_id', 'safe_nonce',
        'safe_tx_hash', 'void_to', 'due_at', 'lease_until', 'updated_at'];
    unbound CONSTANT text[] := ARRAY['screening', 'queued', 'awaiting_approval', 'approved'];
    allowed boolean;
BEGIN
    IF session_user <> 'strongroom_api' THEN
        RETURN NEW;
    END IF;
    allowed := CASE
        WHEN TG_OP = 'INSERT' THEN
            NEW.state IN ('screening', 'rejected') AND NEW.bound_at IS NULL
            AND NEW.safe_nonce IS NULL
        WHEN to_jsonb(NEW) - moving <> to_jsonb(OLD) - moving THEN false
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
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON withdrawal
    FOR EACH ROW EXECUTE FUNCTION withdrawal_guard();

-- Steps are counted on: a step written ahead would meet the one that a block brings.
CREATE FUNCTION withdrawal_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF session_user = 'strongroom_api' THEN
        PERFORM FROM withdrawal AS w
        WHERE (w.organisation_id, w.id) = (NEW.organisation_id, NEW.withdrawal_id)
        FOR NO KEY UPDATE;
        IF NEW.step <> (SELECT count(*) FROM withdrawal_transition AS t
                        WHERE (t.organisation_id, t.withdrawal_id)
                            = (NEW.organisation_id, NEW.withdrawal_id)) THEN
            RAISE EXCEPTION 'a withdrawal''s steps are written one after the other'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE INSERT ON withdrawal_transition
    FOR EACH ROW EXECUTE FUNCTION withdrawal_step_guard();
