-- relay: what five updates of each row cost. See src/strongroom/relay/README.md

-- A trigger that is asked only where a statement names what never changes: else each update of a
-- state read and compared the long payload.
DROP TRIGGER outgoing_keeps ON outgoing;
CREATE TRIGGER outgoing_keeps
    BEFORE DELETE OR UPDATE OF organisation_id, id, chain_id, purpose, ref, payload ON outgoing
    FOR EACH ROW EXECUTE FUNCTION outgoing_keeps();
CREATE TRIGGER outgoing_keeps_nonce BEFORE UPDATE OF sender, nonce ON outgoing
    FOR EACH ROW
    WHEN (OLD.nonce IS NOT NULL
          AND (OLD.sender, OLD.nonce) IS DISTINCT FROM (NEW.sender, NEW.nonce))
    EXECUTE FUNCTION outgoing_keeps();

-- A check of the table is made at each update; this one at the only moment when it can fail.
CREATE FUNCTION outgoing_begins() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
BEGIN
    RAISE EXCEPTION 'outgoing: its payload is an object' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER outgoing_begins BEFORE INSERT ON outgoing
    FOR EACH ROW WHEN (jsonb_typeof(NEW.payload) IS DISTINCT FROM 'object')
    EXECUTE FUNCTION outgoing_begins();
ALTER TABLE outgoing DROP CONSTRAINT outgoing_payload_check;

-- Reverted transactions whose reason is not asked for yet: looked for twice a second.
CREATE INDEX outgoing_unexplained ON outgoing (chain_id, id)
    WHERE succeeded IS FALSE AND revert_reason IS NULL;
