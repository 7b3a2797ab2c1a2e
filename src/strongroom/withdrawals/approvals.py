"""People's words on a withdrawal: what they sign, what is counted, how they refuse.

A signature counts for the person whom the active bundle names for its key, once. Who calls the API
is no evidence; `approver` only says whose signature it is meant to be, so that a wrong one can be
told from a stranger's.
"""

from collections.abc import Sequence

from strongroom.db.database import UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.policy import service as policy
from strongroom.policy.errors import NoneActive
from strongroom.withdrawals import errors, lifecycle, repository, rules
from strongroom.withdrawals.models import Withdrawal, WithdrawalApproval
from strongroom.withdrawals.types import Kind, SigningData
from strongroom_protocol import safe, typed_data
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.intents import Rejection, VaultPayment
from strongroom_protocol.policy import Facts, Verdict, evaluate
from strongroom_protocol.signatures import Signature, recover

SIGNABLE: dict[str, Kind] = {"awaiting_approval": "payment", "voiding": "rejection"}
"""What people sign in which state."""


def signing_data(uow: UnitOfWork, row: Withdrawal) -> SigningData | None:
    """What approvers sign now, made from the very bytes; None when nothing is to be signed."""
    kind = SIGNABLE.get(row.state)
    if kind is None:
        return None
    bundle = policy.active(uow, row.organisation_id).bundle
    tx, tx_hash = _safe_tx(row, kind, bundle.chain_id)
    wallet = lifecycle.intent_of(row).wallet
    payment = None
    if kind == "payment":
        payment = _readable(row, tx_hash).as_json(bundle.chain_id)
    there = _people_of(bundle, repository.approvals(uow, row, kind))
    return SigningData(
        kind=kind,
        safe_tx=typed_data.as_json(tx.typed(safe.domain(bundle.chain_id, wallet))),
        payment=payment,
        safe_tx_hash=tx_hash,
        required=required(uow, row, bundle),
        approved_by=tuple(person.id for person in there),
    )


def required(uow: UnitOfWork, row: Withdrawal, bundle: Bundle) -> tuple[str, ...]:
    """Who must approve, in words; what the rules and the vault's own threshold ask for."""
    if row.state == "voiding":
        return (f"{bundle.vault.threshold} owners of the vault",)
    verdict = judge(uow, row, bundle, frozenset())
    return tuple(need.sentence() for need in verdict.required)


def approve(
    uow: UnitOfWork,
    row: Withdrawal,
    *,
    approver: str,
    safe_tx_signature: str,
    payment_signature: str | None,
) -> None:
    """Count one person's approval of the payment, or in `voiding` of the rejection.

    Raises Expired, NotAwaitingApproval, SignatureMalformed, PaymentSignatureMissing,
    SignatureOverOtherBytes, ApproverUnknown, ApproverRemoved, InitiatorCannotApprove,
    AlreadyApproved, PolicyVersionStale.
    """
    kind = _kind_now(uow, row)
    bundle = policy.active(uow, row.organisation_id).bundle
    address = parse_address(approver)
    person = _approver(uow, row, bundle, address)
    if kind == "payment" and person.id == row.initiator:
        raise errors.InitiatorCannotApprove(
            f"{person.name} ordered this payment and cannot approve it; somebody else must."
        )
    _, tx_hash = _safe_tx(row, kind, bundle.chain_id)
    signed = _signature(safe_tx_signature, tx_hash, address, "the Safe transaction")
    readable = None
    if kind == "payment":
        digest = _readable(row, tx_hash).digest(bundle.chain_id)
        readable = _payment_signature(payment_signature, digest, address)
    if person.id in {one.person for one in repository.approvals(uow, row, kind)}:
        raise errors.AlreadyApproved(
            f"{person.name} has approved already; a second signature counts for nothing."
        )
    _check_version(row, bundle)
    uow.session.add(
        WithdrawalApproval(
            organisation_id=row.organisation_id,
            withdrawal_id=row.id,
            kind=kind,
            person=person.id,
            address=address,
            safe_tx_hash=tx_hash,
            safe_tx_signature=signed.to_bytes(),
            payment_signature=None if readable is None else readable.to_bytes(),
            created_at=uow.now,
        )
    )
    uow.session.flush()
    _count(uow, row, bundle, kind)
    if row.state not in rules.ENDED:  # an end has left its own record
        lifecycle.record(uow, row, more={"approval": {"person": person.id, "kind": kind}})
    crash_point("withdrawal.after_approval")


def rejection(row: Withdrawal, reason: str) -> Rejection:
    """What is signed to reject, or by the initiator to cancel. Raises FieldInvalid."""
    return Rejection(row.intent, reason)


def reject(uow: UnitOfWork, row: Withdrawal, *, person: str, reason: str, signature: str) -> None:
    """An approver's final no. Raises NotAwaitingApproval, SignatureMalformed,
    SignatureOverOtherBytes, ApproverUnknown, ApproverRemoved, InitiatorCannotApprove.
    """
    if row.state not in rules.UNBOUND:
        raise errors.NotAwaitingApproval(
            f"The withdrawal is {row.state}; it can be rejected only before it is permitted."
        )
    bundle = policy.active(uow, row.organisation_id).bundle
    address = parse_address(person)
    who = _approver(uow, row, bundle, address)
    if who.id == row.initiator:
        raise errors.InitiatorCannotApprove(
            f"{who.name} ordered this payment; to take it back, cancel it."
        )
    _signature(signature, rejection(row, reason).digest(bundle.chain_id), address, "the rejection")
    lifecycle.end_unbound(uow, row, "rejected", f"{who.name} rejected it: {reason}")


def cancel(uow: UnitOfWork, row: Withdrawal, *, reason: str, signature: str) -> None:
    """The initiator takes the order back. Before a permit it ends at once; after it the people
    sign a same-nonce rejection first. Raises NotCancellable, SignatureMalformed,
    SignatureOverOtherBytes.
    """
    if row.state not in rules.UNBOUND | {"binding", "signed", "broadcast"}:
        raise errors.NotCancellable(
            f"The withdrawal is {row.state}; what is mined or ended can't be taken back."
        )
    bundle = policy.at_version(uow, row.organisation_id, row.policy_version).bundle
    who = next(one for one in bundle.people if one.id == row.initiator)
    if who.address is None:
        raise errors.SignatureOverOtherBytes("The initiator has no key to cancel with.")
    digest = rejection(row, reason).digest(bundle.chain_id)
    _signature(signature, digest, who.address, "the rejection")
    sentence = f"{who.name} cancelled it: {reason}"
    if row.state in rules.UNBOUND:
        lifecycle.end_unbound(uow, row, "cancelled", sentence)
        return
    lifecycle.begin_voiding(uow, row, "cancelled", sentence)
    lifecycle.record(uow, row)


def judge(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, approvers: frozenset[str]) -> Verdict:
    """The verdict as the signer will find it, with these people's approvals."""
    spent = repository.spent_in_a_day(uow, row.organisation_id, row.asset)
    facts = Facts(
        initiator=row.initiator,
        asset=row.asset,
        units=row.units,
        destination=Address(row.destination),
        now=int(uow.now.timestamp()),
        spent_units=max(spent - row.units, 0),
        approvers=approvers,
    )
    return evaluate(bundle, facts)


def counted(
    uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: str
) -> list[WithdrawalApproval]:
    """The approvals that count now: those of people whom the active bundle still names."""
    keys = {
        person.id: person.address
        for person in bundle.people
        if person.address in bundle.vault.owners and "approver" in person.roles
    }
    return [
        one for one in repository.approvals(uow, row, kind) if keys.get(one.person) == one.address
    ]


def _count(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: Kind) -> None:
    """Enough? Then the relay's permit loop takes over; else say who is missing."""
    there = counted(uow, row, bundle, kind)
    if kind == "rejection":
        if len(there) >= bundle.vault.threshold:
            row.due_at = uow.now
        return
    verdict = judge(uow, row, bundle, frozenset(one.person for one in there))
    if verdict.kind == "denied":
        lifecycle.end_unbound(uow, row, "rejected", verdict.sentence)
    elif verdict.kind == "allowed":
        row.due_at = uow.now
        repository.step(uow, row, "approved", verdict.sentence)
    else:
        row.reason, row.updated_at = verdict.sentence, uow.now


def _kind_now(uow: UnitOfWork, row: Withdrawal) -> Kind:
    if row.state in rules.UNBOUND and uow.now > row.valid_until:
        raise errors.Expired(
            f"The order was valid until {row.valid_until.isoformat()}; order it again."
        )
    if row.state == "expired":
        raise errors.Expired("The order has expired; order it again.")
    kind = SIGNABLE.get(row.state)
    if kind is None:
        raise errors.NotAwaitingApproval(
            f"The withdrawal is {row.state}: {row.reason} There is nothing to approve."
        )
    return kind


def _approver(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, address: Address) -> Person:
    """Whose key it is, by the active bundle. Raises ApproverUnknown, ApproverRemoved."""
    person = bundle.person_of(address)
    if person is not None and person.id == row.initiator and row.state != "voiding":
        return person  # known, and told so by the caller: that is not a stranger's mistake
    if person is not None and "approver" in person.roles and address in bundle.vault.owners:
        return person
    if _was_approver(uow, row, address):
        raise errors.ApproverRemoved(
            f"{checksum(address)} was an approver when this was ordered and was removed since; "
            "the signature is void."
        )
    raise errors.ApproverUnknown(
        f"{checksum(address)} is no approver of this organisation. Approvers are the vault's "
        "owners whom the signed policy names."
    )


def _was_approver(uow: UnitOfWork, row: Withdrawal, address: Address) -> bool:
    try:
        before = policy.at_version(uow, row.organisation_id, row.policy_version).bundle
    except NoneActive:
        return False
    return address in before.vault.owners and address in before.addresses_with("approver")


def _check_version(row: Withdrawal, bundle: Bundle) -> None:
    if row.state != "voiding" and bundle.version != row.policy_version:
        raise errors.PolicyVersionStale(
            f"The order was signed under policy version {row.policy_version}, active is "
            f"{bundle.version}: it can't be paid any more. Order it again."
        )


def _payment_signature(text: str | None, digest: bytes, address: Address) -> Signature:
    if text is None:
        raise errors.PaymentSignatureMissing(
            "An approval needs a second signature, over the readable VaultPayment."
        )
    return _signature(text, digest, address, "the readable payment")


def _signature(text: str, digest: bytes, address: Address, what: str) -> Signature:
    """The signature, if it is this key's over these bytes."""
    try:
        signature = Signature.parse(from_hex(text, field="signature"))
        found = recover(digest, signature)
    except ProtocolError as error:
        raise errors.SignatureMalformed(
            f"The signature over {what} can't be used: {error}. Send the 65 bytes r, s, v of "
            "eth_signTypedData_v4, in lower-case hex."
        ) from error
    if found != address:
        raise errors.SignatureOverOtherBytes(
            f"The signature over {what} is not {checksum(address)}'s over these bytes: another "
            "key, or changed bytes, were signed. Fetch what is to be signed again."
        )
    return signature


def _safe_tx(row: Withdrawal, kind: str, chain_id: int) -> tuple[safe.SafeTx, bytes]:
    tx = lifecycle.safe_tx_of(row, kind)
    return tx, safe.safe_tx_hash(chain_id, lifecycle.intent_of(row).wallet, tx)


def _readable(row: Withdrawal, tx_hash: bytes) -> VaultPayment:
    token = ZERO if row.token is None else Address(row.token)
    return VaultPayment(row.intent, tx_hash, Address(row.destination), token, row.units)


def _people_of(bundle: Bundle, found: Sequence[WithdrawalApproval]) -> list[Person]:
    there = {one.person for one in found}
    return [person for person in bundle.people if person.id in there]
