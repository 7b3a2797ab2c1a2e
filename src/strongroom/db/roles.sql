-- The roles of the cluster. Run once by a superuser (strongroom db migrate does it where it can);
-- running it again changes nothing. Passwords, where used, are set by whoever runs the cluster.
DO $$
DECLARE role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['strongroom_owner', 'strongroom_api', 'strongroom_indexer',
                                   'strongroom_relay', 'strongroom_screener', 'strongroom_worker']
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE',
                     role_name);
    END IF;
  END LOOP;
  -- Own the functions that cross organisations (the ledger's door, the look-up of a credential)
  -- and nothing else; nobody can log in as them. The owner of the schema may hand functions over to
  -- them, but gains no rights by it.
  FOREACH role_name IN ARRAY ARRAY['strongroom_ledger', 'strongroom_identity'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', role_name);
    END IF;
    IF NOT pg_has_role('strongroom_owner', role_name, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO strongroom_owner WITH INHERIT FALSE, SET TRUE', role_name);
    END IF;
  END LOOP;
END $$;
