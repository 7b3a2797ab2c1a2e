-- policy: see src/strongroom/policy/README.md
-- Bundles are kept for ever. One that is `staged` was sent to the signer and is waiting for its
-- word; the signer's answer, not ours, makes it the active one.

CREATE TABLE policy_bundle (
    organisation_id    uuid NOT NULL REFERENCES organisation (id),
    version            bigint NOT NULL CHECK (version > 0),
    digest             bytea NOT NULL CHECK (octet_length(digest) = 32),
    content            jsonb NOT NULL,
    signatures         jsonb NOT NULL,
    officer_signatures jsonb NOT NULL,
    manifest           jsonb,
    staged_at          timestamptz NOT NULL,
    activated_at       timestamptz,
    PRIMARY KEY (organisation_id, version, digest)
);
CALL tenant_table('policy_bundle', 'strongroom_relay', 'strongroom_indexer', 'strongroom_worker');
CREATE UNIQUE INDEX policy_bundle_active ON policy_bundle (organisation_id, version)
    WHERE activated_at IS NOT NULL;

CREATE FUNCTION policy_bundle_keeps() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.activated_at IS NOT NULL
        OR (OLD.organisation_id, OLD.version, OLD.digest, OLD.content)
            IS DISTINCT FROM (NEW.organisation_id, NEW.version, NEW.digest, NEW.content) THEN
        RAISE EXCEPTION 'policy_bundle: a bundle is kept for ever, as it was signed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER policy_bundle_keeps BEFORE UPDATE OR DELETE ON policy_bundle
    FOR EACH ROW EXECUTE FUNCTION policy_bundle_keeps();

GRANT SELECT, INSERT ON policy_bundle TO strongroom_api;
GRANT UPDATE (activated_at, signatures, officer_signatures, manifest) ON policy_bundle
    TO strongroom_api;
GRANT SELECT ON policy_bundle TO strongroom_relay, strongroom_indexer, strongroom_worker;
