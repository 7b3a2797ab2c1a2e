-- ledger: the door.

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
    IF session_user NOT IN ('strongroom_indexer', 'strongroom_relay', 'strongroom_worker') THEN
        codes := ledger_judge_session(p_organisation, p_key, p_phase, p_refers, p_chain,
                                      l_item, l_debit, l_credit, l_asset, codes);
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
                -- A debt that a reversal left is paid: the account gives again.
                IF a_frozen[x_debit[n]] AND a_posted[x_debit[n]] >= a_held[x_debit[n]] THEN
                    a_frozen[x_debit[n]] := false;
                END IF;
                IF a_frozen[x_credit[n]] AND a_posted[x_credit[n]] >= a_held[x_credit[n]] THEN
                    a_frozen[x_credit[n]] := false;
                END IF;
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

ALTER FUNCTION ledger_open_accounts OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_fold OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_post OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_resolve_references OWNER TO strongroom_ledger;
ALTER FUNCTION ledger_judge_session OWNER TO strongroom_ledger;
SET LOCAL ROLE strongroom_ledger;
REVOKE ALL ON FUNCTION ledger_open_accounts, ledger_fold, ledger_post, ledger_resolve_references,
    ledger_judge_session FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_open_accounts, ledger_post
    TO strongroom_api, strongroom_indexer, strongroom_relay, strongroom_worker;
GRANT EXECUTE ON FUNCTION ledger_fold TO strongroom_relay, strongroom_worker;
SET LOCAL ROLE strongroom_owner;
