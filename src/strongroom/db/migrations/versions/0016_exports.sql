-- Exports that people asked for; the bundle itself is a file in the export folder.
CREATE TABLE export (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    state           text NOT NULL DEFAULT 'requested' CHECK
                    (state IN ('requested', 'writing', 'awaiting_checkpoint', 'ready', 'failed')),
    request_hash    bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    built_hash      bytea CHECK (octet_length(built_hash) = 32),
    cut             bigint CHECK (cut >= 0),
    progress_rows   bigint NOT NULL DEFAULT 0 CHECK (progress_rows >= 0),
    total_rows      bigint CHECK (total_rows >= 0),
    waits           integer NOT NULL DEFAULT 0 CHECK (waits >= 0),
    sha256          bytea CHECK (octet_length(sha256) = 32),
    size_bytes      bigint CHECK (size_bytes > 0),
    reason          text,
    requested_by    text NOT NULL,
    requested_at    timestamptz NOT NULL,
    finished_at     timestamptz,
    PRIMARY KEY (organisation_id, id),
    CHECK ((state = 'ready') = (sha256 IS NOT NULL AND size_bytes IS NOT NULL)),
    CHECK (state <> 'failed' OR reason IS NOT NULL),
    CHECK (state <> 'awaiting_checkpoint' OR built_hash IS NOT NULL),
    CHECK ((state IN ('ready', 'failed')) = (finished_at IS NOT NULL))
);
CALL tenant_table('export', 'strongroom_worker');
GRANT SELECT, INSERT ON export TO strongroom_api, strongroom_worker;
GRANT UPDATE (state, built_hash, cut, progress_rows, total_rows, waits, sha256, size_bytes, reason,
              finished_at) ON export TO strongroom_worker;
