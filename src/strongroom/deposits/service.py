"""Deposits after the block: settled by their verdict, listed for people, planned into sweeps."""

from uuid import UUID

from sqlalchemy import select

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, rules, sink
from strongroom.deposits.errors import ClearanceUnproven, DepositUnknown
from strongroom.deposits.models import Deposit
from strongroom.deposits.sweeps import plan_sweep, plan_sweeps, release
from strongroom.deposits.types import DepositView
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.screening import service as screening
from strongroom.screening.types import ScreeningView
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.evidence import ClearedDeposit, open_clearance

__all__ = ["get", "list_deposits", "plan_sweep", "plan_sweeps", "release", "settle"]

PAGE_MAX = 500


def settle(uow: UnitOfWork, deposit_id: UUID, screener_key: bytes) -> None:
    """Act on a deposit's verdict, in the unit of its organisation; repeatable.

    CLEAR makes it the client's, if the screener's own signature over this very deposit says so
    (`screener_key`: its pinned Ed25519 key, 32 bytes); HIT quarantines it (the screener opened the
    alert); any other answer leaves it in suspense. An arrival that was not booked is left alone. A
    HIT after the credit moves nothing by itself: people get an alert of their own.

    Raises DepositUnknown, ClearanceUnproven.
    """
    row = repository.lock(uow, deposit_id)
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    if row.screening_request_id is None or row.chain_state not in ("confirmed", "finalized"):
        return
    verdict = screening.clearance(uow, row.screening_request_id)
    if verdict.state == "HIT" and row.disposition == "credited":
        _alert(uow, row, verdict.reason)
    if row.disposition != "unscreened" or verdict.state not in ("CLEAR", "HIT"):
        return
    if not ledger.legs(uow, row.organisation_id, row.booking_key or ""):
        return  # the ledger refused its arrival: what lies in suspense is other deposits' money
    if verdict.state == "CLEAR":
        _check_signed(uow, row, verdict, screener_key)
        _book(uow, row, row.client_account, "credited", verdict.reason)
    else:
        _book(uow, row, rules.QUARANTINE, "quarantined", verdict.reason)


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
    if (clearance.direction, clearance.subject, clearance.deposit) != ("in", row.payer, found):
        raise ClearanceUnproven(
            f"The clearance shown for deposit {row.id} is another payment's; it stays in suspense."
        )


def list_deposits(uow: UnitOfWork, after: UUID | None = None, limit: int = 50) -> list[DepositView]:
    """The organisation's deposits, newest first; `after` is the last id of the page before."""
    query = select(Deposit).where(Deposit.organisation_id == uow.organisation_id)
    if after is not None:
        query = query.where(Deposit.id < after)
    newest_first = query.order_by(Deposit.id.desc()).limit(min(limit, PAGE_MAX))
    return [row.view() for row in uow.session.scalars(newest_first)]


def get(uow: UnitOfWork, deposit_id: UUID) -> DepositView:
    """One deposit of the unit's organisation. Raises DepositUnknown."""
    row = uow.session.get(Deposit, (uow.organisation_id, deposit_id))
    if row is None:
        raise DepositUnknown("The organisation has no such deposit.")
    return row.view()


def _book(uow: UnitOfWork, row: Deposit, account: str, disposition: str, reason: str) -> None:
    """Check: unscreened and on the chain. Effect: the state and its record. Then the books."""
    posting = rules.settlement(row.organisation_id, row.id, account, row.asset or "", row.units)
    row.disposition, row.settled_at = disposition, uow.now
    row.settlement_key = posting.key
    repository.add_transition(uow, row.organisation_id, row.id, disposition, reason)
    refs = [AccountRef(row.organisation_id, account, row.asset or "")]
    ledger.open_accounts(uow, refs)
    body = {"disposition": disposition, "asset": row.asset, "units": str(row.units)}
    rows = ledger.rows([posting])
    if disposition == "credited":
        sink.finish_if_over(uow, row)
    auditlog.append(uow, f"deposit.{disposition}", str(row.id), body, rows=rows)
    ledger.post_or_raise(uow, posting)


def _alert(uow: UnitOfWork, row: Deposit, reason: str) -> None:
    screening.open_alert(
        uow,
        organisation_id=row.organisation_id,
        kind="deposits.hit_after_credit",
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
