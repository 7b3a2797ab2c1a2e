-- What every later table leans on. The roles themselves are in db/roles.sql (they belong to the
-- cluster and need a superuser).
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO strongroom_api, strongroom_indexer, strongroom_relay,
  strongroom_screener, strongroom_worker, strongroom_ledger, strongroom_identity;
-- A function's owner must be able to create in its schema; nobody can log in as these two.
GRANT CREATE ON SCHEMA public TO strongroom_ledger, strongroom_identity;

-- The organisation that this transaction works for; NULL where none was set. On a pooled
-- connection's second use an unset setting is '' and not NULL, hence NULLIF.
CREATE FUNCTION current_organisation() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN NULLIF(current_setting('strongroom.org', true), '')::uuid;

-- Row-level security by organisation_id, for the owner too. The roles named serve all organisations.
CREATE PROCEDURE tenant_table(table_name text, VARIADIC all_organisation_roles text[])
LANGUAGE plpgsql AS $$
DECLARE role_name text;
BEGIN
  EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', table_name);
  EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', table_name);
  EXECUTE format('CREATE POLICY own_organisation ON %I '
                 'USING (organisation_id = current_organisation()) '
                 'WITH CHECK (organisation_id = current_organisation())', table_name);
  FOREACH role_name IN ARRAY all_organisation_roles LOOP
    EXECUTE format('CREATE POLICY %I ON %I TO %I USING (true) WITH CHECK (true)',
                   'all_of_' || role_name, table_name, role_name);
  END LOOP;
END $$;

-- The same for a table that no role may see across organisations.
CREATE PROCEDURE tenant_table(table_name text)
LANGUAGE plpgsql AS $$
BEGIN
  CALL tenant_table(table_name, VARIADIC ARRAY[]::text[]);
END $$;

CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % refused: its rows are never changed or removed; add a correcting row',
    TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- Rows stay as they were written, whoever asks (a superuser could still drop the triggers).
CREATE PROCEDURE append_only(table_name text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                 'FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()', table_name);
END $$;
