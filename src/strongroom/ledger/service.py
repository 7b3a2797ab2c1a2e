"""The ledger's door: where a balance can change, and nowhere else.

Everything is booked by one call of the SQL function ledger_post (migration 0003), the last
statement of the caller's unit of work. Nothing here commits.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from strongroom.db import arrays
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.ledger import rules
from strongroom.ledger.errors import refusal
from strongroom.ledger.types import (
    AccountRef,
    Balance,
    CustodyTotal,
    Leg,
    Posting,
    PostingResult,
)

POST: Final = b"""
SELECT item, outcome, code, transaction_id FROM ledger_post(
    %s, %s::uuid[], %s::uuid[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[],
    %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bytea[], %s::text[],
    %s::integer[], %s::text[], %s::text[], %s::text[], %s::numeric[])
"""
_CUSTODY_AT: Final = """
WITH custody AS MATERIALIZED (
    SELECT a.organisation_id, a.id, a.code, a.asset, b.posted
    FROM ledger_account AS a
    JOIN ledger_balance AS b ON (b.organisation_id, b.account_id) = (a.organisation_id, a.id)
    WHERE a.code LIKE 'custody:%%%%' AND %s
), later AS (
    SELECT e.organisation_id, e.account_id, sum(e.units) AS units
    FROM ledger_entry AS e
    JOIN custody AS c ON (c.organisation_id, c.id) = (e.organisation_id, e.account_id)
    WHERE e.chain_id = %%(chain)s AND e.block_height > %%(height)s
    GROUP BY e.organisation_id, e.account_id
)
SELECT c.organisation_id, c.code, c.asset, c.posted - coalesce(l.units, 0)
FROM custody AS c
LEFT JOIN later AS l ON (l.organisation_id, l.account_id) = (c.organisation_id, c.id)
ORDER BY c.organisation_id, c.code, c.asset
"""
_WHICH: Final = {
    (True, True): "a.code LIKE %(prefix)s",
    (False, True): "a.code = ANY(%(codes)s)",
    (True, False): 'a.code COLLATE "C" > %(low)s AND a.code COLLATE "C" <= %(high)s',
}
BATCH_MAX: Final = 10_000
"""Postings a call: bounds the memory of one call and the time that locks are held."""


def post(uow: UnitOfWork, postings: Sequence[Posting]) -> list[PostingResult]:
    """Book a batch; one result a posting, in its order. Never raises for a refused item.

    Items are judged one after the other: what an earlier one brought, a later one may spend.
    """
    check(len(postings) <= BATCH_MAX, f"a call of ledger.post books at most {BATCH_MAX} postings")
    if not postings:
        return []
    ids = [uow.new_id() for _ in postings]
    cursor = uow.driver.execute(POST, arguments(uow.now, postings, ids))
    return results(cursor.fetchall())


def post_or_raise(uow: UnitOfWork, posting: Posting) -> UUID:
    """Book one posting, giving its id; raises PostingRefused or PostingInvalid with the code."""
    (found,) = post(uow, [posting])
    if found.code is not None or found.transaction_id is None:
        raise refusal(found.code or "ledger.refused", posting.key)
    return found.transaction_id


def open_accounts(uow: UnitOfWork, refs: Sequence[AccountRef]) -> None:
    """Open the accounts that are not there yet. Raises AccountCodeInvalid."""
    classes = [rules.account_class(ref.code) for ref in refs]
    if refs:
        uow.execute(
            "SELECT ledger_open_accounts(%s, %s::uuid[], %s::text[], %s::text[],"
            " %s::boolean[], %s::boolean[])",
            (
                uow.now,
                [ref.organisation_id for ref in refs],
                [ref.code for ref in refs],
                [ref.asset for ref in refs],
                [found.debit_normal for found in classes],
                [found.floored for found in classes],
            ),
        )


def balances(uow: UnitOfWork, organisation_id: UUID) -> list[Balance]:
    """Every account's balance now, by code and asset."""
    found = uow.execute(
        """
        SELECT a.code, a.asset, b.posted + coalesce(u.posted, 0), b.held, b.frozen
        FROM ledger_account AS a
        JOIN ledger_balance AS b ON (b.organisation_id, b.account_id) = (a.organisation_id, a.id)
        LEFT JOIN LATERAL (
            SELECT sum(w.posted) AS posted FROM ledger_unfolded AS w
            WHERE (w.organisation_id, w.account_id) = (a.organisation_id, a.id)
              AND NOT b.floored) AS u ON true
        WHERE a.organisation_id = %s
        ORDER BY a.code, a.asset
        """,
        (organisation_id,),
    )
    return [
        Balance(code, asset, int(posted), int(held), int(posted) - int(held), frozen)
        for code, asset, posted, held, frozen in found
    ]


def balance_at(uow: UnitOfWork, ref: AccountRef, moment: datetime) -> int:
    """The posted balance of an account at a moment, from the entries booked until then.

    For an account with a floor this is one look-up a side, however long its history is.
    """
    found = uow.execute(
        "SELECT ledger_balance_at(%s, %s, %s, %s)",
        (ref.organisation_id, ref.code, ref.asset, moment),
    ).fetchone()
    return int(found[0]) if found is not None and found[0] is not None else 0


def custody_at(
    uow: UnitOfWork,
    chain_id: int,
    height: int,
    *,
    codes: Sequence[str] | None = None,
    between: tuple[str, str] | None = None,
) -> list[CustodyTotal]:
    """What each custody account of a chain held by the postings up to a block height: all of them,
    those of `codes`, or those above the first code of `between` and up to the second, by bytes.

    Computed from the balance now, less what later blocks brought: history's length costs nothing.
    """
    low, high = between or ("", "")
    found = uow.execute(
        _CUSTODY_AT % _WHICH[codes is None, between is None],
        {
            "prefix": f"custody:{chain_id}:%",
            "chain": chain_id,
            "height": height,
            "codes": list(codes or ()),
            "low": low,
            "high": high,
        },
    )
    return [CustodyTotal(org, code, asset, int(units)) for org, code, asset, units in found]


def custody_believed(
    uow: UnitOfWork, organisation_id: UUID | None, chain_id: int, moment: datetime, limit: int
) -> list[CustodyTotal]:
    """What the books had in custody accounts at a moment, of one organisation or of all; `limit` at
    most, by code. Accounts that held nothing are left out.
    """
    found = uow.execute(
        "SELECT organisation_id, code, asset, units FROM ("
        " SELECT a.organisation_id, a.code, a.asset,"
        " ledger_balance_at(a.organisation_id, a.code, a.asset, %s) AS units"
        " FROM ledger_account AS a WHERE a.code LIKE %s"
        " AND a.organisation_id = coalesce(%s, a.organisation_id)"
        ") AS held WHERE units <> 0 ORDER BY code, asset LIMIT %s",
        (moment, f"custody:{chain_id}:%", organisation_id, limit),
    )
    return [CustodyTotal(org, code, asset, int(units)) for org, code, asset, units in found]


def legs(uow: UnitOfWork, organisation_id: UUID, key: str) -> tuple[Leg, ...]:
    """The legs of what was booked under a key, in their order; none where nothing was."""
    found = uow.execute(
        """
        SELECT d.code, c.code, p.asset, p.units
        FROM ledger_transaction AS t
        JOIN ledger_posting AS p USING (organisation_id)
        JOIN ledger_account AS d USING (organisation_id)
        JOIN ledger_account AS c USING (organisation_id)
        WHERE (t.organisation_id, t.key) = (%s, %s) AND p.transaction_id = t.id
          AND d.id = p.debit_account AND c.id = p.credit_account
        ORDER BY p.ordinal
        """,
        (organisation_id, key),
    )
    return tuple(Leg(debit, credit, asset, int(units)) for debit, credit, asset, units in found)


def rows(postings: Sequence[Posting]) -> list[dict[str, object]]:
    """The postings as rows for `auditlog.append(rows=…)`: every unit that posts hands them over."""
    return [rules.row(posting) for posting in postings]


def fold(uow: UnitOfWork, limit: int = 5_000) -> int:
    """Fold waiting entries of accounts without a floor into their balances; gives how many."""
    found = uow.execute("SELECT ledger_fold(%s)", (limit,)).fetchone()
    return 0 if found is None else int(found[0])


def arguments(now: datetime, postings: Sequence[Posting], ids: Sequence[UUID]) -> tuple[Any, ...]:
    """The arrays that ledger_post takes: one element a posting, then one a leg."""
    legs: list[tuple[int, Leg]] = [
        (item, leg) for item, posting in enumerate(postings, 1) for leg in posting.legs
    ]
    chains = [posting.chain for posting in postings]
    refers = [posting.refers_to for posting in postings]
    return (
        now,
        arrays.uuids(posting.organisation_id for posting in postings),
        arrays.uuids(ids),
        arrays.texts(posting.key for posting in postings),
        arrays.octets(rules.body_hash(posting) for posting in postings),
        arrays.texts(posting.kind for posting in postings),
        arrays.texts(posting.phase for posting in postings),
        arrays.texts(refers) if any(refers) else None,
        arrays.texts(_moment(posting.expires_at) for posting in postings),
        arrays.numbers(None if chain is None else chain.chain_id for chain in chains),
        arrays.numbers(None if chain is None else chain.height for chain in chains),
        arrays.octets(None if chain is None else chain.block_hash for chain in chains),
        arrays.texts(_memo(posting) for posting in postings),
        arrays.numbers(item for item, _ in legs),
        arrays.texts(leg.debit for _, leg in legs),
        arrays.texts(leg.credit for _, leg in legs),
        arrays.texts(leg.asset for _, leg in legs),
        arrays.numbers(leg.units for _, leg in legs),
    )


def results(found: Sequence[tuple[Any, ...]]) -> list[PostingResult]:
    """What ledger_post answered, in the order of the items."""
    return [PostingResult(outcome, code, id_) for _, outcome, code, id_ in found]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _memo(posting: Posting) -> str | None:
    return json.dumps(dict(posting.memo)) if posting.memo else None
