-- ledger: double entry. One door, ledger_post(); nobody has the right to write these tables otherwise.

-- Domains instead of column CHECKs: PostgreSQL compiles them once a session, not once a statement.
CREATE DOMAIN ledger_units AS numeric(78, 0) CHECK (VALUE > 0 AND VALUE < 2::numeric ^ 256);
CREATE DOMAIN ledger_hash AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN ledger_key AS text CHECK (length(VALUE) BETWEEN 1 AND 200);
CREATE DOMAIN ledger_phase AS text
    CHECK (VALUE IN ('single', 'hold', 'post', 'void', 'expire', 'reversal'));

CREATE TABLE ledger_account (
    organisation_id uuid NOT NULL REFERENCES organisation (id),
    id              bigint GENERATED ALWAYS AS IDENTITY,
    code            text NOT NULL CHECK (code ~ '^[a-z0-9][a-z0-9:._-]{0,119}$'),
    asset           text NOT NULL CHECK (asset ~ '^[A-Za-z0-9.]{1,24}/[0-9]{1,2}$'),
    debit_normal    boolean NOT NULL,
    floored         boolean NOT NULL,
    opened_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, code, asset)
);

-- The one table that changes: what the entries of an account add up to. `posted` counts in the
-- account's normal direction; `held` is reserved by holds. Accounts without a floor are not locked:
-- their entries wait in ledger_unfolded and are folded in here later.
CREATE TABLE ledger_balance (
    organisation_id uuid NOT NULL,
    account_id      bigint NOT NULL,
    floored         boolean NOT NULL,
    posted          numeric(78, 0) NOT NULL DEFAULT 0,
    held            numeric(78, 0) NOT NULL DEFAULT 0 CHECK (held >= 0),
    version         bigint NOT NULL DEFAULT 0,
    frozen          boolean NOT NULL DEFAULT false,
    last_booked_at  timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, account_id),
    FOREIGN KEY (organisation_id, account_id) REFERENCES ledger_account (organisation_id, id),
    -- Only a reversal may go below the floor, and then it freezes the account.
    CHECK (posted - held >= 0 OR frozen OR NOT floored)
) WITH (fillfactor = 60);

CREATE TABLE ledger_transaction (
    organisation_id uuid NOT NULL,
    id              uuid NOT NULL,
    key             ledger_key NOT NULL,
    body_hash       ledger_hash NOT NULL,
    kind            ledger_key NOT NULL,
    phase           ledger_phase NOT NULL,
    refers_to       uuid,
    expires_at      timestamptz,
    chain_id        bigint,
    block_height    bigint,
    block_hash      ledger_hash,
    memo            jsonb,
    booked_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, id),
    UNIQUE (organisation_id, key),
    FOREIGN KEY (organisation_id, refers_to) REFERENCES ledger_transaction (organisation_id, id),
    CHECK ((refers_to IS NULL) = (phase IN ('single', 'hold'))),
    CHECK (num_nonnulls(chain_id, block_height, block_hash) IN (0, 3))
);
-- A hold is resolved once.
CREATE UNIQUE INDEX ledger_transaction_resolution ON ledger_transaction (organisation_id, refers_to)
    WHERE phase IN ('post', 'void', 'expire');
CREATE INDEX ledger_transaction_reversal ON ledger_transaction (organisation_id, refers_to)
    WHERE phase = 'reversal';
CREATE INDEX ledger_transaction_booked ON ledger_transaction USING brin (booked_at);

-- A leg: units move from the credit account to the debit account, so each leg balances by itself.
-- The versions count an account's entries without a gap; `after` is its balance then. Both are NULL
-- for accounts without a floor and for phases that move nothing (hold, void, expire).
CREATE TABLE ledger_posting (
    organisation_id uuid NOT NULL,
    transaction_id  uuid NOT NULL,
    ordinal         integer NOT NULL CHECK (ordinal >= 1),
    debit_account   bigint NOT NULL,
    credit_account  bigint NOT NULL,
    asset           text NOT NULL,
    units           ledger_units NOT NULL,
    phase           ledger_phase NOT NULL,
    chain_id        bigint,
    block_height    bigint,
    block_hash      bytea,
    debit_version   bigint,
    debit_after     numeric(78, 0),
    credit_version  bigint,
    credit_after    numeric(78, 0),
    booked_at       timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, transaction_id, ordinal),
    FOREIGN KEY (organisation_id, transaction_id) REFERENCES ledger_transaction (organisation_id, id),
    FOREIGN KEY (organisation_id, debit_account) REFERENCES ledger_account (organisation_id, id),
    FOREIGN KEY (organisation_id, credit_account) REFERENCES ledger_account (organisation_id, id),
    CHECK (debit_account <> credit_account)
);
-- A balance at a moment is the newest entry until then: one look-up a side.
CREATE INDEX ledger_posting_debit ON ledger_posting (debit_account, booked_at, debit_version);
CREATE INDEX ledger_posting_credit ON ledger_posting (credit_account, booked_at, credit_version);
CREATE INDEX ledger_posting_block ON ledger_posting (chain_id, block_height)
    WHERE chain_id IS NOT NULL;

-- What moved, an account a row: `units` is positive for a debit and negative for a credit.
CREATE VIEW ledger_entry WITH (security_invoker = true) AS
SELECT p.organisation_id, s.account_id, p.transaction_id, p.ordinal, p.asset, s.units, s.version,
       s.after, p.chain_id, p.block_height, p.booked_at
FROM ledger_posting AS p
CROSS JOIN LATERAL (VALUES (p.debit_account, p.units, p.debit_version, p.debit_after),
                           (p.credit_account, -p.units, p.credit_version, p.credit_after))
    AS s (account_id, units, version, after)
WHERE p.phase IN ('single', 'post', 'reversal');

-- Entries of accounts without a floor that are not yet folded into ledger_balance: derived, so
-- rows may go; the postings stay.
CREATE TABLE ledger_unfolded (
    organisation_id uuid NOT NULL,
    id              bigint GENERATED ALWAYS AS IDENTITY,
    account_id      bigint NOT NULL,
    posted          numeric(78, 0) NOT NULL,
    entries         integer NOT NULL,
    PRIMARY KEY (organisation_id, id)
);
CREATE INDEX ledger_unfolded_account ON ledger_unfolded (organisation_id, account_id);

CALL tenant_table('ledger_account', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_balance', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_transaction', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_posting', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL tenant_table('ledger_unfolded', 'strongroom_ledger', 'strongroom_indexer', 'strongroom_relay', 'strongroom_worker');
CALL append_only('ledger_account');
CALL append_only('ledger_transaction');
CALL append_only('ledger_posting');

GRANT SELECT ON ledger_account, ledger_balance, ledger_transaction, ledger_posting, ledger_entry,
    ledger_unfolded
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker, strongroom_screener;
GRANT SELECT, INSERT ON ledger_account, ledger_transaction, ledger_posting TO strongroom_ledger;
-- UPDATE here only lets a hold's row be locked: the triggers refuse every change.
GRANT UPDATE ON ledger_transaction TO strongroom_ledger;
GRANT SELECT, INSERT, UPDATE ON ledger_balance TO strongroom_ledger;
GRANT SELECT, INSERT, DELETE ON ledger_unfolded TO strongroom_ledger;

-- May this session work for that organisation? Its own, if it has named one; any, if it has named
-- none and its role serves all. session_user cannot be changed by SET ROLE.
CREATE FUNCTION ledger_may_serve(wanted uuid) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE WHEN current_organisation() IS NOT NULL THEN wanted = current_organisation()
                ELSE session_user IN ('strongroom_indexer', 'strongroom_relay', 'strongroom_worker') END;

-- Open accounts that are not there yet, with their balance of nothing.
CREATE FUNCTION ledger_open_accounts(p_now timestamptz, p_organisation uuid[], p_code text[],
                                     p_asset text[], p_debit_normal boolean[], p_floored boolean[])
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE opened integer;
BEGIN
    IF EXISTS (SELECT FROM unnest(p_organisation) AS o (id) WHERE NOT ledger_may_serve(o.id)) THEN
        RAISE EXCEPTION 'accounts of another organisation can not be opened here'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH account AS (
        INSERT INTO ledger_account (organisation_id, code, asset, debit_normal, floored, opened_at)
        SELECT w.organisation_id, w.code, w.asset, w.debit_normal, w.floored, p_now
        FROM (SELECT DISTINCT *
              FROM unnest(p_organisation, p_code, p_asset, p_debit_normal, p_floored)
                   AS u (organisation_id, code, asset, debit_normal, floored)) AS w
        WHERE NOT EXISTS (SELECT FROM ledger_account AS a
                          WHERE (a.organisation_id, a.code, a.asset)
                              = (w.organisation_id, w.code, w.asset))
        ORDER BY w.organisation_id, w.code, w.asset
        ON CONFLICT (organisation_id, code, asset) DO NOTHING
        RETURNING organisation_id, id, floored
    ), balance AS (
        INSERT INTO ledger_balance (organisation_id, account_id, floored, last_booked_at)
        SELECT organisation_id, id, floored, p_now FROM account
        RETURNING 1
    )
    SELECT count(*) INTO opened FROM balance;
    RETURN opened;
END $$;

-- Fold what waits for accounts without a floor into their balances; gives the rows folded.
-- Folders take turns; a folded balance is written by nobody else, so they keep no posting waiting.
CREATE FUNCTION ledger_fold(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE folded integer;
BEGIN
    IF session_user NOT IN ('strongroom_relay', 'strongroom_worker') THEN
        RAISE EXCEPTION 'folding is the work of the relay and the worker'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(7210003);
    WITH gone AS (
        DELETE FROM ledger_unfolded AS u
        USING (SELECT organisation_id, id FROM ledger_unfolded ORDER BY organisation_id, id
               LIMIT p_limit) AS w
        WHERE (u.organisation_id, u.id) = (w.organisation_id, w.id)
        RETURNING u.organisation_id, u.account_id, u.posted, u.entries
    ), total AS (
        SELECT organisation_id, account_id, sum(posted) AS posted, sum(entries) AS entries,
               count(*) AS rows
        FROM gone GROUP BY organisation_id, account_id
    ), changed AS (
        UPDATE ledger_balance AS b
        SET posted = b.posted + t.posted, version = b.version + t.entries
        FROM total AS t
        WHERE (b.organisation_id, b.account_id) = (t.organisation_id, t.account_id)
        RETURNING t.rows
    )
    SELECT coalesce(sum(rows), 0) INTO folded FROM changed;
    RETURN folded;
END $$;

-- The posted balance of an account at a moment. With a floor: the newest entry until then carries it.
-- Without: what is booked until then is added up.
CREATE FUNCTION ledger_balance_at(p_organisation uuid, p_code text, p_asset text, p_moment timestamptz)
    RETURNS numeric
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE account ledger_account;  d record;  c record;
BEGIN
    SELECT * INTO account FROM ledger_account AS a
    WHERE (a.organisation_id, a.code, a.asset) = (p_organisation, p_code, p_asset);
    IF account.floored THEN
        SELECT p.debit_version AS version, p.debit_after AS after INTO d FROM ledger_posting AS p
        WHERE p.debit_account = account.id AND p.booked_at <= p_moment AND p.debit_version IS NOT NULL
        ORDER BY p.booked_at DESC, p.debit_version DESC LIMIT 1;
        SELECT p.credit_version AS version, p.credit_after AS after INTO c FROM ledger_posting AS p
        WHERE p.credit_account = account.id AND p.booked_at <= p_moment AND p.credit_version IS NOT NULL
        ORDER BY p.booked_at DESC, p.credit_version DESC LIMIT 1;
        RETURN CASE WHEN coalesce(d.version, 0) > coalesce(c.version, 0) THEN d.after
                    ELSE coalesce(c.after, 0) END;
    END IF;
    RETURN (SELECT coalesce(sum(s.units), 0) * CASE WHEN account.debit_normal THEN 1 ELSE -1 END
            FROM (SELECT p.units FROM ledger_posting AS p
                  WHERE p.debit_account = account.id AND p.booked_at <= p_moment
                    AND p.phase IN ('single', 'post', 'reversal')
                  UNION ALL
                  SELECT -p.units FROM ledger_posting AS p
                  WHERE p.credit_account = account.id AND p.booked_at <= p_moment
                    AND p.phase IN ('single', 'post', 'reversal')) AS s (units));
END $$;

-- Book a batch. Idempotent by (organisation, key); gives one answer an item and raises for none:
-- posted | replayed | refused (with a code). Items are judged in their order, each with all its legs
-- or not at all. p_refers is NULL when no item refers to another. Locks, always in this order: what is referred to by id, then accounts with a floor
-- by (organisation, id), then the keys by (organisation, key).
CREATE FUNCTION ledger_post(
    p_now timestamptz,
    p_organisation uuid[], p_id uuid[], p_key text[], p_hash bytea[], p_kind text[], p_phase text[],
    p_refers text[], p_expires timestamptz[],
    p_chain bigint[], p_height bigint[], p_block bytea[], p_memo text[],
    l_item integer[], l_debit text[], l_credit text[], l_asset text[], l_units numeric[])
    RETURNS TABLE (item integer, outcome text, code text, transaction_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    most CONSTANT numeric := 2::numeric ^ 256 - 1;
    -- an item
    codes text[] := array_fill(NULL::text, ARRAY[cardinality(p_key)]);
    takes boolean[] := array_fill(false, ARRAY[cardinality(p_key)]);
    refers_id uuid[] := array_fill(NULL::uuid, ARRAY[cardinality(p_key)]);
    old_id uuid[];  old_hash bytea[];  first_item integer[];
    -- a leg; `gives` is what it gives back of a hold; x_ are its rows of the account arrays
    gives numeric[];  d_id bigint[];  c_id bigint[];  x_debit integer[];  x_credit integer[];
    d_normal boolean[];  c_normal boolean[];
    -- what becomes of a leg: `w_ordinal` is NULL for a leg of a refused item
    w_ordinal integer[];  w_org uuid[];  w_id uuid[];  w_phase text[];
    w_chain bigint[];  w_height bigint[];  w_block bytea[];
    d_version bigint[];  d_after numeric[];  c_version bigint[];  c_after numeric[];
    -- what moved on accounts without a floor
    u_org uuid[] := '{}';  u_id bigint[] := '{}';  u_units numeric[] := '{}';
    -- an account with a floor, in locking order
    a_org uuid[];  a_id bigint[];  a_posted numeric[];  a_held numeric[];  a_version bigint[];
    a_frozen boolean[];
    moment timestamptz := p_now;  latest timestamptz;
    leg integer := 1;  leg_start integer;  leg_end integer;  done integer;  why text;  phase text;
    d integer;  c integer;  units numeric;  accepted integer := 0;  inserted integer;
BEGIN
    IF p_refers IS NOT NULL THEN
        SELECT r.codes, r.refers_id, r.l_item, r.l_debit, r.l_credit, r.l_asset, r.l_units, r.gives
        INTO codes, refers_id, l_item, l_debit, l_credit, l_asset, l_units, gives
        FROM ledger_resolve_references(p_now, p_organisation, p_key, p_phase, p_refers,
                                       l_item, l_debit, l_credit, l_asset, l_units) AS r;
    END IF;

    -- Which accounts do the legs name? Those with a floor get their place in the locking order.
    SELECT array_agg(s.id ORDER BY s.n) FILTER (WHERE s.debit),
           array_agg(s.id ORDER BY s.n) FILTER (WHERE NOT s.debit),
           array_agg(s.x ORDER BY s.n) FILTER (WHERE s.debit),
           array_agg(s.x ORDER BY s.n) FILTER (WHERE NOT s.debit),
           array_agg(s.debit_normal ORDER BY s.n) FILTER (WHERE s.debit),
           array_agg(s.debit_normal ORDER BY s.n) FILTER (WHERE NOT s.debit)
    INTO d_id, c_id, x_debit, x_credit, d_normal, c_normal
    FROM (SELECT w.n, w.debit, a.id, a.debit_normal,
                 CASE WHEN a.floored THEN
                     dense_rank() OVER (PARTITION BY a.floored ORDER BY a.organisation_id, a.id)
                 END AS x
          FROM (SELECT u.n, true AS debit, p_organisation[u.item] AS organisation_id, u.code, u.asset
                FROM unnest(l_item, l_debit, l_asset) WITH ORDINALITY AS u (item, code, asset, n)
                UNION ALL
                SELECT u.n, false, p_organisation[u.item], u.code, u.asset
                FROM unnest(l_item, l_credit, l_asset) WITH ORDINALITY AS u (item, code, asset, n)
               ) AS w
          LEFT JOIN ledger_account AS a
              ON (a.organisation_id, a.code, a.asset) = (w.organisation_id, w.code, w.asset)
         ) AS s;

    SELECT array_agg(l.organisation_id), array_agg(l.account_id), array_agg(l.posted),
           array_agg(l.held), array_agg(l.version), array_agg(l.frozen), max(l.last_booked_at)
    INTO a_org, a_id, a_posted, a_held, a_version, a_frozen, latest
    FROM (SELECT b.*
          FROM (SELECT DISTINCT p_organisation[u.item] AS organisation_id, u.id
                FROM (SELECT * FROM unnest(l_item, d_id, x_debit)
                      UNION ALL SELECT * FROM unnest(l_item, c_id, x_credit)) AS u (item, id, x)
                WHERE u.x IS NOT NULL) AS w
          JOIN ledger_balance AS b ON (b.organisation_id, b.account_id) = (w.organisation_id, w.id)
          ORDER BY b.organisation_id, b.account_id
          FOR NO KEY UPDATE OF b) AS l;
    moment := greatest(p_now, latest);

    -- Only now, behind the locks, ask which keys are taken.
    SELECT array_agg(k.id ORDER BY k.n), array_agg(k.body_hash ORDER BY k.n),
           array_agg(k.first_item ORDER BY k.n)
    INTO old_id, old_hash, first_item
    FROM (SELECT u.n, t.id, t.body_hash,
                 min(u.n) OVER (PARTITION BY u.organisation_id, u.key) AS first_item
          FROM unnest(p_organisation, p_key) WITH ORDINALITY AS u (organisation_id, key, n)
          LEFT JOIN ledger_transaction AS t
              ON (t.organisation_id, t.key) = (u.organisation_id, u.key)) AS k;

    d_version := array_fill(NULL::bigint, ARRAY[cardinality(l_item)]);
    c_version := d_version;  w_chain := d_version;  w_height := d_version;
    w_ordinal := array_fill(NULL::integer, ARRAY[cardinality(l_item)]);
    w_org := array_fill(NULL::uuid, ARRAY[cardinality(l_item)]);  w_id := w_org;
    w_phase := array_fill(NULL::text, ARRAY[cardinality(l_item)]);
    w_block := array_fill(NULL::bytea, ARRAY[cardinality(l_item)]);
    d_after := array_fill(NULL::numeric, ARRAY[cardinality(l_item)]);
    c_after := d_after;

    FOR i IN 1 .. cardinality(p_key) LOOP
        leg_start := leg;
        WHILE leg <= cardinality(l_item) AND l_item[leg] = i LOOP leg := leg + 1; END LOOP;
        leg_end := leg - 1;

        item := i;  outcome := 'refused';  transaction_id := NULL;
        why := codes[i];
        IF NOT ledger_may_serve(p_organisation[i]) THEN
            code := 'ledger.other_organisation';  RETURN NEXT;  CONTINUE;
        ELSIF old_id[i] IS NOT NULL THEN
            IF old_hash[i] = p_hash[i] THEN
                outcome := 'replayed';  code := NULL;  transaction_id := old_id[i];
            ELSE
                code := 'ledger.key_reused';
            END IF;
            RETURN NEXT;  CONTINUE;
        ELSIF first_item[i] < i THEN
            IF p_hash[first_item[i]] IS DISTINCT FROM p_hash[i] THEN
                code := 'ledger.key_reused';
            ELSIF takes[first_item[i]] THEN
                outcome := 'replayed';  code := NULL;  transaction_id := p_id[first_item[i]];
            ELSE
                code := codes[first_item[i]];
            END IF;
            RETURN NEXT;  CONTINUE;
        ELSIF why IS NULL AND leg_end < leg_start THEN
            why := 'ledger.no_legs';
        END IF;

        phase := p_phase[i];
        done := leg_start - 1;
        -- Check and effect, leg by leg, on the locked balances as they stand after earlier items.
        WHILE why IS NULL AND done < leg_end LOOP
            done := done + 1;
            units := l_units[done];  d := x_debit[done];  c := x_credit[done];
            IF d_id[done] IS NULL OR c_id[done] IS NULL THEN
                why := 'ledger.unknown_account';
            ELSIF d_id[done] = c_id[done] THEN
                why := 'ledger.same_account';
            ELSIF units <= 0 OR units > most OR units <> trunc(units) THEN
                why := 'ledger.amount_invalid';
            END IF;
            IF why IS NOT NULL THEN
                done := done - 1;
            ELSIF phase = 'hold' THEN
                IF d IS NOT NULL THEN
                    a_held[d] := a_held[d] + units;
                    IF a_frozen[d] THEN
                        why := 'ledger.account_frozen';
                    ELSIF a_posted[d] < a_held[d] THEN
                        why := 'ledger.insufficient_funds';
                    END IF;
                END IF;
            ELSE
                IF d IS NOT NULL AND gives[done] IS NOT NULL THEN
                    a_held[d] := a_held[d] - gives[done];
                END IF;
                IF phase IN ('single', 'post', 'reversal') THEN
                    IF d IS NOT NULL THEN
                        a_posted[d] := a_posted[d] + CASE WHEN d_normal[done] THEN units ELSE -units END;
                        a_version[d] := a_version[d] + 1;
                        d_version[done] := a_version[d];  d_after[done] := a_posted[d];
                    END IF;
                    IF c IS NOT NULL THEN
                        a_posted[c] := a_posted[c] + CASE WHEN c_normal[done] THEN -units ELSE units END;
                        a_version[c] := a_version[c] + 1;
                        c_version[done] := a_version[c];  c_after[done] := a_posted[c];
                    END IF;
                    -- A floor binds whoever gives: not a reversal (it freezes instead), and not the
                    -- holder of a hold, whose units were reserved before.
                    IF d IS NOT NULL AND NOT d_normal[done] AND phase <> 'post' THEN
                        IF phase = 'reversal' THEN
                            a_frozen[d] := a_frozen[d] OR a_posted[d] < a_held[d];
                        ELSIF a_frozen[d] THEN
                            why := 'ledger.account_frozen';
                        ELSIF a_posted[d] < a_held[d] THEN
                            why := 'ledger.insufficient_funds';
                        END IF;
                    END IF;
                    IF c IS NOT NULL AND c_normal[done] THEN
                        IF phase = 'reversal' THEN
                            a_frozen[c] := a_frozen[c] OR a_posted[c] < a_held[c];
                        ELSIF a_frozen[c] THEN
                            why := 'ledger.account_frozen';
                        ELSIF a_posted[c] < a_held[c] THEN
                            why := 'ledger.insufficient_funds';
                        END IF;
                    END IF;
                    IF a_posted[d] > most OR a_posted[c] > most THEN
                        why := 'ledger.balance_too_large';
                    END IF;
                END IF;
            END IF;
        END LOOP;

        IF why IS NULL THEN
            takes[i] := true;  accepted := accepted + 1;
            outcome := 'posted';  transaction_id := p_id[i];
            FOR n IN leg_start .. leg_end LOOP
                w_ordinal[n] := n - leg_start + 1;
                w_org[n] := p_organisation[i];  w_id[n] := p_id[i];  w_phase[n] := phase;
                IF p_chain[i] IS NOT NULL THEN
                    w_chain[n] := p_chain[i];  w_height[n] := p_height[i];  w_block[n] := p_block[i];
                END IF;
                IF phase IN ('single', 'post', 'reversal') THEN
                    IF x_debit[n] IS NULL THEN
                        u_org := u_org || p_organisation[i];  u_id := u_id || d_id[n];
                        u_units := u_units || CASE WHEN d_normal[n] THEN l_units[n] ELSE -l_units[n] END;
                    END IF;
                    IF x_credit[n] IS NULL THEN
                        u_org := u_org || p_organisation[i];  u_id := u_id || c_id[n];
                        u_units := u_units || CASE WHEN c_normal[n] THEN -l_units[n] ELSE l_units[n] END;
                    END IF;
                END IF;
            END LOOP;
        ELSE
            -- All legs or none: take back what was done, newest first.
            WHILE done >= leg_start LOOP
                units := l_units[done];  d := x_debit[done];  c := x_credit[done];
                IF phase = 'hold' THEN
                    IF d IS NOT NULL THEN a_held[d] := a_held[d] - units; END IF;
                ELSE
                    IF d IS NOT NULL AND gives[done] IS NOT NULL THEN
                        a_held[d] := a_held[d] + gives[done];
                    END IF;
                    IF d_version[done] IS NOT NULL THEN
                        a_posted[d] := a_posted[d] - CASE WHEN d_normal[done] THEN units ELSE -units END;
                        a_version[d] := a_version[d] - 1;
                    END IF;
                    IF c_version[done] IS NOT NULL THEN
                        a_posted[c] := a_posted[c] - CASE WHEN c_normal[done] THEN -units ELSE units END;
                        a_version[c] := a_version[c] - 1;
                    END IF;
                END IF;
                done := done - 1;
            END LOOP;
            codes[i] := why;
        END IF;
        code := why;
        RETURN NEXT;
    END LOOP;

    IF accepted = 0 THEN
        RETURN;
    END IF;

    WITH booked AS (
        INSERT INTO ledger_transaction (organisation_id, id, key, body_hash, kind, phase, refers_to,
            expires_at, chain_id, block_height, block_hash, memo, booked_at)
        SELECT u.organisation_id, u.id, u.key, u.hash, u.kind, u.phase, u.refers_id,
               u.expires, u.chain, u.height, u.block, u.memo::jsonb, moment
        FROM unnest(p_organisation, p_id, p_key, p_hash, p_kind, p_phase, refers_id, p_expires,
                    p_chain, p_height, p_block, p_memo, takes)
             AS u (organisation_id, id, key, hash, kind, phase, refers_id, expires, chain, height,
                   block, memo, takes)
        WHERE u.takes
        ORDER BY u.organisation_id, u.key
        ON CONFLICT (organisation_id, key) DO NOTHING
        RETURNING 1
    ), posting AS (
        INSERT INTO ledger_posting (organisation_id, transaction_id, ordinal, debit_account,
            credit_account, asset, units, phase, chain_id, block_height, block_hash,
            debit_version, debit_after, credit_version, credit_after, booked_at)
        SELECT u.organisation_id, u.id, u.ordinal, u.debit, u.credit, u.asset, u.units, u.phase,
               u.chain, u.height, u.block, u.d_version, u.d_after, u.c_version, u.c_after, moment
        FROM unnest(w_org, w_id, w_ordinal, d_id, c_id, l_asset, l_units, w_phase, w_chain, w_height,
                    w_block, d_version, d_after, c_version, c_after)
             AS u (organisation_id, id, ordinal, debit, credit, asset, units, phase, chain, height,
                   block, d_version, d_after, c_version, c_after)
        -- The keys first: if one of them is gone, nothing may follow.
        WHERE u.ordinal IS NOT NULL AND (SELECT count(*) FROM booked) = accepted
    ), balance AS (
        UPDATE ledger_balance AS b
        SET posted = u.posted, held = u.held, version = u.version, frozen = u.frozen,
            last_booked_at = moment
        FROM unnest(a_org, a_id, a_posted, a_held, a_version, a_frozen)
             AS u (organisation_id, id, posted, held, version, frozen)
        WHERE (b.organisation_id, b.account_id) = (u.organisation_id, u.id)
    )
    SELECT count(*) INTO inserted FROM booked;

    IF inserted <> accepted THEN
        -- Somebody booked one of these keys just now on other accounts: the whole batch is run
        -- again by its caller and finds it booked.
        RAISE EXCEPTION 'a key of this batch was booked at the same moment'
            USING ERRCODE = 'serialization_failure';
    END IF;
    IF u_id <> '{}' THEN
        INSERT INTO ledger_unfolded (organisation_id, account_id, posted, entries)
        SELECT u.organisation_id, u.id, sum(u.units), count(*)
        FROM unnest(u_org, u_id, u_units) AS u (organisation_id, id, units)
        GROUP BY u.organisation_id, u.id;
    END IF;
END $$;

-- For the phases that refer to an earlier transaction: lock what is referred to, judge, and write
-- out their legs. Legs sent along must match the original's, in its order, with no more units.
CREATE FUNCTION ledger_resolve_references(
    p_now timestamptz, p_organisation uuid[], p_key text[], p_phase text[], p_refers text[],
    INOUT l_item integer[], INOUT l_debit text[], INOUT l_credit text[], INOUT l_asset text[],
    INOUT l_units numeric[], OUT codes text[], OUT refers_id uuid[], OUT gives numeric[])
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp
    SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    PERFORM FROM ledger_transaction AS t
        JOIN (SELECT DISTINCT * FROM unnest(p_organisation, p_refers)) AS u (organisation_id, key)
            ON (t.organisation_id, t.key) = (u.organisation_id, u.key)
        ORDER BY t.organisation_id, t.id
        FOR NO KEY UPDATE OF t;

    WITH given AS (
        SELECT u.item, row_number() OVER (PARTITION BY u.item ORDER BY u.n) AS ordinal,
               u.debit, u.credit, u.asset, u.units
        FROM unnest(l_item, l_debit, l_credit, l_asset, l_units)
             WITH ORDINALITY AS u (item, debit, credit, asset, units, n)
    ), wanted AS (
        SELECT u.n AS item, u.organisation_id, u.key, u.phase, u.refers, t.id AS original_id,
               t.phase AS original_phase, t.expires_at,
               row_number() OVER (PARTITION BY u.organisation_id, u.refers ORDER BY u.n) AS turn,
               (SELECT count(*) FROM given AS g WHERE g.item = u.n) AS legs_given
        FROM unnest(p_organisation, p_key, p_phase, p_refers)
             WITH ORDINALITY AS u (organisation_id, key, phase, refers, n)
        LEFT JOIN ledger_transaction AS t
            ON (t.organisation_id, t.key) = (u.organisation_id, u.refers)
    ), reversed AS (
        SELECT w.item, p.ordinal, sum(p.units) AS units
        FROM wanted AS w
        JOIN ledger_transaction AS r ON r.organisation_id = w.organisation_id
            AND r.refers_to = w.original_id AND r.phase = 'reversal'
        JOIN ledger_posting AS p ON (p.organisation_id, p.transaction_id) = (r.organisation_id, r.id)
        WHERE w.phase = 'reversal'
        GROUP BY w.item, p.ordinal
    ), original AS (
        -- A reversal's ordinals follow the original's, so a leg can be reversed in parts.
        SELECT w.item, p.ordinal,
               CASE WHEN w.phase = 'reversal' THEN c.code ELSE d.code END AS debit,
               CASE WHEN w.phase = 'reversal' THEN d.code ELSE c.code END AS credit,
               p.asset, p.units - coalesce(r.units, 0) AS units, w.phase
        FROM wanted AS w
        JOIN ledger_posting AS p
            ON (p.organisation_id, p.transaction_id) = (w.organisation_id, w.original_id)
        JOIN ledger_account AS d ON (d.organisation_id, d.id) = (p.organisation_id, p.debit_account)
        JOIN ledger_account AS c ON (c.organisation_id, c.id) = (p.organisation_id, p.credit_account)
        LEFT JOIN reversed AS r ON (r.item, r.ordinal) = (w.item, p.ordinal)
        WHERE w.refers IS NOT NULL
    ), judged AS (
        SELECT w.item, w.original_id, CASE
            WHEN w.refers IS NULL THEN NULL
            WHEN w.original_id IS NULL THEN 'ledger.original_not_found'
            WHEN w.phase = 'reversal' AND w.original_phase NOT IN ('single', 'post')
                THEN 'ledger.not_reversible'
            WHEN w.phase <> 'reversal' AND w.original_phase <> 'hold' THEN 'ledger.not_a_hold'
            WHEN w.phase <> 'reversal' AND (w.turn > 1 OR EXISTS (
                SELECT FROM ledger_transaction AS t
                WHERE t.organisation_id = w.organisation_id AND t.refers_to = w.original_id
                  AND t.phase IN ('post', 'void', 'expire'))) THEN 'ledger.hold_resolved'
            WHEN w.phase = 'reversal' AND w.turn > 1 THEN 'ledger.reversal_pending'
            WHEN w.phase = 'expire' AND coalesce(w.expires_at > p_now, true)
                THEN 'ledger.hold_not_expired'
            WHEN w.phase IN ('void', 'expire') AND w.legs_given > 0 THEN 'ledger.legs_differ'
            WHEN w.legs_given > 0 AND (
                w.legs_given <> (SELECT count(*) FROM original AS o WHERE o.item = w.item)
                OR EXISTS (SELECT FROM original AS o JOIN given AS g USING (item, ordinal)
                           WHERE o.item = w.item AND (o.debit, o.credit, o.asset)
                                 IS DISTINCT FROM (g.debit, g.credit, g.asset)))
                THEN 'ledger.legs_differ'
            WHEN EXISTS (SELECT FROM original AS o LEFT JOIN given AS g USING (item, ordinal)
                         WHERE o.item = w.item AND (o.units <= 0 OR g.units > o.units))
                THEN 'ledger.more_than_original'
            END AS code
        FROM wanted AS w
    ), legs AS (
        SELECT g.item, g.ordinal, g.debit, g.credit, g.asset, g.units, NULL::numeric AS gives
        FROM given AS g JOIN wanted AS w USING (item) WHERE w.refers IS NULL
        UNION ALL
        SELECT o.item, o.ordinal, o.debit, o.credit, o.asset, coalesce(g.units, o.units),
               CASE WHEN o.phase <> 'reversal' THEN o.units END
        FROM original AS o LEFT JOIN given AS g USING (item, ordinal)
    )
    SELECT (SELECT array_agg(j.code ORDER BY j.item) FROM judged AS j),
           (SELECT array_agg(j.original_id ORDER BY j.item) FROM judged AS j),
           array_agg(s.item ORDER BY s.item, s.ordinal), array_agg(s.debit ORDER BY s.item, s.ordinal),
           array_agg(s.credit ORDER BY s.item, s.ordinal), array_agg(s.asset ORDER BY s.item, s.ordinal),
           array_agg(s.units ORDER BY s.item, s.ordinal), array_agg(s.gives ORDER BY s.item, s.ordinal)
    INTO codes, refers_id, l_item, l_debit, l_credit, l_asset, l_units, gives
    FROM legs AS s;
    l_item := coalesce(l_item, ARRAY[]::integer[]);
END $$;

ALTER FUNCTION ledger_open_accounts OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_fold OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_post OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_resolve_references OWNER TO strongroom_ledger;
SET LOCAL ROLE strongroom_ledger;
REVOKE ALL ON FUNCTION ledger_open_accounts, ledger_fold, ledger_post, ledger_resolve_references
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_open_accounts, ledger_post
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT EXECUTE ON FUNCTION ledger_fold TO strongroom_relay, strongroom_worker;
SET LOCAL ROLE strongroom_owner;
