"""The steps of a withdrawal that no person takes: judged, queued, ended, its money let go.

Every function takes the row locked. Lock order: withdrawal → vault → ledger.
"""

from collections.abc import Mapping

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.ledger import service as ledger
from strongroom.ledger.types import Leg, Posting
from strongroom.policy import service as policy
from strongroom.screening import service as screening
from strongroom.vaults import service as vaults
from strongroom.wallets import service as wallets
from strongroom.withdrawals import repository, rules
from strongroom.withdrawals.models import Withdrawal
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import Withdrawal as Intent
from strongroom_protocol.safe import SafeTx, payment_safe_tx, rejection_safe_tx, safe_tx_hash

TOPIC = "withdrawals.advance"


def payload_of(row: Withdrawal) -> dict[str, str]:
    """The outbox payload that calls `advance` for it."""
    return {"withdrawal_id": str(row.id)}


def intent_of(row: Withdrawal) -> Intent:
    """What the initiator signed."""
    return Intent.from_fields(row.fields)


def safe_tx_of(row: Withdrawal, kind: str) -> SafeTx:
    """The Safe transaction of its nonce: the payment, or the rejection that kills the payment."""
    nonce = row.safe_nonce or 0
    intent = intent_of(row)
    if kind == "rejection":
        return rejection_safe_tx(intent.wallet, nonce)
    token = ZERO if row.token is None else Address(row.token)
    return payment_safe_tx(token, Address(row.destination), row.units, nonce)


def leg_of(uow: UnitOfWork, row: Withdrawal) -> Leg:
    """What it moves in the books: from the client's account, out of the vault's custody."""
    vault = vaults.get_of(uow, row.organisation_id)
    custody = wallets.custody_code(vault.chain_id, vault.address)
    return Leg(debit=row.source, credit=custody, asset=row.asset, units=row.units)


def describe(row: Withdrawal) -> dict[str, object]:
    """What the audit log keeps of it at each step."""
    return {
        "state": row.state,
        "reason": row.reason,
        "rule": row.rule_id,
        "intent": to_hex(row.intent),
        "reference": row.reference,
        "asset": row.asset,
        "units": str(row.units),
        "to": checksum(row.destination),
        "initiator": row.initiator,
        "safe_nonce": row.safe_nonce,
    }


def record(
    uow: UnitOfWork,
    row: Withdrawal,
    posting: Posting | None = None,
    more: Mapping[str, object] | None = None,
) -> None:
    """The unit's one audit record, and then the posting that it commits to: the last statement.

    Raises PostingRefused.
    """
    auditlog.append(
        uow,
        f"withdrawal.{row.state}",
        str(row.id),
        {**describe(row), **(more or {})},
        rows=None if posting is None else ledger.rows([posting]),
        organisation_id=row.organisation_id,
    )
    if posting is not None:
        ledger.post_or_raise(uow, posting)


def amount_of(row: Withdrawal) -> Amount:
    """What it pays."""
    return Amount(row.units, Asset(row.asset))


def end_unbound(uow: UnitOfWork, row: Withdrawal, to_state: str, reason: str) -> None:
    """End it while nothing of ours is signed: the Safe nonce goes back, the hold is released."""
    had_slot = row.safe_nonce is not None
    row.safe_nonce = row.safe_tx_hash = row.due_at = row.lease_until = None
    repository.step(uow, row, to_state, reason)
    if had_slot:
        call_next(uow, row)
    close_screening(uow, row)
    record(uow, row, released(uow, row))


def begin_voiding(uow: UnitOfWork, row: Withdrawal, void_to: str, reason: str) -> None:
    """Its nonce is bound: people sign a rejection with that nonce, and the money waits for it."""
    row.void_to, row.due_at, row.lease_until = void_to, None, None
    repository.step(
        uow,
        row,
        "voiding",
        f"{reason} Its Safe nonce may still pay, so the money stays held until the people's "
        "same-nonce rejection is final.",
    )


def released(uow: UnitOfWork, row: Withdrawal) -> Posting | None:
    """The posting that lets go of its money, if it is held; the caller books it."""
    if not row.held:
        return None
    row.held = False
    uow.session.flush()
    return Posting(
        organisation_id=row.organisation_id,
        key=rules.void_key(row.id),
        kind="withdrawal.released",
        legs=(),
        phase="void",
        refers_to=rules.hold_key(row.id),
    )


def close_screening(uow: UnitOfWork, row: Withdrawal) -> None:
    """No list version needs to judge the destination again for this one."""
    if row.screening_id is not None:
        screening.finish(uow, row.screening_id)


def call_next(uow: UnitOfWork, row: Withdrawal) -> None:
    """The vault's next Safe nonce is free: whoever waits longest in its queue is looked at."""
    vaults.lock(uow, row.organisation_id)
    waiting = repository.oldest_queued(uow, row)
    if waiting is not None:
        outbox.enqueue(
            uow,
            TOPIC,
            f"{waiting}:{uow.new_id()}",
            {"withdrawal_id": str(waiting)},
            organisation_id=row.organisation_id,
        )


def advance(uow: UnitOfWork, row: Withdrawal) -> None:
    """Go as far as it can without people. Repeatable: it looks, it does not count.

    Called for each screening verdict, when a Safe nonce becomes free, and when its time is over.
    """
    if row.state not in rules.UNBOUND:
        return
    if uow.now > row.valid_until:
        end_unbound(uow, row, "expired", "Its time was over before enough people had approved.")
        return
    if _outdated(uow, row) or not _cleared(uow, row):
        return
    if row.state == "screening":
        repository.step(uow, row, "queued", "Screening is clear; it waits for its Safe nonce.")
    if row.state == "queued" and _give_nonce(uow, row):
        record(uow, row)


def _outdated(uow: UnitOfWork, row: Withdrawal) -> bool:
    """End it if the policy under which it was signed is no more: the signer would refuse it."""
    version = policy.active(uow, row.organisation_id).version
    if row.policy_version == version:
        return False
    reason = (
        f"Policy version {row.policy_version}, under which it was signed, was replaced by version "
        f"{version}; order it again."
    )
    end_unbound(uow, row, "rejected", reason)
    return True


def _cleared(uow: UnitOfWork, row: Withdrawal) -> bool:
    """Whether the destination is clear now. A hit ends it; anything else makes it wait."""
    if row.screening_id is None:
        return False
    view = screening.clearance(uow, row.screening_id)
    if view.state == "CLEAR":
        return True
    if view.state == "HIT":
        alert = {"destination": checksum(row.destination), "reason": view.reason}
        screening.open_alert(
            uow,
            organisation_id=row.organisation_id,
            kind="withdrawal.sanctioned_destination",
            subject=checksum(row.destination),
            reference=f"withdrawal:{row.id}",
            detail=alert,
        )
        end_unbound(uow, row, "blocked", f"Screening stopped it: {view.reason}")
    elif row.state == "screening":
        row.reason, row.updated_at = f"Held by screening: {view.reason}", uow.now
    return False


def _give_nonce(uow: UnitOfWork, row: Withdrawal) -> bool:
    vault = vaults.lock(uow, row.organisation_id)
    holder = repository.slot_holder(uow, row)
    if holder is not None:
        row.reason = f"It waits until the vault's payment {holder.reference} is on chain."
        row.updated_at = uow.now
        return False
    row.safe_nonce = repository.next_safe_nonce(uow, row)
    intent = intent_of(row)
    row.safe_tx_hash = safe_tx_hash(vault.chain_id, intent.wallet, safe_tx_of(row, "payment"))
    repository.step(uow, row, "awaiting_approval", "It waits for the people to approve.")
    return True
