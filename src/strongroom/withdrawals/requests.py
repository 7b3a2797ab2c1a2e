"""Ordering a withdrawal: the intent to be signed, and the signed intent taken in.

Everything that can be said at once is said at once, each mistake with its own code; the money is
held in the same unit, so an order that was accepted has its money.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.crash import crash_point
from strongroom.ledger import service as ledger
from strongroom.ledger.types import Posting
from strongroom.policy import service as policy
from strongroom.policy.types import ActiveBundle
from strongroom.screening import service as screening
from strongroom.vaults import service as vaults
from strongroom.vaults.types import VaultView
from strongroom.wallets import service as wallets
from strongroom.withdrawals import errors, lifecycle, repository, rules
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.types import PreparedWithdrawal
from strongroom_protocol.addresses import ZERO, parse_address
from strongroom_protocol.amounts import Amount, Asset, parse_amount
from strongroom_protocol.bundle import Bundle, Person, Token
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.intents import Withdrawal as Intent
from strongroom_protocol.policy import Facts, Verdict, evaluate
from strongroom_protocol.signatures import Signature, SignatureInvalid, recover

TREASURY: Final = "client:treasury"
VALIDITY_SECONDS_MIN: Final = 60
VALIDITY_SECONDS_MAX: Final = 30 * 86_400
"""An approval that can be used for months is one that nobody remembers having given."""


def prepare(
    uow: UnitOfWork,
    *,
    asset: str,
    to: str,
    amount: str,
    reference: str,
    max_fee_wei: str | None = None,
    valid_for_seconds: int = 86_400,
    source: str = TREASURY,
) -> PreparedWithdrawal:
    """The intent for the initiator to sign, and what the policy would say now. Keeps nothing.

    `amount` is decimal text in the asset's own unit. Raises VaultMissing, AssetUnknown,
    ValidityWrong, NoneActive, and the protocol's address.* and amount.* errors.
    """
    del source  # the same for every account of the organisation
    active, vault = _ground(uow)
    token = _token_of_asset(active.bundle, asset)
    if not VALIDITY_SECONDS_MIN <= valid_for_seconds <= VALIDITY_SECONDS_MAX:
        raise errors.ValidityWrong(
            f"An order is valid for {VALIDITY_SECONDS_MIN} seconds to {VALIDITY_SECONDS_MAX} "
            f"seconds; {valid_for_seconds} is outside."
        )
    intent = Intent(
        organisation=active.bundle.organisation,
        wallet=vault.address,
        token=token.contract or ZERO,
        to=parse_address(to),
        units=parse_amount(amount, token.asset).units,
        max_fee_wei=active.bundle.max_total_fee_wei
        if max_fee_wei is None
        else from_decimal(max_fee_wei, field="max_fee_wei"),
        reference=reference,
        valid_until=int(uow.now.timestamp()) + valid_for_seconds,
        policy_version=active.version,
        store_epoch=vaults.platform(uow, vault.chain_id).store_epoch,
    )
    initiator = next(
        (one.id for one in active.bundle.people if "initiator" in one.roles), uow.actor.id
    )
    return PreparedWithdrawal(
        intent=to_hex(intent.digest(vault.chain_id)),
        fields=intent.fields(),
        typed_data=intent.as_json(vault.chain_id),
        verdict=_judge(uow, active.bundle, intent, token.asset, initiator),
    )


def request(
    uow: UnitOfWork, *, fields: Mapping[str, Any], initiator_signature: str, source: str = TREASURY
) -> Withdrawal:
    """Take in a signed order: judge it, hold its money, have its destination screened.

    What the policy denies is kept as `rejected`, with the rule's sentence and no hold. Raises
    VaultMissing, IntentWrong, AssetUnknown, ValidityWrong, PolicyVersionStale, EpochStale,
    SignatureMalformed, InitiatorUnknown, ReferenceTaken, IntentUsed, InsufficientFunds,
    VaultShort, CustodyFrozen and the protocol's field errors.
    """
    active, vault = _ground(uow)
    intent = Intent.from_fields(fields)
    token = _check_intent(uow, active, vault, intent)
    digest = intent.digest(vault.chain_id)
    signature, initiator = _initiator(active.bundle, digest, initiator_signature)
    _check_unused(uow, digest, intent.reference)
    verdict = _judge(uow, active.bundle, intent, token.asset, initiator.id)
    denied = verdict.kind == "denied"
    row = Withdrawal(
        organisation_id=_own(uow),
        id=uow.new_id(),
        intent=digest,
        fields=intent.fields(),
        reference=intent.reference,
        initiator=initiator.id,
        initiator_signature=signature.to_bytes(),
        vault_id=vault.id,
        source=source,
        asset=token.asset.code,
        token=token.contract,
        destination=intent.to,
        units=intent.units,
        valid_until=datetime.fromtimestamp(intent.valid_until, UTC),
        policy_version=active.version,
        state="rejected" if denied else "screening",
        reason=verdict.sentence if denied else "The destination is being screened.",
        rule_id=verdict.rule_id,
        held=not denied,
        void_round=0,
        attempt=0,
        request_id=uow.request_id,
        created_at=uow.now,
        updated_at=uow.now,
    )
    if not denied:
        _check_funds(uow, row, vault)
    _begin(uow, row)
    if not denied:
        _set_out(uow, row)
    lifecycle.record(uow, row, None if denied else _hold(uow, row))
    crash_point("withdrawal.after_hold")
    return row


def _ground(uow: UnitOfWork) -> tuple[ActiveBundle, VaultView]:
    """The active policy and the vault to pay from."""
    active = policy.active(uow, _own(uow))
    row = vaults.find(uow, _own(uow))
    if row is None or row.state != "active":
        state = "not asked for yet" if row is None else f"{row.state}, not active"
        raise errors.VaultMissing(
            f"The organisation's vault is {state}; a withdrawal needs an active one."
        )
    return active, row.view()


def _token_of_asset(bundle: Bundle, asset: str) -> Token:
    token = next((one for one in bundle.tokens if one.asset.code == asset), None)
    if token is None:
        listed = ", ".join(one.asset.code for one in bundle.tokens)
        raise errors.AssetUnknown(
            f"{asset[:40]!r} is not among the assets of this organisation's policy: {listed}."
        )
    return token


def _check_intent(uow: UnitOfWork, active: ActiveBundle, vault: VaultView, intent: Intent) -> Token:
    """Check: the order is for this organisation, vault, policy, epoch and time."""
    bundle = active.bundle
    token = bundle.token_of(None if intent.token == ZERO else intent.token)
    if token is None:
        raise errors.AssetUnknown("The intent's token is not in this organisation's policy.")
    if (intent.organisation, intent.wallet) != (bundle.organisation, vault.address):
        raise errors.IntentWrong(
            "The intent names another organisation or another vault; draft it again and sign that."
        )
    if intent.policy_version != active.version:
        raise errors.PolicyVersionStale(
            f"The intent was drafted under policy version {intent.policy_version}, active is "
            f"{active.version}; draft it again and sign that."
        )
    epoch = vaults.platform(uow, vault.chain_id).store_epoch
    if intent.store_epoch != epoch:
        raise errors.EpochStale(
            f"The intent names epoch {intent.store_epoch} of the signer, present is {epoch}; draft "
            "it again and sign that."
        )
    seconds_left = intent.valid_until - int(uow.now.timestamp())
    if not 0 < seconds_left <= VALIDITY_SECONDS_MAX:
        raise errors.ValidityWrong(
            "The intent's validUntil is over, or more than 30 days away; draft it again."
        )
    return token


def _initiator(bundle: Bundle, digest: bytes, text: str) -> tuple[Signature, Person]:
    """Who signed the order: recovered, never taken from who calls."""
    try:
        signature = Signature.parse(from_hex(text, field="initiator_signature"))
        address = recover(digest, signature)
    except (SignatureInvalid, ProtocolError) as error:
        raise errors.SignatureMalformed(
            f"The initiator's signature can't be used: {error}. Sign the typed data by "
            "eth_signTypedData_v4 and send the 65 bytes as they come."
        ) from error
    person = bundle.person_of(address)
    if person is None or "initiator" not in person.roles:
        raise errors.InitiatorUnknown(
            "The signature belongs to no initiator of the active policy, or the signed bytes are "
            "not those of this intent. An initiator signs exactly the drafted typed data."
        )
    return signature, person


def _check_unused(uow: UnitOfWork, digest: bytes, reference: str) -> None:
    found = uow.session.execute(
        select(Withdrawal.id, Withdrawal.intent).where(
            Withdrawal.organisation_id == _own(uow),
            (Withdrawal.intent == digest) | (Withdrawal.reference == reference),
        )
    ).first()
    if found is None:
        return
    _, intent = found
    if intent == digest:
        raise errors.IntentUsed(
            "This very intent was handed in before; an intent is used once. Look at the withdrawal "
            "with its request id."
        )
    raise errors.ReferenceTaken(
        f"The reference {reference!r} names another withdrawal; a reference is used once, for ever."
    )


def _judge(
    uow: UnitOfWork, bundle: Bundle, intent: Intent, asset: Asset, initiator: str
) -> Verdict:
    facts = Facts(
        initiator=initiator,
        asset=asset.code,
        units=intent.units,
        destination=intent.to,
        now=int(uow.now.timestamp()),
        spent_units=repository.spent_in_a_day(uow, _own(uow), asset.code),
    )
    return evaluate(bundle, facts)


def _check_funds(uow: UnitOfWork, row: Withdrawal, vault: VaultView) -> None:
    """Say early and in words what ledger_post would refuse."""
    custody = wallets.custody_code(vault.chain_id, vault.address)
    if wallets.is_frozen(uow, custody, row.asset):
        raise errors.CustodyFrozen(
            f"The vault's {row.asset} account is frozen because ledger and chain differ; ask "
            "compliance. Nothing can leave it until then."
        )
    there = {
        balance.code: balance.available
        for balance in ledger.balances(uow, row.organisation_id)
        if balance.asset == row.asset
    }
    asset, wanted = Asset(row.asset), lifecycle.amount_of(row)
    available = max(there.get(row.source, 0), 0)
    if available < row.units:
        raise errors.InsufficientFunds(
            f"{row.source} has {Amount(available, asset)} available, less than {wanted}; what is "
            "held for other withdrawals does not count."
        )
    in_vault = max(there.get(custody, 0), 0)
    if in_vault < row.units:
        raise errors.VaultShort(
            f"Of the account's money {Amount(in_vault, asset)} lies free in the vault, less than "
            f"{wanted}; the rest is being swept there. Send it again in a few minutes."
        )


def _begin(uow: UnitOfWork, row: Withdrawal) -> None:
    try:
        with uow.session.begin_nested():
            repository.begin(uow, row)
    except IntegrityError as error:
        raise errors.IntentUsed(
            "The same intent, or the same reference, was handed in at this very moment; look at "
            "that withdrawal."
        ) from error


def _set_out(uow: UnitOfWork, row: Withdrawal) -> None:
    """Screening is asked, and a look is due when its time is over."""
    row.screening_id = screening.request(
        uow,
        organisation_id=row.organisation_id,
        direction="out",
        subject=row.destination,
        reference=f"withdrawal:{row.id}",
        topic=lifecycle.TOPIC,
        payload=lifecycle.payload_of(row),
        intent=row.intent,
    )
    outbox.enqueue(
        uow,
        lifecycle.TOPIC,
        f"{row.id}:expiry",
        lifecycle.payload_of(row),
        due_at=row.valid_until + timedelta(seconds=1),
    )
    uow.session.flush()


def _hold(uow: UnitOfWork, row: Withdrawal) -> Posting:
    return Posting(
        organisation_id=row.organisation_id,
        key=rules.hold_key(row.id),
        kind="withdrawal.held",
        legs=(lifecycle.leg_of(uow, row),),
        phase="hold",
        memo={"intent": to_hex(row.intent), "reference": row.reference},
    )


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a withdrawal belongs to one organisation")
    return cast(UUID, uow.organisation_id)
