"""From suspense to the client: screened, deep enough, not dust, and not held for people.

Whatever is missing is asked again when it may have changed: a verdict by the screener's message,
depth by the clock (`look`), people by `accept`. Every step may be repeated.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, cast
from uuid import UUID

from sqlalchemy import or_, select

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, rules, settings
from strongroom.deposits.errors import ClearanceUnproven, DepositUnknown, NotHeld
from strongroom.deposits.models import Deposit
from strongroom.deposits.sink import TOPIC, finish_if_over
from strongroom.deposits.terms import LEVELS, Level, Terms, terms
from strongroom.indexer import service as indexer
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.screening import service as screening
from strongroom.screening.types import ScreeningView
from strongroom.wallets import service as wallets
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.amounts import Amount, Asset, format_amount
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.evidence import ClearedDeposit, open_clearance

LOOK_MAX: Final = 1_000
"""Deposits asked again by one look."""
NO_PAYER: Final = "deposits.no_payer"
"""The kind of alert that asks compliance about money that nobody paid."""
_BOOKED: Final = ("confirmed", "finalized")


def settle(uow: UnitOfWork, deposit_id: UUID, screener_key: bytes) -> None:
    """Act on what is known of a deposit, in the unit of its organisation; repeatable.

    CLEAR makes it the client's, if the screener's own signature over this very deposit says so
    (`screener_key`: its pinned Ed25519 key, 32 bytes) and its terms are met; HIT quarantines it at
    once (the screener opened the alert); any other answer leaves it in suspense, and one that says
    that nobody paid it is shown to compliance. An arrival that
    was not booked is left alone. A HIT after the credit moves nothing by itself: people get an
    alert of their own.

    Raises DepositUnknown, ClearanceUnproven.
    """
    rows = repository.lock_with_dust(uow, deposit_id)
    row = next((found for found in rows if found.id == deposit_id), None)
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    if row.screening_request_id is None or row.chain_state not in _BOOKED:
        return
    verdict = screening.clearance(uow, row.screening_request_id)
    if verdict.state == "HIT" and row.disposition == "credited":
        _open_alert(uow, row, "deposits.hit_after_credit", verdict.reason)
    if row.disposition != "unscreened":
        return
    if not ledger.legs(uow, row.organisation_id, row.booking_key or ""):
        return  # the ledger refused its arrival: what lies in suspense is other deposits' money
    if verdict.state == "HIT":
        _book(uow, [row], "quarantined", verdict.reason)
        return
    if verdict.state == "UNSUPPORTED":
        _hold_nobodys(uow, row)
    cleared = verdict.state == "CLEAR"
    row.cleared_at = (row.cleared_at or uow.now) if cleared else None
    if cleared:
        _check_signed(uow, row, verdict, screener_key)
        if row.held == "no_payer":
            row.held = row.awaits = None
            repository.add_transitions(uow, [repository.change(row, "accepted", verdict.reason)])
        _credit(uow, row, [found for found in rows if found is not row], verdict, screener_key)


def accept(uow: UnitOfWork, deposit_id: UUID, by: str) -> None:
    """People take a second payment to a single-use address. Raises DepositUnknown."""
    row = repository.lock(uow, deposit_id)
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    if row.held != "reuse":
        return
    row.held, row.awaits = None, None
    repository.add_transitions(uow, [repository.change(row, "accepted", f"Accepted by {by}.")])
    auditlog.append(uow, "deposit.accepted", str(row.id), {"by": by})


def accept_nobodys(uow: UnitOfWork, deposit_id: UUID, why: str) -> None:
    """Compliance takes money that nobody paid: the screener clears it then, and its alert is closed
    with the same reason. Raises DepositUnknown, NotHeld.
    """
    row = uow.session.get(Deposit, (uow.organisation_id, deposit_id))
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    if row.held != "no_payer" or row.screening_request_id is None:
        raise NotHeld(
            f"The deposit is {row.view().state}; only one that nobody paid, and that is held for "
            "that, can be accepted so."
        )
    screening.accept_nobodys(uow, row.screening_request_id, why)
    screening.close_alert(uow, NO_PAYER, str(row.id), why)


def ask_accept(uow: UnitOfWork, deposit_id: UUID, topic: str) -> None:
    """Have the worker accept it in the caller's name. Raises DepositUnknown, NotHeld."""
    row = uow.session.get(Deposit, (uow.organisation_id, deposit_id))
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    if row.held != "reuse" or row.disposition != "unscreened":
        raise NotHeld(
            f"The deposit is {row.view().state}; only one that is held because its address was "
            "paid before can be accepted."
        )
    by = f"{uow.actor.kind}:{uow.actor.id}"
    outbox.enqueue(uow, topic, str(row.id), {"deposit_id": str(row.id), "by": by})
    auditlog.append(uow, "deposit.accept_asked", str(row.id), {"by": by})


def look(uow: UnitOfWork) -> int:
    """Have those asked again that wait for depth and may have it now; gives how many.

    A job of the house. What is still not credited then is asked again a minute later.
    """
    waiting = (
        Deposit.disposition == "unscreened",
        Deposit.cleared_at.is_not(None),
        Deposit.held.is_(None),
        Deposit.chain_state.in_(_BOOKED),
    )
    minute = datetime.fromtimestamp(int(uow.now.timestamp()) // 60 * 60, UTC).isoformat()
    told = 0
    for chain_id in uow.session.scalars(select(Deposit.chain_id).where(*waiting).distinct()).all():
        cursor = indexer.status(uow, chain_id)
        found = uow.session.execute(
            select(Deposit.organisation_id, Deposit.id, Deposit.confirmations, Deposit.level)
            .where(
                *waiting,
                Deposit.chain_id == chain_id,
                Deposit.height <= cursor.height + 1 - Deposit.confirmations,
                or_(
                    Deposit.level == "confirmed",
                    (Deposit.level == "safe") & (Deposit.height <= cursor.safe_height),
                    Deposit.chain_state == "finalized",
                ),
            )
            .order_by(Deposit.height, Deposit.id)
            .limit(LOOK_MAX)
        )
        for organisation_id, deposit_id, confirmations, level in found:
            key = f"{deposit_id}:{confirmations}:{level}:{minute}"
            payload = {"deposit_id": str(deposit_id)}
            told += outbox.enqueue(uow, TOPIC, key, payload, organisation_id=organisation_id)
    return told


def _credit(
    uow: UnitOfWork,
    row: Deposit,
    dust: Sequence[Deposit],
    verdict: ScreeningView,
    screener_key: bytes,
) -> None:
    """Credit a cleared deposit, with the dust beside it, or say what it waits for."""
    if row.held == "reuse":
        return
    current = _terms(uow, row)
    row.confirmations, row.level = current.confirmations, current.level
    row.awaits = _awaited(uow, row, current)
    if row.awaits is not None:
        return
    ready = [other for other in dust if _is_clear(uow, other, screener_key)]
    together = row.units + sum(other.units for other in ready)
    if together < current.dust_units:
        _hold_dust(uow, row, current.dust_units)
        return
    _book(uow, sorted([row, *ready], key=lambda each: each.id), "credited", verdict.reason)


def _terms(uow: UnitOfWork, row: Deposit) -> Terms:
    """The rules of now, and never less than what the deposit was told to wait for when it came."""
    standing = settings.standing_rules(uow, {row.organisation_id})
    now = terms(standing, row.organisation_id, row.chain_id, row.asset or "", row.units)
    level = max((now.level, cast("Level", row.level)), key=LEVELS.index)
    confirmations = max(now.confirmations, row.confirmations)
    as_now = (confirmations, level) == (now.confirmations, now.level)
    why = now.why if as_now else row.awaits or ""
    return replace(now, confirmations=confirmations, level=level, why=why)


def _awaited(uow: UnitOfWork, row: Deposit, current: Terms) -> str | None:
    cursor = indexer.status(uow, row.chain_id)
    met = current.are_met(
        cursor.height - row.height + 1,
        is_safe=row.height <= cursor.safe_height,
        is_final=row.chain_state == "finalized",
    )
    if not met:
        return current.why or (
            f"Its credit waits for {current.confirmations} blocks, and to be {current.level}."
        )
    if wallets.is_frozen(uow, row.custody_code, row.asset or ""):
        return "Its account is frozen: people look at a difference between chain and books."
    return None


def _hold_dust(uow: UnitOfWork, row: Deposit, dust_units: int) -> None:
    least = format_amount(Amount(dust_units, Asset(row.asset or "")))
    row.awaits = f"Dust: credited once {least} {row.asset} lie at its address together."
    if row.held is None:
        row.held = "dust"
        repository.add_transitions(uow, [repository.change(row, "dust", row.awaits)])
        auditlog.append(uow, "deposit.dust", str(row.id), {"units": str(row.units)})


def _hold_nobodys(uow: UnitOfWork, row: Deposit) -> None:
    """There is no payer to judge: people look, once the address' own reuse is decided."""
    if row.held in ("reuse", "no_payer"):
        return
    what = "a withdrawal from the beacon chain" if row.kind == "withdrawal" else "a mint"
    row.held = "no_payer"
    row.awaits = f"Held: nobody paid it, it is {what}. Compliance looks at it and may accept it."
    repository.add_transitions(uow, [repository.change(row, "no_payer", row.awaits)])
    auditlog.append(uow, "deposit.no_payer", str(row.id), {"kind": row.kind})
    _open_alert(uow, row, NO_PAYER, row.awaits)


def _is_clear(uow: UnitOfWork, row: Deposit, screener_key: bytes) -> bool:
    """Whether dust that waited may be credited now."""
    if row.screening_request_id is None or row.chain_state not in _BOOKED:
        return False
    verdict = screening.clearance(uow, row.screening_request_id)
    if verdict.state != "CLEAR":
        return False
    _check_signed(uow, row, verdict, screener_key)
    return True


def _check_signed(
    uow: UnitOfWork, row: Deposit, verdict: ScreeningView, screener_key: bytes
) -> None:
    """P7: a row that says CLEAR is no clearance; the signature over these facts is."""
    try:
        clearance = open_clearance(
            verdict.document,
            verdict.signature or b"",
            screener_key,
            organisation=str(row.organisation_id),
            now=int(uow.now.timestamp()),
        )
    except ProtocolError as error:
        raise ClearanceUnproven(
            f"The clearance of deposit {row.id} is not the screener's: {error}. It stays in "
            "suspense; look at who wrote to the database."
        ) from error
    token, address = Address(row.token or ZERO), Address(row.address)
    found = ClearedDeposit(row.chain_id, row.tx_hash, row.position, token, address, row.units)
    payer = address if row.payer == ZERO else row.payer  # what nobody paid is cleared by its place
    if (clearance.direction, clearance.subject, clearance.deposit) != ("in", payer, found):
        raise ClearanceUnproven(
            f"The clearance shown for deposit {row.id} is another payment's; it stays in suspense."
        )


def _book(uow: UnitOfWork, rows: Sequence[Deposit], disposition: str, reason: str) -> None:
    """Check: unscreened and on the chain. Effect: the states and their record. Then the books."""
    postings = []
    for row in rows:
        account = row.client_account if disposition == "credited" else rules.QUARANTINE
        posting = rules.settlement(
            row.organisation_id,
            row.id,
            account,
            row.asset or "",
            row.units,
            row.customer_reference,
        )
        row.disposition, row.settled_at = disposition, uow.now
        row.settlement_key, row.awaits, row.held = posting.key, None, None
        postings.append(posting)
        ledger.open_accounts(uow, [AccountRef(row.organisation_id, account, row.asset or "")])
        if disposition == "credited":
            finish_if_over(uow, row)
    repository.add_transitions(uow, [repository.change(row, disposition, reason) for row in rows])
    body = {
        "disposition": disposition,
        "asset": rows[0].asset,
        "units": str(sum(row.units for row in rows)),
        "deposits": [str(row.id) for row in rows],
    }
    subject = str(rows[-1].id)
    auditlog.append(uow, f"deposit.{disposition}", subject, body, rows=ledger.rows(postings))
    for posting in postings:
        ledger.post_or_raise(uow, posting)


def _open_alert(uow: UnitOfWork, row: Deposit, kind: str, reason: str) -> None:
    screening.open_alert(
        uow,
        organisation_id=row.organisation_id,
        kind=kind,
        subject="0x" + row.payer.hex(),
        reference=str(row.id),
        detail={
            "reason": reason,
            "asset": row.asset,
            "units": str(row.units),
            "tx": "0x" + row.tx_hash.hex(),
            "address": "0x" + row.address.hex(),
            "disposition": row.disposition,
        },
    )
