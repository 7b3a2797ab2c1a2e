-- auditlog: records are staged by every unit of work and get their place from one sequencer.

-- Staged records, shared by all writers without a common lock. Rows leave for log_record. `rows` are
-- the rows that the record commits to by its rows_root (a JCS array), kept as they were hashed.
CREATE TABLE log_pending (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              bigint GENERATED ALWAYS AS IDENTITY,
    record          bytea NOT NULL CHECK (octet_length(record) BETWEEN 2 AND 1048576),
    record_hash     bytea NOT NULL CHECK (octet_length(record_hash) = 32),
    rows            bytea,
    PRIMARY KEY (id)
);

-- The log. organisation_index counts an organisation's records without a gap, so that an export can
-- prove that it left none out.
CREATE TABLE log_record (
    organisation_id    uuid NOT NULL REFERENCES organisation (id),
    index              bigint NOT NULL CHECK (index >= 0),
    organisation_index bigint NOT NULL CHECK (organisation_index >= 0),
    record             bytea NOT NULL,
    record_hash        bytea NOT NULL,
    rows               bytea,
    sequenced_at       timestamptz NOT NULL,
    PRIMARY KEY (index),
    UNIQUE (organisation_id, organisation_index)
);
CREATE INDEX log_record_hash ON log_record USING hash (record_hash);

-- One row: the size and root of the tree. Locked by the sequencer: this row is also its fence.
CREATE TABLE log_head (
    single       boolean PRIMARY KEY DEFAULT true CHECK (single),
    size         bigint NOT NULL CHECK (size >= 0),
    root         bytea NOT NULL CHECK (octet_length(root) = 32),
    sequenced_at timestamptz NOT NULL
);
INSERT INTO log_head (size, root, sequenced_at)
VALUES (0, sha256(''), '2026-01-01T00:00:00Z');

-- The next place of each organisation's own count.
CREATE TABLE log_organisation (
    organisation_id uuid PRIMARY KEY REFERENCES organisation (id),
    size            bigint NOT NULL CHECK (size >= 0)
);

-- The tree's hashes: tile (level, place) holds up to 256 hashes, each of 256^level records that lie
-- side by side. A full tile never changes; every proof is made from a few tiles.
CREATE TABLE log_tile (
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    place  bigint NOT NULL CHECK (place >= 0),
    hashes bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192
                                 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (level, place)
);
ALTER TABLE log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Signed heads: C2SP notes, made by the signer.
CREATE TABLE log_checkpoint (
    size      bigint PRIMARY KEY CHECK (size >= 0),
    root      bytea NOT NULL CHECK (octet_length(root) = 32),
    note      text NOT NULL,
    signed_at timestamptz NOT NULL
);

-- The head that the signer was last asked to sign. Stored before the question, so that after a crash
-- the very same one is asked again: the signer's memory and ours can't drift apart.
CREATE TABLE log_asked (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    size   bigint NOT NULL CHECK (size >= 0)
);
INSERT INTO log_asked (size) VALUES (0);

-- Tiles only grow: what a tile held stays at its beginning.
CREATE FUNCTION log_tile_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.level, NEW.place) = (OLD.level, OLD.place)
           AND octet_length(NEW.hashes) >= octet_length(OLD.hashes)
           AND substring(NEW.hashes FOR octet_length(OLD.hashes)) = OLD.hashes THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% on log_tile refused: the hashes of a tile stay as they are, new ones follow', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER log_tile_grows BEFORE UPDATE OR DELETE ON log_tile
    FOR EACH ROW EXECUTE FUNCTION log_tile_grows();

CALL tenant_table('log_pending', 'strongroom_indexer', 'strongroom_relay', 'strongroom_screener', 'strongroom_worker');
CALL tenant_table('log_record', 'strongroom_relay', 'strongroom_worker');
CALL append_only('log_record');
CALL append_only('log_checkpoint');

GRANT INSERT ON log_pending
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker;
GRANT SELECT ON log_pending TO strongroom_relay, strongroom_worker;
GRANT DELETE ON log_pending TO strongroom_relay;
GRANT SELECT ON log_record, log_head, log_tile, log_checkpoint, log_organisation, log_asked
    TO strongroom_api, strongroom_relay, strongroom_worker;
GRANT INSERT ON log_record, log_checkpoint, log_tile, log_organisation TO strongroom_relay;
GRANT UPDATE ON log_head, log_tile, log_organisation, log_asked TO strongroom_relay;
