-- identity: who an organisation is, who its people are, and which credentials may call the API.
-- Identity never says whose signature counts: only the signed policy bundle does.

CREATE TABLE organisation (
    id            uuid PRIMARY KEY,
    ref           bytea NOT NULL UNIQUE CHECK (octet_length(ref) = 32),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    chain_id      bigint NOT NULL CHECK (chain_id >= 0),
    account_index integer UNIQUE CHECK (account_index BETWEEN 0 AND 2147483647),
    genesis       jsonb NOT NULL,
    created_at    timestamptz NOT NULL
);
ALTER TABLE organisation ENABLE ROW LEVEL SECURITY;
ALTER TABLE organisation FORCE ROW LEVEL SECURITY;
CREATE POLICY organisation_own ON organisation
    USING (id = current_organisation()) WITH CHECK (id = current_organisation());
CREATE POLICY organisation_processes ON organisation
    TO strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker USING (true);
CALL append_only('organisation');

CREATE TABLE department (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, name)
);
CALL tenant_table('department', 'strongroom_worker');
CALL append_only('department');

CREATE TABLE person (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    handle          text NOT NULL CHECK (handle ~ '^[a-z][a-z0-9._-]{0,62}$'),
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    department_id   uuid,
    roles           text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 8),
    address         bytea CHECK (octet_length(address) = 20),
    created_at      timestamptz NOT NULL,
    removed_at      timestamptz,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, handle),
    UNIQUE (organisation_id, address),
    FOREIGN KEY (organisation_id) REFERENCES organisation (id),
    FOREIGN KEY (organisation_id, department_id) REFERENCES department (organisation_id, id)
);
CALL tenant_table('person', 'strongroom_relay', 'strongroom_worker');

-- The caller makes the token and sends its SHA-256: the secret never reaches the service.
CREATE TABLE credential (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              uuid NOT NULL,
    person_id       uuid,
    label           text NOT NULL CHECK (length(label) BETWEEN 1 AND 100),
    token_hash      bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    roles           text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 8),
    version         integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL CHECK (expires_at > created_at),
    revoked_at      timestamptz,
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, person_id) REFERENCES person (organisation_id, id)
);
CALL tenant_table('credential', 'strongroom_identity');

-- A person's time at the console, begun with a credential's token. The cookie's secret is not here.
CREATE TABLE console_session (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    credential_id   uuid NOT NULL,
    secret_hash     bytea NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at        timestamptz,
    PRIMARY KEY (organisation_id, id),
    FOREIGN KEY (organisation_id, credential_id) REFERENCES credential (organisation_id, id)
);
CALL tenant_table('console_session', 'strongroom_identity');

-- Grants stand before the change of owner: afterwards they would not be ours to give or take.

-- A bearer token names its organisation only once it has been found, so this one look-up
-- crosses organisations: by the hash of a 256-bit secret, one row at most, by its own role.
CREATE FUNCTION credential_by_hash(wanted bytea)
    RETURNS TABLE (organisation_id uuid, id uuid, person_id uuid, roles text[], version integer,
                   expires_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
BEGIN ATOMIC
    SELECT c.organisation_id, c.id, c.person_id, c.roles, c.version, c.expires_at, c.revoked_at
    FROM public.credential AS c WHERE c.token_hash = wanted;
END;
GRANT SELECT ON credential, console_session TO strongroom_identity;
REVOKE ALL ON FUNCTION credential_by_hash(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION credential_by_hash(bytea) TO strongroom_api;
ALTER FUNCTION credential_by_hash(bytea) OWNER TO strongroom_identity;

-- The same for a console session: the credential behind it must still be good.
CREATE FUNCTION credential_by_session(wanted bytea, at timestamptz)
    RETURNS TABLE (organisation_id uuid, id uuid, person_id uuid, roles text[], version integer,
                   expires_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
BEGIN ATOMIC
    SELECT c.organisation_id, c.id, c.person_id, c.roles, c.version, c.expires_at, c.revoked_at
    FROM public.console_session AS s
    JOIN public.credential AS c ON (c.organisation_id, c.id) = (s.organisation_id, s.credential_id)
    WHERE s.secret_hash = wanted AND s.ended_at IS NULL AND s.expires_at > at;
END;
REVOKE ALL ON FUNCTION credential_by_session(bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION credential_by_session(bytea, timestamptz) TO strongroom_api;
ALTER FUNCTION credential_by_session(bytea, timestamptz) OWNER TO strongroom_identity;

-- The next free account of the custodian's seed; an index once taken is never given again.
CREATE FUNCTION next_account_index() RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
BEGIN ATOMIC
    SELECT coalesce(max(o.account_index) + 1, 0) FROM public.organisation AS o;
END;
CREATE POLICY organisation_identity ON organisation TO strongroom_identity USING (true);
GRANT SELECT ON organisation TO strongroom_identity;
REVOKE ALL ON FUNCTION next_account_index() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION next_account_index() TO strongroom_api;
ALTER FUNCTION next_account_index() OWNER TO strongroom_identity;

GRANT SELECT, INSERT ON organisation, department, person, credential TO strongroom_api;
GRANT SELECT, INSERT ON console_session TO strongroom_api;
GRANT UPDATE (ended_at) ON console_session TO strongroom_api;
GRANT UPDATE (removed_at) ON person TO strongroom_api;
GRANT UPDATE (revoked_at, version) ON credential TO strongroom_api;
GRANT SELECT ON organisation, person, department
    TO strongroom_indexer, strongroom_relay, strongroom_screener, strongroom_worker;

-- The house keeps its own books (gas, equity) as an organisation like any other.
SELECT set_config('strongroom.org', '00000000-0000-0000-0000-000000000000', true);
INSERT INTO organisation (id, ref, name, chain_id, account_index, genesis, created_at)
VALUES ('00000000-0000-0000-0000-000000000000', decode(repeat('00', 32), 'hex'), 'House', 0, NULL,
        '{"type": "strongroom.house/1"}', '2026-01-01T00:00:00Z');
SELECT set_config('strongroom.org', '', true);
