"""Rows of withdrawals: locked, stepped on, counted. Nothing here decides."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, case, func, literal, select

from strongroom.db import events
from strongroom.db.database import UnitOfWork
from strongroom.db.events import Event
from strongroom.identity import service as identity
from strongroom.relay.types import OutgoingView
from strongroom.withdrawals import rules
from strongroom.withdrawals.errors import WithdrawalUnknown
from strongroom.withdrawals.models import (
    Withdrawal,
    WithdrawalApproval,
    WithdrawalPermit,
    WithdrawalRecipient,
    WithdrawalReminder,
    WithdrawalSigned,
    WithdrawalSimulation,
    WithdrawalTransition,
)
from strongroom_protocol.addresses import checksum


def find(uow: UnitOfWork, organisation_id: UUID, withdrawal_id: UUID) -> Withdrawal:
    """One withdrawal. Raises WithdrawalUnknown."""
    row = uow.session.get(Withdrawal, (organisation_id, withdrawal_id))
    return _there(row)


def lock(uow: UnitOfWork, organisation_id: UUID, withdrawal_id: UUID) -> Withdrawal:
    """One withdrawal, locked and read anew; those of its batch with it, always in the same order.
    Raises WithdrawalUnknown.
    """
    rows = _locked(uow, organisation_id, withdrawal_id)
    if len(rows) == 1 and rows[0].batch_id is not None:
        rows = _locked(uow, organisation_id, withdrawal_id)  # put together while this waited
    return _there(next((row for row in rows if row.id == withdrawal_id), None))


def _locked(uow: UnitOfWork, organisation_id: UUID, withdrawal_id: UUID) -> Sequence[Withdrawal]:
    ours = Withdrawal.organisation_id == organisation_id
    lead = select(Withdrawal.batch_id).where(ours, Withdrawal.id == withdrawal_id)
    return uow.session.scalars(
        select(Withdrawal)
        .where(
            ours,
            (Withdrawal.id == withdrawal_id) | (Withdrawal.batch_id == lead.scalar_subquery()),
        )
        .order_by(Withdrawal.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()


def together(uow: UnitOfWork, row: Withdrawal) -> list[Withdrawal]:
    """The payments that share its Safe transaction, itself among them, in their order."""
    if row.batch_id is None:
        return [row]
    return list(
        uow.session.scalars(
            select(Withdrawal)
            .where(
                Withdrawal.organisation_id == row.organisation_id,
                Withdrawal.batch_id == row.batch_id,
            )
            .order_by(Withdrawal.batch_place)
        )
    )


def begin(uow: UnitOfWork, row: Withdrawal) -> None:
    """Put a new withdrawal in, with its first step."""
    rules.check_step(None, row.state)
    uow.session.add(row)
    uow.session.flush()
    _write_down(uow, row, None, 0)


def step(uow: UnitOfWork, row: Withdrawal, to_state: str, reason: str) -> None:
    """Take one step of its life and write it down. The caller holds the row's lock."""
    from_state = row.state
    rules.check_step(from_state, to_state)
    row.state, row.reason, row.updated_at = to_state, reason, uow.now
    uow.session.flush()
    taken = uow.session.scalar(
        select(func.count())
        .select_from(WithdrawalTransition)
        .where(
            WithdrawalTransition.organisation_id == row.organisation_id,
            WithdrawalTransition.withdrawal_id == row.id,
        )
    )
    _write_down(uow, row, from_state, taken or 0)


def transitions(uow: UnitOfWork, row: Withdrawal) -> list[WithdrawalTransition]:
    """Its steps, the first one first."""
    return list(
        uow.session.scalars(
            select(WithdrawalTransition)
            .where(
                WithdrawalTransition.organisation_id == row.organisation_id,
                WithdrawalTransition.withdrawal_id == row.id,
            )
            .order_by(WithdrawalTransition.step)
        )
    )


def approvals(uow: UnitOfWork, row: Withdrawal, kind: str) -> list[WithdrawalApproval]:
    """People's signatures on its payment as it is to be sent now, or on its rejection, in the order
    of their arrival. A batch has one rejection, of all.
    """
    wanted = [
        WithdrawalApproval.organisation_id == row.organisation_id,
        WithdrawalApproval.withdrawal_id == rules.signed_on(row.id, row.batch_id, kind),
        WithdrawalApproval.kind == kind,
    ]
    if kind == "payment" and row.vault_id is not None and row.state not in rules.ENDED:
        wanted.append(WithdrawalApproval.digest == row.safe_tx_hash)
    return list(
        uow.session.scalars(
            select(WithdrawalApproval)
            .where(*wanted)
            .order_by(WithdrawalApproval.created_at, WithdrawalApproval.person)
        )
    )


def permits(uow: UnitOfWork, row: Withdrawal) -> list[WithdrawalPermit]:
    """What the signer permitted for it, the newest first."""
    return list(
        uow.session.scalars(
            select(WithdrawalPermit)
            .where(
                WithdrawalPermit.organisation_id == row.organisation_id,
                WithdrawalPermit.withdrawal_id == row.id,
            )
            .order_by(WithdrawalPermit.created_at.desc())
        )
    )


def signed(uow: UnitOfWork, row: Withdrawal) -> list[WithdrawalSigned]:
    """What was brought back from the offline machine, in the order of its coming."""
    return list(
        uow.session.scalars(
            select(WithdrawalSigned)
            .where(
                WithdrawalSigned.organisation_id == row.organisation_id,
                WithdrawalSigned.withdrawal_id == row.id,
            )
            .order_by(WithdrawalSigned.attempt)
        )
    )


def lock_paying(uow: UnitOfWork, outgoings: Collection[OutgoingView]) -> dict[UUID, Withdrawal]:
    """The withdrawals that spending keys pay by these, by the outgoing's id; all locked at once, in
    the order of their ids. They are in no batch: only a vault's are.
    """
    if not outgoings:
        return {}
    owners = sorted({one.organisation_id for one in outgoings})
    ids = [one.id for one in outgoings]
    rows = uow.session.scalars(
        select(Withdrawal)
        .where(
            Withdrawal.organisation_id == any_(literal(owners, ARRAY(Uuid()))),
            Withdrawal.outgoing_id == any_(literal(ids, ARRAY(Uuid()))),
        )
        .order_by(Withdrawal.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {row.outgoing_id: row for row in rows if row.outgoing_id is not None}


def lock_of_outgoing(uow: UnitOfWork, outgoing: OutgoingView) -> Withdrawal | None:
    """The withdrawal whose spending key sends this, locked."""
    found = uow.session.scalars(
        select(Withdrawal.id).where(
            Withdrawal.organisation_id == outgoing.organisation_id,
            Withdrawal.outgoing_id == outgoing.id,
        )
    ).one_or_none()
    return None if found is None else lock(uow, outgoing.organisation_id, found)


def of_safe_tx(uow: UnitOfWork, hashes: Sequence[bytes]) -> list[tuple[UUID, UUID, str, bytes]]:
    """(organisation, withdrawal, payment | rejection, hash) of these Safe transactions. A payment
    is known by its own row: its Permit can be in other hands before ours is stored.
    """
    payments = select(
        Withdrawal.organisation_id, Withdrawal.id, literal("payment"), Withdrawal.safe_tx_hash
    ).where(Withdrawal.safe_tx_hash.in_(hashes))
    rejections = select(
        WithdrawalPermit.organisation_id,
        WithdrawalPermit.withdrawal_id,
        WithdrawalPermit.kind,
        WithdrawalPermit.safe_tx_hash,
    ).where(
        WithdrawalPermit.safe_tx_hash.in_(hashes),
        WithdrawalPermit.kind == "rejection",
        WithdrawalPermit.round == 0,
    )
    found: list[tuple[UUID, UUID, str, bytes]] = []
    for query in (payments, rejections):
        for owner, withdrawal_id, kind, safe_tx_hash in uow.session.execute(query):
            found.append((owner, withdrawal_id, kind, safe_tx_hash or b""))
    return sorted(found, key=lambda one: (one[1], one[2]))


def paid_since(
    uow: UnitOfWork,
    organisation_id: UUID,
    since: datetime,
    *,
    but: UUID | None = None,
    **same: object,
) -> dict[str, tuple[int, int]]:
    """Units and number of payments by asset, of orders that left after `since` or are about to,
    without the order `but`; `same`: columns that have a value. An order counts from when it was
    bound, as the signer counts it; one that is not, now.
    """
    wanted = [
        Withdrawal.organisation_id == organisation_id,
        Withdrawal.state.not_in(sorted(rules.ENDED - {"finalized"})),
        func.coalesce(Withdrawal.bound_at, uow.now) >= since,
        *(getattr(Withdrawal, column) == value for column, value in same.items()),
    ]
    if but is not None:
        wanted.append(Withdrawal.id != but)
    query = (
        select(Withdrawal.asset, func.sum(Withdrawal.units), func.count())
        .where(*wanted)
        .group_by(Withdrawal.asset)
    )
    return {asset: (int(units), count) for asset, units, count in uow.session.execute(query)}


def outdated(uow: UnitOfWork, organisation_id: UUID, version: int) -> Sequence[UUID]:
    """Orders under an older policy that nothing of ours was signed for."""
    return uow.session.scalars(
        select(Withdrawal.id)
        .where(
            Withdrawal.organisation_id == organisation_id,
            Withdrawal.policy_version < version,
            Withdrawal.state.in_(sorted(rules.UNBOUND)),
        )
        .order_by(Withdrawal.id)
    ).all()


def to_simulate(uow: UnitOfWork, chain_id: int) -> Withdrawal | None:
    """The payment that waits for approvals and that the chain's node is to be asked about next."""
    asked = WithdrawalSimulation
    digest = case(
        (Withdrawal.wallet_kind == "vault", Withdrawal.safe_tx_hash), else_=Withdrawal.intent
    )
    return uow.session.scalars(
        select(Withdrawal)
        .outerjoin(
            asked,
            (asked.organisation_id == Withdrawal.organisation_id)
            & (asked.withdrawal_id == Withdrawal.id),
        )
        .where(
            Withdrawal.state == "awaiting_approval",
            Withdrawal.organisation_id.in_(identity.on_chain(chain_id)),
            asked.digest.is_(None) | (asked.digest != digest) | (asked.again_at <= uow.now),
        )
        .order_by(Withdrawal.id)
        .limit(1)
    ).one_or_none()


def simulation(uow: UnitOfWork, row: Withdrawal) -> WithdrawalSimulation | None:
    """What the node said of this payment last."""
    return uow.session.get(WithdrawalSimulation, (row.organisation_id, row.id))


def recipients(uow: UnitOfWork, row: Withdrawal) -> list[WithdrawalRecipient]:
    """Whom it would also pay, by a node's word."""
    return list(
        uow.session.scalars(
            select(WithdrawalRecipient)
            .where(
                WithdrawalRecipient.organisation_id == row.organisation_id,
                WithdrawalRecipient.withdrawal_id == row.id,
            )
            .order_by(WithdrawalRecipient.address)
        )
    )


def reminders(uow: UnitOfWork, row: Withdrawal) -> list[WithdrawalReminder]:
    """Whom a job reminded, the first time first."""
    return list(
        uow.session.scalars(
            select(WithdrawalReminder)
            .where(
                WithdrawalReminder.organisation_id == row.organisation_id,
                WithdrawalReminder.withdrawal_id == row.id,
            )
            .order_by(WithdrawalReminder.number)
        )
    )


def paid_before(uow: UnitOfWork, organisation_id: UUID) -> frozenset[bytes]:
    """Every destination that the organisation paid, at finality."""
    return frozenset(
        uow.session.scalars(
            select(Withdrawal.destination)
            .where(Withdrawal.organisation_id == organisation_id, Withdrawal.state == "finalized")
            .distinct()
        )
    )


def page(
    uow: UnitOfWork, organisation_id: UUID, state: str | None, after: UUID | None, limit: int
) -> Sequence[Withdrawal]:
    """Withdrawals, the newest first, from `after` on."""
    wanted = select(Withdrawal).where(Withdrawal.organisation_id == organisation_id)
    if state is not None:
        wanted = wanted.where(Withdrawal.state == state)
    if after is not None:
        wanted = wanted.where(Withdrawal.id < after)
    return uow.session.scalars(wanted.order_by(Withdrawal.id.desc()).limit(limit)).all()


def _write_down(uow: UnitOfWork, row: Withdrawal, from_state: str | None, number: int) -> None:
    uow.session.add(
        WithdrawalTransition(
            organisation_id=row.organisation_id,
            withdrawal_id=row.id,
            step=number,
            from_state=from_state,
            to_state=row.state,
            reason=row.reason,
            actor=f"{uow.actor.kind}:{uow.actor.id}",
            at=uow.now,
        )
    )
    uow.session.flush()
    _tell(uow, row, from_state, number)


def _tell(uow: UnitOfWork, row: Withdrawal, from_state: str | None, number: int) -> None:
    """Webhooks hear of each step; one that undoes a mined block takes back what told of it."""
    subject = f"withdrawal:{row.id}"
    body = {
        "withdrawal_id": str(row.id),
        "intent": "0x" + row.intent.hex(),
        "reference": row.reference,
        "state": row.state,
        "from_state": from_state,
        "reason": row.reason,
        "asset": row.asset,
        "units": str(row.units),
        "to": checksum(row.destination),
        "wallet": checksum(row.wallet),
        "memo": row.memo,
        "batch": None if row.batch_id is None else str(row.batch_id),
    }
    undone = from_state == "mined" and row.state != "finalized"
    back = ("withdrawal.mined",) if undone else ()
    name = f"{subject}:{number}"
    event = Event(row.organisation_id, name, f"withdrawal.{row.state}", subject, body, back)
    events.announce(uow, [event])


def _there(row: Withdrawal | None) -> Withdrawal:
    if row is None:
        raise WithdrawalUnknown("The organisation has no such withdrawal.")
    return row
