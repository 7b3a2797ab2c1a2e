"""Tokens that a policy names after deposits of them were kept: booked and screened from then on."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, tuple_

from strongroom.auditlog import service as auditlog
from strongroom.chain.ports import BlockView
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, settings
from strongroom.deposits.models import Deposit
from strongroom.deposits.sink import book_arrivals, open_accounts
from strongroom.deposits.terms import terms
from strongroom.ledger import service as ledger
from strongroom.wallets import service as wallets

TOPIC: Final = "deposits.named"
TAKEN_MAX: Final = 500
"""Deposits booked in one unit."""
_BOOKABLE: Final = ("confirmed", "finalized")


def look(uow: UnitOfWork) -> int:
    """Ask each organisation that keeps deposits of a token that its policy names by now to book
    them; gives how many. A job of the house.
    """
    moment = datetime.fromtimestamp(int(uow.now.timestamp()) // 10 * 10, UTC).isoformat()
    found: set[UUID] = set()
    for chain_id in wallets.token_chains(uow):
        found |= {organisation_id for organisation_id, _, _ in unbooked(uow, chain_id)}
    for organisation_id in sorted(found):
        outbox.enqueue(
            uow, TOPIC, f"{organisation_id}:{moment}", {}, organisation_id=organisation_id
        )
    return len(found)


def unbooked(uow: UnitOfWork, chain_id: int) -> set[tuple[UUID, str, bytes]]:
    """(organisation, custody account, contract) of which chain and books differ until the worker
    has booked what was kept: the token was named a moment ago.
    """
    named = [(token.organisation_id, token.contract) for token in wallets.tokens(uow, chain_id)]
    if not named:
        return set()
    rows = uow.session.execute(
        select(Deposit.organisation_id, Deposit.custody_code, Deposit.token)
        .where(
            Deposit.chain_id == chain_id,
            Deposit.disposition == "unknown_token",
            Deposit.chain_state.in_(_BOOKABLE),
            tuple_(Deposit.organisation_id, Deposit.token).in_(named),
        )
        .distinct()
    )
    return {(organisation, code, token) for organisation, code, token in rows if token}


def book_named(uow: UnitOfWork) -> int:
    """Book what the unit's organisation kept of tokens that it names now; gives how many."""
    booked = 0
    for chain_id in wallets.token_chains(uow):
        assets = {
            token.contract: token.asset
            for token in wallets.tokens(uow, chain_id)
            if token.organisation_id == uow.organisation_id
        }
        rows = uow.session.scalars(
            select(Deposit)
            .where(
                Deposit.organisation_id == uow.organisation_id,
                Deposit.chain_id == chain_id,
                Deposit.disposition == "unknown_token",
                Deposit.chain_state.in_(_BOOKABLE),
                Deposit.token.in_(sorted(assets)),
            )
            .order_by(Deposit.id)
            .limit(TAKEN_MAX)
            .with_for_update()
        ).all()
        if rows:
            _book(uow, list(rows), assets)
        booked += len(rows)
    return booked


def _book(uow: UnitOfWork, rows: list[Deposit], assets: dict[bytes, str]) -> None:
    """Check: kept, and on the chain. Effect: as if it had been known. Then the books."""
    standing = settings.standing_rules(uow, {row.organisation_id for row in rows})
    postings = []
    for row in rows:
        row.asset, row.disposition = assets[row.token or b""], "unscreened"
        wanted = terms(standing, row.organisation_id, row.chain_id, row.asset, row.units)
        row.confirmations, row.level = wanted.confirmations, wanted.level
        row.awaits = wanted.why or None
        booked = repository.columns(row)
        postings += book_arrivals(uow, [(_block(uow, row), booked)])
        row.booking_key = booked["booking_key"]
        row.screening_request_id = booked["screening_request_id"]
    reason = "The policy names its token now: booked to suspense; being screened."
    repository.add_transitions(uow, [repository.change(row, "unscreened", reason) for row in rows])
    open_accounts(uow, postings)
    body = {"deposits": [str(row.id) for row in rows]}
    auditlog.append(uow, "deposits.named", str(rows[0].id), body, rows=ledger.rows(postings))
    for posting in postings:
        ledger.post_or_raise(uow, posting)


def _block(uow: UnitOfWork, row: Deposit) -> BlockView:
    """The appearance of the block that carried it, as far as a posting names it."""
    return BlockView(
        chain_id=row.chain_id,
        height=row.height,
        hash=row.block_hash,
        parent_hash=b"",
        time=uow.now,
        transfers=(),
        transactions=(),
        sighting=row.sighting,
    )
