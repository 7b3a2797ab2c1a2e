"""What must always hold in the books, asked of PostgreSQL in whole sets. Empty answers are good.

Read by `strongroom log verify`, the benches and the tests; a role that sees all organisations must
ask. Each sentence names the first rows that break it.
"""

from typing import Final

from strongroom.db.database import UnitOfWork

_CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "A transaction has legs, each above zero, in accounts of its own asset and organisation",
        """
        SELECT t.key FROM ledger_transaction AS t
        WHERE NOT EXISTS (SELECT FROM ledger_posting AS p
            JOIN ledger_account AS d ON (d.organisation_id, d.id, d.asset)
                = (p.organisation_id, p.debit_account, p.asset)
            JOIN ledger_account AS c ON (c.organisation_id, c.id, c.asset)
                = (p.organisation_id, p.credit_account, p.asset)
            WHERE (p.organisation_id, p.transaction_id) = (t.organisation_id, t.id)
              AND p.units > 0)
        """,
    ),
    (
        "The trial balance is zero for each asset",
        """
        SELECT a.asset FROM ledger_account AS a
        JOIN ledger_balance AS b ON (b.organisation_id, b.account_id) = (a.organisation_id, a.id)
        LEFT JOIN LATERAL (SELECT sum(u.posted) AS posted FROM ledger_unfolded AS u
            WHERE (u.organisation_id, u.account_id) = (a.organisation_id, a.id)) AS w ON true
        GROUP BY a.asset
        HAVING sum(CASE WHEN a.debit_normal THEN 1 ELSE -1 END
                   * (b.posted + coalesce(w.posted, 0))) <> 0
        """,
    ),
    (
        "An account's stored balance and version are the sum and number of its entries",
        """
        WITH total AS (
            SELECT organisation_id, account_id, sum(units) AS units, count(*) AS entries
            FROM ledger_entry GROUP BY organisation_id, account_id
        )
        SELECT a.code FROM ledger_account AS a
        JOIN ledger_balance AS b ON (b.organisation_id, b.account_id) = (a.organisation_id, a.id)
        LEFT JOIN total AS t ON (t.organisation_id, t.account_id) = (a.organisation_id, a.id)
        LEFT JOIN LATERAL (SELECT sum(u.posted) AS posted, sum(u.entries) AS entries
            FROM ledger_unfolded AS u
            WHERE (u.organisation_id, u.account_id) = (a.organisation_id, a.id)) AS w ON true
        WHERE b.posted + coalesce(w.posted, 0)
              <> CASE WHEN a.debit_normal THEN 1 ELSE -1 END * coalesce(t.units, 0)
           OR b.version + coalesce(w.entries, 0) <> coalesce(t.entries, 0)
        """,
    ),
    (
        "An account's entries are numbered without a gap, each carrying the balance until then",
        """
        WITH running AS (
            SELECT e.account_id, e.version, e.after, a.code,
                   row_number() OVER w AS wanted_version,
                   sum(CASE WHEN a.debit_normal THEN e.units ELSE -e.units END) OVER w
                       AS wanted_after
            FROM ledger_entry AS e
            JOIN ledger_account AS a
                ON (a.organisation_id, a.id) = (e.organisation_id, e.account_id)
            WHERE a.floored
            WINDOW w AS (PARTITION BY e.account_id ORDER BY e.version)
        )
        SELECT code FROM running
        WHERE version IS DISTINCT FROM wanted_version OR after IS DISTINCT FROM wanted_after
        """,
    ),
    (
        "What is held is the sum of the holds that were not resolved",
        """
        SELECT b.account_id::text FROM ledger_balance AS b
        LEFT JOIN (
            SELECT p.organisation_id, p.debit_account, sum(p.units) AS units
            FROM ledger_posting AS p
            WHERE p.phase = 'hold' AND NOT EXISTS (
                SELECT FROM ledger_transaction AS r
                WHERE (r.organisation_id, r.refers_to) = (p.organisation_id, p.transaction_id)
                  AND r.phase IN ('post', 'void', 'expire'))
            GROUP BY p.organisation_id, p.debit_account
        ) AS h ON (h.organisation_id, h.debit_account) = (b.organisation_id, b.account_id)
        WHERE b.floored AND b.held <> coalesce(h.units, 0)
        """,
    ),
    (
        "An account with a floor is not below it, unless a reversal froze it",
        """
        SELECT b.account_id::text FROM ledger_balance AS b
        WHERE b.floored AND NOT b.frozen AND b.posted < b.held
        """,
    ),
    (
        "The reversals of a posting are not more than it was",
        """
        SELECT o.key FROM ledger_transaction AS o
        JOIN ledger_transaction AS r
            ON (r.organisation_id, r.refers_to) = (o.organisation_id, o.id)
        JOIN ledger_posting AS p
            ON (p.organisation_id, p.transaction_id) = (r.organisation_id, r.id)
        JOIN ledger_posting AS q ON (q.organisation_id, q.transaction_id, q.ordinal)
            = (o.organisation_id, o.id, p.ordinal)
        WHERE r.phase = 'reversal'
        GROUP BY o.organisation_id, o.key, p.ordinal, q.units
        HAVING sum(p.units) > q.units
        """,
    ),
    (
        "Every transaction is a row of an audit record, and that row says the same",
        """
        WITH logged AS MATERIALIZED (
            SELECT l.organisation_id, r.item ->> 'key' AS key, r.item
            FROM (SELECT organisation_id, rows FROM log_record WHERE rows IS NOT NULL
                  UNION ALL
                  SELECT organisation_id, rows FROM log_pending WHERE rows IS NOT NULL) AS l
            CROSS JOIN LATERAL jsonb_array_elements(convert_from(l.rows, 'UTF8')::jsonb) AS r (item)
            WHERE r.item ->> 'type' = 'posting'
        ), booked AS (
            SELECT t.organisation_id, t.key, t.kind, t.phase,
                   (SELECT jsonb_agg(jsonb_build_object('debit', d.code, 'credit', c.code,
                               'asset', p.asset, 'units', p.units::text) ORDER BY p.ordinal)
                    FROM ledger_posting AS p
                    JOIN ledger_account AS d
                        ON (d.organisation_id, d.id) = (p.organisation_id, p.debit_account)
                    JOIN ledger_account AS c
                        ON (c.organisation_id, c.id) = (p.organisation_id, p.credit_account)
                    WHERE (p.organisation_id, p.transaction_id) = (t.organisation_id, t.id)) AS legs
            FROM ledger_transaction AS t
        )
        SELECT b.key FROM booked AS b
        LEFT JOIN logged AS l ON (l.organisation_id, l.key) = (b.organisation_id, b.key)
        GROUP BY b.organisation_id, b.key
        HAVING count(*) FILTER (WHERE l.item ->> 'kind' = b.kind AND l.item ->> 'phase' = b.phase
            AND (b.phase NOT IN ('single', 'hold') OR l.item -> 'legs' = b.legs)) = 0
        """,
    ),
    (
        "What an audit record says was booked is in the books",
        """
        SELECT r.item ->> 'key'
        FROM (SELECT organisation_id, rows FROM log_record WHERE rows IS NOT NULL
              UNION ALL
              SELECT organisation_id, rows FROM log_pending WHERE rows IS NOT NULL) AS l
        CROSS JOIN LATERAL jsonb_array_elements(convert_from(l.rows, 'UTF8')::jsonb) AS r (item)
        WHERE r.item ->> 'type' = 'posting' AND NOT EXISTS (
            SELECT FROM ledger_transaction AS t
            WHERE (t.organisation_id, t.key) = (l.organisation_id, r.item ->> 'key'))
        """,
    ),
)


def broken(uow: UnitOfWork) -> list[str]:
    """A sentence for each invariant that does not hold, with its first five witnesses."""
    found: list[str] = []
    for sentence, statement in _CHECKS:
        witnesses = [str(row[0]) for row in uow.execute(statement + " LIMIT 5").fetchall()]
        if witnesses:
            found.append(f"{sentence}: not so for {', '.join(witnesses)}.")
    return found
