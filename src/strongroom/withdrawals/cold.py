"""A cold wallet's payment goes out as a file and comes back signed: export and import.

What is exported is exactly what a spending key's signer is asked; what comes back is checked by
`offline.py`, kept, and put in line by the relay, which checks it again. People carry the file.
"""

from collections.abc import Mapping
from typing import Any, Final

from strongroom.db.database import UnitOfWork
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.rules import CANCEL_GAS, GAS
from strongroom.relay.types import Fees
from strongroom.withdrawals import (
    clearing,
    counting,
    errors,
    lifecycle,
    offline,
    rates,
    repository,
)
from strongroom.withdrawals.models import Withdrawal, WithdrawalSigned
from strongroom.withdrawals.offline import SignedKind
from strongroom.withdrawals.wallet import intent_of
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.encoding import to_hex

ATTEMPTS_MAX: Final = 16
_PRIORITY_WEI: Final = 1_500_000_000


def export(
    uow: UnitOfWork, row: Withdrawal, *, policies_after: int, attempt: int | None
) -> dict[str, Any]:
    """The file for `strongroom-signer deliver`: the policies after a version that the offline
    machine has, then the payment, or in `voiding` its cancellation. `attempt`: the next one, where
    the machine has signed some that were not brought back. Keeps nothing. Raises NotForOffline.
    """
    kind = _kind_now(row)
    bundle = policy.active(uow, row.organisation_id).bundle
    clearance = clearing.clearance(uow, row)
    if kind == "payment" and clearance is None:
        raise errors.NotForOffline(
            "Screening has not cleared the destination now, so the offline signer would refuse; "
            "export it again in a moment, or look at the alerts."
        )
    number = len(repository.signed(uow, row)) if attempt is None else attempt
    body = {
        **evidence(uow, row, bundle, clearance),
        "kind": kind,
        "attempt": number,
        "fees": fees(row, bundle, number, kind).fields(),
        "dry_run": False,
    }
    policies = policy.requests_after(uow, policies_after)
    payment = {"op": offline.OPERATION, "trace": row.request_id, "body": body}
    return {"type": offline.REQUESTS, "requests": [*policies, payment]}


def take_in(uow: UnitOfWork, row: Withdrawal, document: Mapping[str, Any]) -> None:
    """Keep what was signed offline, if it is this withdrawal's; the relay sends it. The same file
    again changes nothing. Raises NotForOffline, SignedWrong, NonceTaken.
    """
    raw = offline.raw_of(document)
    brought = repository.signed(uow, row)
    if raw in {one.raw for one in brought}:
        return
    kind = _kind_now(row)
    bundle = policy.active(uow, row.organisation_id).bundle
    found = offline.read_signed(raw, intent_of(row), kind, bundle.chain_id)
    ref = None
    if row.outgoing_id is not None:
        ref = relay.get(uow, row.organisation_id, row.outgoing_id).ref
    relay.check_nonce(uow, bundle.chain_id, found.attempt, ref)
    if len(brought) >= ATTEMPTS_MAX:
        raise errors.NotForOffline(f"It was brought back {ATTEMPTS_MAX} times; ask the custodian.")
    uow.session.add(
        WithdrawalSigned(
            organisation_id=row.organisation_id,
            withdrawal_id=row.id,
            attempt=len(brought),
            kind=kind,
            raw=raw,
            hash=found.attempt.hash,
            created_at=uow.now,
        )
    )
    row.due_at = row.updated_at = uow.now
    row.reason = "It was brought back signed; the relay sends it."
    uow.session.flush()
    lifecycle.record(uow, row, more={"brought": to_hex(found.attempt.hash), "kind": kind})


def evidence(
    uow: UnitOfWork, row: Withdrawal, bundle: Bundle, clearance: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What people and the screener signed, as `spending_payment` wants it."""
    there = counting.counted(uow, row, bundle, "payment")
    return {
        "organisation": to_hex(bundle.organisation),
        "intent": dict(row.fields),
        "initiator_signature": to_hex(row.initiator_signature),
        "approvals": [to_hex(one.signature) for one in there],
        "clearance": None if clearance is None else dict(clearance),
        **rates.evidence(uow, bundle, row.organisation_id),
    }


def fees(row: Withdrawal, bundle: Bundle, attempt: int, kind: str) -> Fees:
    """What an attempt offers whose market nobody knows yet: half of what is allowed at first, each
    later one an eighth more. What a block does not ask for is not paid (EIP-1559).
    """
    gas = GAS["hot_payment"]
    most = max(min(bundle.max_fee_per_gas_wei, intent_of(row).max_fee_wei // gas), 1)
    fee, priority = max(most // 2, 1), _PRIORITY_WEI
    for _ in range(attempt):
        fee, priority = -(-fee * 9 // 8), -(-priority * 9 // 8)
    fee = min(fee, most)
    return Fees(CANCEL_GAS if kind == "cancel" else gas, fee, min(priority, fee))


def _kind_now(row: Withdrawal) -> SignedKind:
    if row.wallet_kind != "cold":
        raise errors.NotForOffline(
            f"This withdrawal pays from a {row.wallet_kind} wallet; only a cold one is signed on "
            "an offline machine."
        )
    if row.state in ("binding", "signed", "broadcast"):
        return "payment"
    if row.state == "voiding":
        return "cancel"
    raise errors.NotForOffline(
        f"The withdrawal is {row.state}: {row.reason} There is nothing to sign offline."
    )
