"""Ordering a withdrawal: the intent to be signed, and the signed intent taken in.

Everything that can be said at once is said at once, each mistake with its own code; the money is
held in the same unit, so an order that was accepted has its money.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NotRequired, TypedDict, Unpack, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.kit.crash import crash_point
from strongroom.ledger import service as ledger
from strongroom.ledger.types import Balance, Posting
from strongroom.policy import service as policy
from strongroom.policy.types import ActiveBundle
from strongroom.relay.types import FeeLevel
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets
from strongroom.withdrawals import errors, fee_levels, lifecycle, promised, repository, wallet
from strongroom.withdrawals.judging import judge_order
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.types import PreparedWithdrawal
from strongroom.withdrawals.wallet import FIRST_EPOCH, Wallet
from strongroom_protocol.addresses import ZERO, parse_address
from strongroom_protocol.amounts import Amount, Asset, parse_amount
from strongroom_protocol.bundle import Bundle, Person, Token
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.intents import Withdrawal as Intent
from strongroom_protocol.signatures import Signature, SignatureInvalid, recover

TREASURY: Final = "client:treasury"
ALL: Final = "all"
"""The amount that asks for everything."""
VALIDITY_SECONDS: Final = 86_400
VALIDITY_SECONDS_MIN: Final = 60
VALIDITY_SECONDS_MAX: Final = 30 * 86_400
"""An approval that can be used for months is one that nobody remembers having given."""


class Wish(TypedDict):
    """What an order is drafted from. `amount`: decimal text in the asset's own unit. `from_wallet`:
    a spending key of the policy, none = the vault; "all" = what is there, of the coin less the gas
    that a spending key may pay. `fee_level`: what gas may cost, unless `max_fee_wei` says it.
    `source`: the client account that pays. `store_epoch`: an offline signer's, if its
    officers opened a later one than the first.
    """

    asset: str
    to: str
    amount: str
    reference: str
    from_wallet: NotRequired[str | None]
    max_fee_wei: NotRequired[str | None]
    fee_level: NotRequired[FeeLevel | None]
    source: NotRequired[str]
    store_epoch: NotRequired[int | None]
    valid_for_seconds: NotRequired[int]


def prepare(uow: UnitOfWork, **wish: Unpack[Wish]) -> PreparedWithdrawal:
    """The intent for the initiator to sign, and what the policy would say now. Keeps nothing.

    Raises VaultMissing, IntentWrong, AssetUnknown, ValidityWrong, NoneActive, and the protocol's
    address.* and amount.* errors.
    """
    active = policy.active(uow, _own(uow))
    chain_id = active.bundle.chain_id
    from_wallet, max_fee_wei = wish.get("from_wallet"), wish.get("max_fee_wei")
    payer = wallet.find(uow, active, None if from_wallet is None else parse_address(from_wallet))
    token = _token_of_asset(active.bundle, wish["asset"])
    valid_for_seconds = wish.get("valid_for_seconds", VALIDITY_SECONDS)
    if not VALIDITY_SECONDS_MIN <= valid_for_seconds <= VALIDITY_SECONDS_MAX:
        raise errors.ValidityWrong(
            f"An order is valid for {VALIDITY_SECONDS_MIN} seconds to {VALIDITY_SECONDS_MAX} "
            f"seconds; {valid_for_seconds} is outside."
        )
    most_wei = (
        fee_levels.cap_wei(uow, active.bundle, payer, wish.get("fee_level"))
        if max_fee_wei is None
        else from_decimal(max_fee_wei, field="max_fee_wei")
    )
    intent = Intent(
        organisation=active.bundle.organisation,
        wallet=payer.address,
        token=token.contract or ZERO,
        to=parse_address(wish["to"]),
        units=_units(uow, active.bundle, payer, token, wish, most_wei),
        max_fee_wei=most_wei,
        reference=wish["reference"],
        valid_until=int(uow.now.timestamp()) + valid_for_seconds,
        policy_version=active.version,
        store_epoch=payer.epoch or wish.get("store_epoch") or FIRST_EPOCH,
    )
    initiator = next(
        (one.id for one in active.bundle.people if "initiator" in one.roles), uow.actor.id
    )
    return PreparedWithdrawal(
        intent=to_hex(intent.digest(chain_id)),
        fields=intent.fields(),
        typed_data=intent.as_json(chain_id),
        verdict=judge_order(uow, _own(uow), active.bundle, intent, token.asset.code, initiator),
    )


def request(
    uow: UnitOfWork,
    *,
    fields: Mapping[str, Any],
    initiator_signature: str,
    source: str = TREASURY,
    memo: str = "",
    fee_level: FeeLevel = "normal",
) -> Withdrawal:
    """Take in a signed order: judge it, hold its money, have its destination screened. `memo`: the
    client's own words, told to the client alone; `fee_level`: the tip that it is sent with.

    What the policy denies is kept as `rejected`, with the rule's sentence and no hold. Raises
    VaultMissing, IntentWrong, AssetUnknown, ValidityWrong, PolicyVersionStale, EpochStale,
    SignatureMalformed, InitiatorUnknown, ReferenceTaken, IntentUsed, InsufficientFunds,
    VaultShort, CustodyFrozen and the protocol's field errors.
    """
    active = policy.active(uow, _own(uow))
    intent = Intent.from_fields(fields)
    payer = wallet.find(uow, active, intent.wallet)
    token = _check_intent(uow, active, payer, intent)
    digest = intent.digest(active.bundle.chain_id)
    signature, initiator = _initiator(active.bundle, digest, initiator_signature)
    _check_unused(uow, digest, intent.reference)
    verdict = judge_order(uow, _own(uow), active.bundle, intent, token.asset.code, initiator.id)
    denied = verdict.kind == "denied"
    row = Withdrawal(
        organisation_id=_own(uow),
        id=uow.new_id(),
        intent=digest,
        fields=intent.fields(),
        reference=intent.reference,
        initiator=initiator.id,
        initiator_signature=signature.to_bytes(),
        wallet=payer.address,
        wallet_kind=payer.kind,
        vault_id=payer.vault_id,
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
        batch_place=0,
        memo=memo,
        fee_level=fee_level,
        void_round=0,
        attempt=0,
        request_id=uow.request_id,
        created_at=uow.now,
        updated_at=uow.now,
    )
    chain_id = active.bundle.chain_id
    coin = wallets.native_asset(uow, chain_id)
    holds = [] if denied else lifecycle.holds(row, chain_id, coin)
    _check_funds(uow, row, holds, chain_id, coin)
    _begin(uow, row)
    if not denied:
        _set_out(uow, row)
    lifecycle.record(uow, row, holds)
    crash_point("withdrawal.after_hold")
    return row


def _units(
    uow: UnitOfWork, bundle: Bundle, payer: Wallet, token: Token, wish: Wish, most_wei: int
) -> int:
    """What is wished for, or all that is there: of the account, and in the wallet that pays."""
    if wish["amount"] != ALL:
        return parse_amount(wish["amount"], token.asset).units
    source, asset = wish.get("source", TREASURY), token.asset.code
    account = next(
        (one.available for one in _balances(uow) if (one.code, one.asset) == (source, asset)), 0
    )
    lies = promised.free(uow, _own(uow), bundle.chain_id).get((payer.address, asset), 0)
    units = min(max(account, 0), lies)
    if payer.kind != "vault" and token.contract is None:
        units -= most_wei
    if units <= 0:
        gas = " once its gas is paid" if payer.kind != "vault" and token.contract is None else ""
        raise errors.InsufficientFunds(
            f"Nothing of {asset} is free to be sent{gas}: {source} has {max(account, 0)} smallest "
            f"units available, and {lies} lie free in the wallet that pays."
        )
    return units


def _balances(uow: UnitOfWork) -> list[Balance]:
    return ledger.balances(uow, _own(uow))


def _token_of_asset(bundle: Bundle, asset: str) -> Token:
    token = next((one for one in bundle.tokens if one.asset.code == asset), None)
    if token is None:
        listed = ", ".join(one.asset.code for one in bundle.tokens)
        raise errors.AssetUnknown(
            f"{asset[:40]!r} is not among the assets of this organisation's policy: {listed}."
        )
    return token


def _check_intent(uow: UnitOfWork, active: ActiveBundle, payer: Wallet, intent: Intent) -> Token:
    """Check: the order is for this organisation, wallet, policy, epoch and time."""
    bundle = active.bundle
    token = bundle.token_of(None if intent.token == ZERO else intent.token)
    if token is None:
        raise errors.AssetUnknown("The intent's token is not in this organisation's policy.")
    if intent.organisation != bundle.organisation:
        raise errors.IntentWrong(
            "The intent names another organisation; draft it again and sign that."
        )
    if intent.policy_version != active.version:
        raise errors.PolicyVersionStale(
            f"The intent was drafted under policy version {intent.policy_version}, active is "
            f"{active.version}; draft it again and sign that."
        )
    if payer.epoch not in (None, intent.store_epoch):
        raise errors.EpochStale(
            f"The intent names epoch {intent.store_epoch} of the signer, present is {payer.epoch}; "
            "draft it again and sign that."
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


def _check_funds(
    uow: UnitOfWork, row: Withdrawal, holds: Sequence[Posting], chain_id: int, coin: str
) -> None:
    """Say early and in words what ledger_post would refuse, and what the wallet has promised to
    other orders. Gas may come on top of the payment.
    """
    wanted: dict[tuple[str, str], int] = {}
    for leg in (leg for posting in holds for leg in posting.legs):
        for code in (leg.debit, leg.credit):
            wanted[code, leg.asset] = wanted.get((code, leg.asset), 0) + leg.units
    there = {(one.code, one.asset): max(one.available, 0) for one in _balances(uow)}
    free = promised.free(uow, _own(uow), chain_id) if wanted else {}
    there |= {(wallets.custody_code(chain_id, at), asset): n for (at, asset), n in free.items()}
    for (code, asset_code), units in wanted.items():
        asset = Asset(asset_code)
        needed, available = Amount(units, asset), Amount(there.get((code, asset_code), 0), asset)
        if code != row.source and wallets.is_frozen(uow, code, asset_code):
            raise errors.CustodyFrozen(
                f"The wallet's {asset_code} account is frozen because ledger and chain differ; ask "
                "compliance. Nothing can leave it until then."
            )
        if available.units >= units:
            continue
        with_gas = " with the gas that it may cost" if asset_code == coin else ""
        if code == row.source:
            raise errors.InsufficientFunds(
                f"{row.source} has {available} available, less than {needed}{with_gas}; what is "
                "held for other withdrawals does not count."
            )
        raise errors.VaultShort(
            f"Of the account's money {available} lies free in the wallet that pays, less than "
            f"{needed}{with_gas}; what it has promised to other orders is not free. What is being "
            "swept into the vault will be there in a few minutes; a spending key is filled by a "
            "payment to its address."
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


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a withdrawal belongs to one organisation")
    return cast(UUID, uow.organisation_id)
