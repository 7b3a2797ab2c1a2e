"""How much lies on a hot wallet: a float with limits. Below its minimum a payment from the vault is
proposed, above its maximum one back to it, each up to the target.

A proposal moves nothing: an initiator signs it as an order, and the people approve it as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast
from uuid import UUID

from sqlalchemy import func, select

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.policy import service as policy
from strongroom.vaults import service as vaults
from strongroom.withdrawals import errors, promised, rules
from strongroom.withdrawals.models import HotFloat, HotProposal, Withdrawal
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Amount, Asset, format_amount, parse_amount

Kind = Literal["refill", "return"]
REFERENCE: Final = "float {kind} {wallet} {asset} {number}"


@dataclass(frozen=True, slots=True)
class FloatView:
    """Limits of an asset on a hot wallet, decimal text; `lies`: what is there by the books."""

    wallet: str
    asset: str
    version: int
    minimum: str
    target: str
    maximum: str
    lies: str
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class ProposalView:
    """What an initiator is asked to order; `payer` None = the vault. `withdrawal`: the order that
    was made of it.
    """

    id: UUID
    kind: Kind
    asset: str
    amount: str
    payer: str | None
    to: str
    reference: str
    sentence: str
    created_at: datetime
    withdrawal: UUID | None


def set_float(
    uow: UnitOfWork, *, wallet: Address, asset: str, minimum: str, target: str, maximum: str
) -> FloatView:
    """The limits from now on; "0" as maximum ends the float. Raises FloatWrong, AssetUnknown, and
    the protocol's amount errors.
    """
    bundle = policy.active(uow, _own(uow)).bundle
    key = bundle.spending_at(wallet)
    if key is None or key.kind != "hot":
        raise errors.FloatWrong(f"{checksum(wallet)} is no hot wallet of the signed policy.")
    if asset not in {token.asset.code for token in bundle.tokens}:
        raise errors.AssetUnknown(f"{asset[:40]!r} is not among the assets of the signed policy.")
    least, wanted, most = (
        0 if text == "0" else parse_amount(text, Asset(asset)).units
        for text in (minimum, target, maximum)
    )
    if not least <= wanted <= most:
        raise errors.FloatWrong("A float needs minimum, target and maximum in rising order.")
    last = uow.session.scalar(
        select(func.max(HotFloat.version)).where(
            HotFloat.organisation_id == _own(uow),
            HotFloat.wallet == wallet,
            HotFloat.asset == asset,
        )
    )
    row = HotFloat(
        organisation_id=_own(uow),
        wallet=wallet,
        asset=asset,
        version=(last or 0) + 1,
        min_units=least,
        target_units=wanted,
        max_units=most,
        active=most > 0,
        set_by=f"{uow.actor.kind}:{uow.actor.id}",
        set_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    auditlog.append(
        uow,
        "withdrawals.float_set",
        checksum(wallet),
        {"asset": asset, "version": row.version, "units": [str(least), str(wanted), str(most)]},
        organisation_id=_own(uow),
    )
    return _view(row, promised.free(uow, _own(uow), bundle.chain_id))


def floats(uow: UnitOfWork) -> list[FloatView]:
    """The floats in force."""
    lying = promised.free(uow, _own(uow), policy.active(uow, _own(uow)).bundle.chain_id)
    return [_view(row, lying) for row in _newest(uow, _own(uow)) if row.active]


def proposals(uow: UnitOfWork) -> list[ProposalView]:
    """What is proposed now, the oldest first."""
    vault = vaults.get(uow)
    rows = uow.session.execute(
        select(HotProposal, Withdrawal.id)
        .outerjoin(
            Withdrawal,
            (Withdrawal.organisation_id == HotProposal.organisation_id)
            & (Withdrawal.reference == HotProposal.reference),
        )
        .where(HotProposal.organisation_id == _own(uow), HotProposal.closed_at.is_(None))
        .order_by(HotProposal.id)
    )
    return [
        ProposalView(
            id=row.id,
            kind=cast(Kind, row.kind),
            asset=row.asset,
            amount=format_amount(Amount(row.units, Asset(row.asset))),
            payer=None if row.kind == "refill" else checksum(Address(row.wallet)),
            to=checksum(Address(row.wallet if row.kind == "refill" else vault.address)),
            reference=row.reference,
            sentence=row.sentence,
            created_at=row.created_at,
            withdrawal=ordered,
        )
        for row, ordered in rows
    ]


def look(uow: UnitOfWork, organisation_id: UUID) -> int:
    """Propose what the floats of an organisation ask for now, and close what they no longer do;
    gives how many were proposed. Repeatable: one open proposal a wallet and asset.
    """
    bundle = policy.active(uow, organisation_id).bundle
    if vaults.find(uow, organisation_id) is None:
        return 0
    lying, made = promised.free(uow, organisation_id, bundle.chain_id), 0
    for one in _newest(uow, organisation_id):
        is_hot = (key := bundle.spending_at(Address(one.wallet))) is not None and key.kind == "hot"
        wanted = _wanted(one, lying) if one.active and is_hot else None
        open_one = uow.session.scalars(
            select(HotProposal).where(
                HotProposal.organisation_id == organisation_id,
                HotProposal.wallet == one.wallet,
                HotProposal.asset == one.asset,
                HotProposal.closed_at.is_(None),
            )
        ).one_or_none()
        if open_one is not None and _is_over(uow, open_one, wanted):
            open_one.closed_at, open_one = uow.now, None
            uow.session.flush()
        if wanted is not None and open_one is None:
            _propose(uow, one, *wanted)
            made += 1
    return made


def organisations(uow: UnitOfWork) -> Sequence[UUID]:
    """Those that have floats."""
    return uow.session.scalars(
        select(HotFloat.organisation_id).distinct().order_by(HotFloat.organisation_id)
    ).all()


def _wanted(row: HotFloat, lying: dict[tuple[bytes, str], int]) -> tuple[Kind, int, int] | None:
    """(kind, units, what lies there) of the payment that brings it to its target."""
    there = lying.get((row.wallet, row.asset), 0)
    if there < row.min_units:
        return "refill", row.target_units - there, there
    if there > row.max_units:
        return "return", there - row.target_units, there
    return None


def _is_over(uow: UnitOfWork, row: HotProposal, wanted: tuple[Kind, int, int] | None) -> bool:
    """It is not asked for any more, or its order has ended; while that is on its way it stays."""
    state = uow.session.scalar(
        select(Withdrawal.state).where(
            Withdrawal.organisation_id == row.organisation_id,
            Withdrawal.reference == row.reference,
        )
    )
    if state is not None:
        return state in rules.ENDED
    return wanted is None or wanted[0] != row.kind


def _propose(uow: UnitOfWork, row: HotFloat, kind: Kind, units: int, there: int) -> None:
    asset = Asset(row.asset)
    number = uow.session.scalar(
        select(func.count())
        .select_from(HotProposal)
        .where(HotProposal.organisation_id == row.organisation_id)
    )
    bound = ("below its minimum", row.min_units)
    if kind == "return":
        bound = ("above its maximum", row.max_units)
    wallet = checksum(Address(row.wallet))
    made = HotProposal(
        organisation_id=row.organisation_id,
        id=uow.new_id(),
        wallet=row.wallet,
        asset=row.asset,
        kind=kind,
        units=units,
        reference=REFERENCE.format(
            kind=kind, wallet=wallet, asset=row.asset, number=(number or 0) + 1
        ),
        sentence=f"{Amount(there, asset)} lie on {wallet}, {bound[0]} of "
        f"{Amount(bound[1], asset)}; {Amount(units, asset)} bring it to its target.",
        created_at=uow.now,
    )
    uow.session.add(made)
    uow.session.flush()
    auditlog.append(
        uow,
        "withdrawals.float_proposed",
        str(made.id),
        {"kind": kind, "wallet": wallet, "asset": row.asset, "units": str(units)},
        organisation_id=row.organisation_id,
    )


def _newest(uow: UnitOfWork, organisation_id: UUID) -> list[HotFloat]:
    rows = uow.session.scalars(
        select(HotFloat)
        .where(HotFloat.organisation_id == organisation_id)
        .order_by(HotFloat.wallet, HotFloat.asset, HotFloat.version)
    )
    return list({(row.wallet, row.asset): row for row in rows}.values())


def _view(row: HotFloat, lying: dict[tuple[bytes, str], int]) -> FloatView:
    asset = Asset(row.asset)
    minimum, target, maximum, lies = (
        format_amount(Amount(units, asset))
        for units in (
            row.min_units,
            row.target_units,
            row.max_units,
            lying.get((row.wallet, row.asset), 0),
        )
    )
    wallet = checksum(Address(row.wallet))
    return FloatView(
        wallet, row.asset, row.version, minimum, target, maximum, lies, row.set_by, row.set_at
    )


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a float belongs to one organisation")
    return cast(UUID, uow.organisation_id)
