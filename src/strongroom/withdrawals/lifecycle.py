"""The steps of a withdrawal that no person takes: judged, queued, ended, its money let go.

Every function takes the row locked. Lock order: withdrawal → vault → ledger.
"""

from collections.abc import Mapping, Sequence

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.ledger import service as ledger
from strongroom.ledger.errors import refusal
from strongroom.ledger.types import Leg, Posting
from strongroom.policy import service as policy
from strongroom.screening import service as screening
from strongroom.vaults import service as vaults
from strongroom.vaults import steps as vault_steps
from strongroom.withdrawals import batches, reminding, repository, rules, slots, wallet
from strongroom.withdrawals.models import Withdrawal
from strongroom_protocol.addresses import checksum
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.encoding import to_hex

TOPIC = "withdrawals.advance"


def payload_of(row: Withdrawal) -> dict[str, str]:
    """The outbox payload that calls `advance` for it."""
    return {"withdrawal_id": str(row.id)}


def fee_leg(row: Withdrawal, custody: str, units: int, coin: str) -> Leg:
    """Wei of gas, in the chain's coin: from the client's account, out of the wallet's custody."""
    return Leg(debit=row.source, credit=custody, asset=coin, units=units)


def holds(row: Withdrawal, chain_id: int, coin: str) -> list[Posting]:
    """What it reserves in the books: the payment, and the gas where the wallet pays for it."""
    custody = wallet.custody_of(row, chain_id)
    memo = {"intent": to_hex(row.intent), "reference": row.reference}
    legs = {"held": Leg(row.source, custody, row.asset, row.units)}
    if wallet.fee_held(row):
        legs["fee_held"] = fee_leg(row, custody, wallet.fee_held(row), coin)
    keys = {"held": rules.hold_key(row.id), "fee_held": rules.fee_key(row.id)}
    return [
        Posting(
            row.organisation_id, keys[what], f"withdrawal.{what}", (leg,), phase="hold", memo=memo
        )
        for what, leg in legs.items()
    ]


def describe(row: Withdrawal) -> dict[str, object]:
    """What the audit log keeps of it at each step."""
    return {
        "state": row.state,
        "reason": row.reason,
        "rule": row.rule_id,
        "intent": to_hex(row.intent),
        "reference": row.reference,
        "memo": row.memo,
        "asset": row.asset,
        "units": str(row.units),
        "to": checksum(row.destination),
        "initiator": row.initiator,
        "safe_nonce": row.safe_nonce,
    }


def record(
    uow: UnitOfWork,
    row: Withdrawal,
    postings: Sequence[Posting] = (),
    more: Mapping[str, object] | None = None,
) -> None:
    """The unit's one audit record, and then the postings that it commits to: the last statement.

    Raises PostingRefused.
    """
    auditlog.append(
        uow,
        f"withdrawal.{row.state}",
        str(row.id),
        {**describe(row), **(more or {})},
        rows=ledger.rows(postings) if postings else None,
        organisation_id=row.organisation_id,
    )
    for posting, booked in zip(postings, ledger.post(uow, postings), strict=True):
        if booked.code is not None:
            raise refusal(booked.code, posting.key)


def amount_of(row: Withdrawal) -> Amount:
    """What it pays."""
    return Amount(row.units, Asset(row.asset))


def end_unbound(uow: UnitOfWork, row: Withdrawal, to_state: str, reason: str) -> None:
    """End it while nothing of ours is signed: the Safe nonce goes back, the hold is released."""
    # A slot, or whoever waited for it in a batch.
    frees = row.safe_nonce is not None or row.batch_id is not None
    row.safe_nonce = row.safe_tx_hash = row.due_at = row.lease_until = None
    batches.dissolve(uow, row, f"The payment {row.reference} left its batch; it goes on alone.")
    repository.step(uow, row, to_state, reason)
    if frees:
        call_next(uow, row)
    close_screening(uow, row)
    record(uow, row, released(uow, row))


def begin_voiding(uow: UnitOfWork, row: Withdrawal, void_to: str, reason: str) -> None:
    """Its nonce is bound: people sign a rejection with that nonce, and the money waits for it. The
    others of its batch have the same nonce.
    """
    for one in repository.together(uow, row):
        one.due_at = one.lease_until = None
        if one is row:
            one.void_to, sentence = void_to, reason
        else:
            one.void_to, sentence = "failed", f"{row.reference} of its batch is voided."
        repository.step(uow, one, "voiding", f"{sentence} {wallet.voiding_sentence(one)}")


def end_voided(uow: UnitOfWork, row: Withdrawal, reason: str) -> None:
    """End it in `voiding` where nothing of ours was ever signed: everything is let go."""
    row.due_at = row.lease_until = None
    repository.step(uow, row, row.void_to or "failed", reason)
    close_screening(uow, row)
    record(uow, row, released(uow, row))


def released(uow: UnitOfWork, row: Withdrawal, *, fee: bool = True) -> list[Posting]:
    """The postings that let go of its money, if it is held; the caller books them. Without `fee`
    the gas stays held, to be booked as what it came to.
    """
    if not row.held:
        return []
    row.held = False
    uow.session.flush()
    keys = [rules.hold_key(row.id)]
    if fee and wallet.fee_held(row):
        keys.append(rules.fee_key(row.id))
    return [
        Posting(
            organisation_id=row.organisation_id,
            key=rules.void_key(key),
            kind="withdrawal.released",
            legs=(),
            phase="void",
            refers_to=key,
        )
        for key in keys
    ]


def close_screening(uow: UnitOfWork, row: Withdrawal) -> None:
    """No list version needs to judge those whom it pays again for this one."""
    others = [one.screening_id for one in repository.recipients(uow, row)]
    for screening_id in (row.screening_id, *others):
        if screening_id is not None:
            screening.finish(uow, screening_id)


def call_next(uow: UnitOfWork, row: Withdrawal) -> None:
    """The vault's next Safe nonce is free: whoever waits longest in its queue is looked at."""
    vaults.lock(uow, row.organisation_id)
    waiting = slots.oldest_queued(uow, row.organisation_id)
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
    over = uow.now > row.valid_until
    if over and row.state == "binding" and row.wallet_kind == "cold" and row.due_at is None:
        begin_voiding(uow, row, "expired", "Its time was over before it was brought back.")
        record(uow, row)
    if row.state not in rules.UNBOUND:
        return
    if over:
        end_unbound(uow, row, "expired", "Its time was over before enough people had approved.")
        return
    if _outdated(uow, row) or not _cleared(uow, row):
        return
    if row.state == "screening":
        repository.step(uow, row, "queued", "Screening is clear; it waits for its turn.")
    if row.state == "queued" and (wallet.is_spending(row) or _give_nonce(uow, row)):
        for one in repository.together(uow, row):
            repository.step(uow, one, "awaiting_approval", "It waits for the people to approve.")
            reminding.begin(uow, one)
            record(uow, one)


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
    rows = repository.together(uow, row)
    if any(one.state != "queued" for one in rows):
        row.reason, row.updated_at = "It waits until all of its batch are screened.", uow.now
        return False
    vault = vaults.lock(uow, row.organisation_id)
    holder = slots.slot_holder(uow, row)
    if holder is not None:
        row.reason = f"It waits until the vault's payment {holder.reference} is on chain."
        row.updated_at = uow.now
        return False
    if vault_steps.holder(uow, row.organisation_id) is not None:
        row.reason = "It waits until the change of the vault is on chain, or is withdrawn."
        row.updated_at = uow.now
        return False
    # Changes of the vault use its nonces, too, and a Safe that was taken in has used some before.
    own = slots.next_safe_nonce(uow, row)
    nonce = max(own, vault_steps.next_nonce(uow, vault))
    for one in rows:
        one.safe_nonce = nonce
        one.safe_tx_hash = wallet.to_sign(one, "payment", vault.chain_id).digest
    return True
