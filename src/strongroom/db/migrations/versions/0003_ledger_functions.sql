-- ledger: opening accounts, folding, balances of a moment. Owners and grants are in 0003_ledger_post.

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
