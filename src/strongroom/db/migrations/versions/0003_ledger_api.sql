-- ledger: what may be booked by a session whose role serves one organisation at a time (the API's):
-- transfers between clients, fiat credits, the holds of withdrawals, and letting those go again.
-- Custody, suspense, quarantine and the house are booked by what blocks, verdicts and payments show.

-- Whether a hold may be let go by such a session: the withdrawals say so (migration 0017).

-- The refusals with those added that such a session gets, one an item.
CREATE FUNCTION ledger_judge_session(
    p_organisation uuid[], p_key text[], p_phase text[], p_refers text[], p_chain bigint[],
    l_item integer[], l_debit text[], l_credit text[], l_asset text[], codes text[])
    RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    i integer;  mine boolean;
BEGIN
    FOR n IN 1 .. cardinality(l_item) LOOP
        i := l_item[n];
        mine := CASE
            WHEN p_chain[i] IS NOT NULL THEN false
            WHEN p_phase[i] = 'single' AND l_debit[n] LIKE 'client:%' THEN
                l_credit[n] LIKE 'client:%' AND p_key[i] LIKE 'transfer:%'
            -- By hand, what lies on a chain would be money that is not there.
            WHEN p_phase[i] = 'single' THEN
                l_debit[n] LIKE 'fiat:bank:%' AND l_credit[n] LIKE 'client:%'
                AND p_key[i] LIKE 'fiat:%'
                AND NOT EXISTS (SELECT FROM ledger_account AS a
                                WHERE a.organisation_id = p_organisation[i] AND a.asset = l_asset[n]
                                  AND a.code LIKE 'custody:%')
            WHEN p_phase[i] = 'hold' THEN
                l_debit[n] LIKE 'client:%' AND l_credit[n] LIKE 'custody:%'
                AND p_key[i] ~ '^withdrawal:[0-9a-f-]{36}:(hold|fee)$'
            WHEN p_phase[i] = 'void' THEN
                withdrawal_hold_is_free(p_organisation[i], p_refers[i], p_key[i])
            ELSE false
        END;
        IF codes[i] IS NULL AND NOT mine THEN
            codes[i] := 'ledger.not_yours';
        END IF;
    END LOOP;
    RETURN codes;
END $$;
