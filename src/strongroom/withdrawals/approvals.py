"""People's words on a withdrawal: what they sign, what is counted, how they refuse.

A signature counts for the person whom the active bundle names for its key, once. Who calls the API
is no evidence; `approver` only says whose signature it is meant to be, so that a wrong one can be
told from a stranger's.
"""

from strongroom.db.database import UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.policy import service as policy
from strongroom.policy.errors import NoneActive
from strongroom.withdrawals import (
    counting,
    encoding,
    errors,
    lifecycle,
    misdirected,
    recipients,
    repository,
    rules,
    seen,
    sequence,
    wallet,
)
from strongroom.withdrawals.judging import judge
from strongroom.withdrawals.models import Withdrawal, WithdrawalApproval
from strongroom.withdrawals.types import Kind, SigningData
from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.intents import Rejection
from strongroom_protocol.signatures import Signature


def signing_data(uow: UnitOfWork, row: Withdrawal) -> SigningData | None:
    """What approvers sign now, made from the very bytes; None when nothing is to be signed."""
    kind = wallet.kind_to_sign(row)
    if kind is None:
        return None
    bundle = policy.active(uow, row.organisation_id).bundle
    made = wallet.to_sign(row, kind, bundle.chain_id)
    there = {one.person for one in repository.approvals(uow, row, kind)}
    return SigningData(
        kind=kind,
        is_order=wallet.is_spending(row),
        typed=made.typed,
        payment=None if made.readable is None else made.readable.as_json(bundle.chain_id),
        digest=made.digest,
        required=counting.required(uow, row, bundle),
        approved_by=tuple(one.id for one in bundle.people if one.id in there),
        needs=counting.needs(uow, row, bundle, kind),
        may_sign_now=counting.may_sign_now(uow, row, bundle, kind),
        batch=row.batch if kind == "payment" else None,
    )


def approve(
    uow: UnitOfWork,
    row: Withdrawal,
    *,
    approver: str,
    signature: str,
    payment_signature: str | None,
) -> None:
    """Count one person's approval of the payment, or in `voiding` of the rejection. `signature`:
    over the Safe transaction, or for a spending key over the order itself.

    Raises Expired, NotAwaitingApproval, NotDecodable, SignatureMalformed, SignatureEncodingWrong,
    PaymentSignatureMissing, SignatureOverOtherBytes (and what it was over instead),
    ApproverUnknown, ApproverRemoved, InitiatorCannotApprove, AlreadyApproved, NotYourTurn,
    PolicyVersionStale.
    """
    kind = _kind_now(uow, row)
    bundle = policy.active(uow, row.organisation_id).bundle
    address = parse_address(approver)
    person = _approver(uow, row, bundle, address)
    if kind == "payment" and person.id == row.initiator:
        raise errors.InitiatorCannotApprove(
            f"{person.name} ordered this payment and cannot approve it; somebody else must."
        )
    seen.check_decodable(uow, row, kind, bundle)
    made = wallet.to_sign(row, kind, bundle.chain_id)
    what = "the order" if wallet.is_spending(row) else "the Safe transaction"
    try:
        signed = _signature(signature, made.digest, address, what)
        readable = None
        if made.readable is not None:
            digest = made.readable.digest(bundle.chain_id)
            readable = _payment_signature(payment_signature, digest, address)
    except errors.SignatureOverOtherBytes as error:
        texts = [signature, payment_signature or signature]
        raise misdirected.refusal(row, kind, bundle, address, texts) from error
    _check_version(row, bundle)
    _check_turn(uow, row, bundle, kind, person)
    _keep(uow, row, kind, person, digest=made.digest, signed=signed, readable=readable)
    _count(uow, row, bundle, kind)
    if row.state not in rules.ENDED:  # an end has left its own record
        lifecycle.record(uow, row, more={"approval": {"person": person.id, "kind": kind}})
    crash_point("withdrawal.after_approval")


def rejection(row: Withdrawal, reason: str) -> Rejection:
    """What is signed to reject, or by the initiator to cancel. Raises FieldInvalid."""
    return Rejection(row.intent, reason)


def reject(uow: UnitOfWork, row: Withdrawal, *, person: str, reason: str, signature: str) -> None:
    """An approver's final no; of a cold payment in `voiding` whose time is over, the word that the
    offline machine never signed it: enough of them let its money go. Raises NotAwaitingApproval,
    SignatureMalformed, SignatureOverOtherBytes, ApproverUnknown, ApproverRemoved,
    InitiatorCannotApprove, AlreadyApproved.
    """
    unsigned = wallet.may_be_declared_unsigned(row, uow.now)
    if row.state not in rules.UNBOUND and not unsigned:
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
    if unsigned and reason != wallet.NEVER_SIGNED:
        raise errors.NotAwaitingApproval(
            f"What can be said of it now is this, word for word: {wallet.NEVER_SIGNED}"
        )
    digest = rejection(row, reason).digest(bundle.chain_id)
    signed = _signature(signature, digest, address, "the rejection")
    if not unsigned:
        lifecycle.end_unbound(uow, row, "rejected", f"{who.name} rejected it: {reason}")
        return
    _keep(uow, row, "rejection", who, digest=digest, signed=signed)
    row.due_at = uow.now  # the relay counts
    lifecycle.record(uow, row, more={"never_signed": {"person": who.id, "reason": reason}})


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
    if row.wallet_kind == "hot":
        row.due_at = uow.now  # the relay replaces the key's transaction, without people
    lifecycle.record(uow, row)


def _keep(
    uow: UnitOfWork,
    row: Withdrawal,
    kind: Kind,
    person: Person,
    *,
    digest: bytes,
    signed: Signature,
    readable: Signature | None = None,
) -> None:
    if person.id in {one.person for one in repository.approvals(uow, row, kind)}:
        raise errors.AlreadyApproved(
            f"{person.name} has signed this already; a second signature counts for nothing."
        )
    uow.session.add(
        WithdrawalApproval(
            organisation_id=row.organisation_id,
            withdrawal_id=rules.signed_on(row.id, row.batch_id, kind),
            kind=kind,
            person=person.id,
            address=person.address,
            digest=digest,
            signature=signed.to_bytes(),
            payment_signature=None if readable is None else readable.to_bytes(),
            created_at=uow.now,
        )
    )
    uow.session.flush()


def count_again(uow: UnitOfWork, row: Withdrawal) -> None:
    """Screening has said more of whom it pays: what people signed may be enough now. Repeatable."""
    if row.state != "awaiting_approval":
        return
    bundle = policy.active(uow, row.organisation_id).bundle
    _count(uow, row, bundle, "payment")
    if row.state == "approved":
        lifecycle.record(uow, row)


def _count(uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: Kind) -> None:
    """Enough? Then the relay's permit loop takes over; else say who is missing."""
    there = counting.counted(uow, row, bundle, kind)
    if kind == "rejection":
        if len(there) >= wallet.threshold(row, bundle):
            repository.together(uow, row)[0].due_at = uow.now
        return
    verdict = judge(uow, row, bundle, frozenset(one.person for one in there))
    if verdict.kind == "denied":
        lifecycle.end_unbound(uow, row, "rejected", verdict.sentence)
    elif verdict.kind == "allowed" and (held := recipients.held_by(uow, row)) is not None:
        row.reason, row.updated_at = held, uow.now
    elif verdict.kind == "allowed":
        repository.step(uow, row, "approved", verdict.sentence)
        rows = repository.together(uow, row)
        if all(one.state == "approved" for one in rows):
            rows[0].due_at = uow.now
    else:
        row.reason, row.updated_at = verdict.sentence, uow.now


def _kind_now(uow: UnitOfWork, row: Withdrawal) -> Kind:
    if row.state in rules.UNBOUND and uow.now > row.valid_until:
        raise errors.Expired(
            f"The order was valid until {row.valid_until.isoformat()}; order it again."
        )
    if row.state == "expired":
        raise errors.Expired("The order has expired; order it again.")
    kind = wallet.kind_to_sign(row)
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
    if person in wallet.approvers(row, bundle, int(uow.now.timestamp())):
        return person
    if _was_approver(uow, row, address):
        raise errors.ApproverRemoved(
            f"{checksum(address)} was an approver when this was ordered and was removed since; "
            "the signature is void."
        )
    raise errors.ApproverUnknown(
        f"{checksum(address)} is no approver of this payment. Approvers are those whom the signed "
        "policy names; for the vault they are its owners, too."
    )


def _was_approver(uow: UnitOfWork, row: Withdrawal, address: Address) -> bool:
    try:
        before = policy.at_version(uow, row.organisation_id, row.policy_version).bundle
    except NoneActive:
        return False
    person = before.person_of(address)
    return person in wallet.approvers(row, before, int(uow.now.timestamp()))


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


def _check_turn(
    uow: UnitOfWork, row: Withdrawal, bundle: Bundle, kind: Kind, person: Person
) -> None:
    """Check: nobody signs out of the rules' order. Raises NotYourTurn."""
    found = counting.round_of(uow, row, bundle, kind)
    if person.id in found.signed:
        return  # told in its own words when it is kept
    waits = sequence.too_early(counting.demands(uow, row, bundle), found, person)
    if waits is not None:
        raise errors.NotYourTurn(f"{waits} Sign it after them.")


def _signature(text: str, digest: bytes, address: Address, what: str) -> Signature:
    """The signature, if it is this key's over these bytes."""
    signature = encoding.read(text, what)
    if encoding.maker(digest, signature, what) != address:
        raise errors.SignatureOverOtherBytes(
            f"The signature over {what} is not {checksum(address)}'s over these bytes: another "
            "key, or changed bytes, were signed. Fetch what is to be signed again."
        )
    return signature
