-- ledger: what a post, void, expire or reversal refers to.

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
