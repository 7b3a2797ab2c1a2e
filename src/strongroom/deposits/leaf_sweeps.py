"""The gas station: on a chain without EIP-7702 a deposit address pays its deposit to the vault by
itself. It is fed with gas money first, which stays its own and is used the next time.

planned → fed (final) → sent → finished (final), or abandoned when nothing was mined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from strongroom.auditlog import service as auditlog
from strongroom.db.database import UnitOfWork
from strongroom.deposits import sweepable
from strongroom.deposits.models import Deposit, Sweep
from strongroom.deposits.schedule import Schedule
from strongroom.deposits.sweepable import Item, Place
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap
from strongroom.screening import service as screening
from strongroom.wallets import service as wallets
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256

GAS: Final = 100_000
"""A token's transfer, or the coin into a Safe; unused gas is not paid for."""
IN_FLIGHT_MAX: Final = 50
"""Addresses of one organisation that are swept by themselves at once."""
REST_SECONDS: Final = 300
"""How long an address rests whose last sweep came to nothing."""
OVER: Final = frozenset({"finalized", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Mandate:
    """What an organisation is swept by: its policy, its schedule and the market; prices in wei.
    `feeds`: the signed policy lets a hot key feed deposit addresses.
    """

    organisation_id: UUID
    ref: bytes
    chain_id: int
    schedule: Schedule
    price_max_wei: int
    fee_max_wei: int
    price_wei: int | None
    feeds: bool

    @property
    def leaf_price_wei(self) -> int:
        """What a leaf is to pay at most for a unit of gas: room for the market to double."""
        wanted = self.price_max_wei if not self.price_wei else 2 * self.price_wei
        return min(wanted, self.price_max_wei, self.fee_max_wei // GAS)


def begin(uow: UnitOfWork, mandate: Mandate) -> UUID | None:
    """Plan sweeps of single addresses, feeding those that lack gas money; the last one's id."""
    if not mandate.feeds:
        _tell_no_gas(uow, mandate)
        return None
    busy = set(uow.session.scalars(select(Sweep.address).where(*_busy(uow, mandate))))
    free = IN_FLIGHT_MAX - len(busy)
    if free <= 0:
        return None
    found: dict[bytes, Place] = {}
    limit = IN_FLIGHT_MAX * 2
    for place in sweepable.places(uow, mandate.chain_id, mandate.schedule.minimums, limit):
        if place.address not in busy and len(found) < free:
            found.setdefault(place.address, place)
    newest = None
    for item in sweepable.items(uow, mandate.chain_id, found.values()):
        newest = _begin_one(uow, mandate, item)
    return newest


def go_on(uow: UnitOfWork, mandate: Mandate) -> None:
    """Send what is fed, close what is over."""
    rows = uow.session.scalars(
        select(Sweep)
        .where(
            Sweep.organisation_id == mandate.organisation_id,
            Sweep.chain_id == mandate.chain_id,
            Sweep.kind == "leaf",
            Sweep.state == "planned",
        )
        .order_by(Sweep.id)
        .with_for_update()
    ).all()
    for row in rows:
        waited = row.outgoing_id or row.feed_id
        if waited is None:
            continue
        outgoing = relay.get(uow, row.organisation_id, waited)
        if outgoing.state not in OVER:
            continue
        if row.outgoing_id is not None:
            close(uow, row, mined=outgoing.mined_hash is not None)
        elif outgoing.state == "finalized":
            _send(uow, mandate, row)
        else:
            close(uow, row, mined=False)


def bind(uow: UnitOfWork, sweep_id: UUID, ref: bytes, rows: Sequence[Deposit]) -> None:
    """These deposits go with this sweep and no other."""
    for row in rows:
        row.sweep_id = sweep_id
    body = {"deposits": [str(row.id) for row in rows], "ref": to_hex(ref)}
    auditlog.append(uow, "deposits.sweep_planned", str(sweep_id), body)


def close(uow: UnitOfWork, row: Sweep, *, mined: bool) -> None:
    """Never mined: its deposits are free again. Mined, but some did not move: people must look,
    since the signer counts them as swept.
    """
    row.state, row.finished_at = ("finished" if mined else "abandoned"), uow.now
    left = _left(uow, row)
    if mined and left:
        screening.open_alert(
            uow,
            organisation_id=row.organisation_id,
            kind="deposits.sweep_incomplete",
            subject=str(row.id),
            reference=str(row.id),
            detail={"deposits": [str(deposit.id) for deposit in left], "ref": to_hex(row.ref)},
        )
    elif left:
        uow.session.execute(
            update(Deposit)
            .where(
                Deposit.organisation_id == row.organisation_id,
                Deposit.sweep_id == row.id,
                Deposit.swept_at.is_(None),
            )
            .values(sweep_id=None)
        )
    body = {"state": row.state, "left": len(left)}
    auditlog.append(uow, "deposits.sweep_closed", str(row.id), body)


def _begin_one(uow: UnitOfWork, mandate: Mandate, item: Item) -> UUID:
    sweep_id = uow.new_id()
    inner = _inner_ref(sweep_id)
    row = Sweep(
        organisation_id=mandate.organisation_id,
        id=sweep_id,
        chain_id=mandate.chain_id,
        # As the signer's journal names it, so that people can release it there.
        ref=keccak256(b"leaf_sweep" + mandate.ref + inner),
        outgoing_id=None,
        state="planned",
        planned_at=uow.now,
        kind="leaf",
        address=item.view.address,
        feed_id=None,
    )
    missing = GAS * mandate.leaf_price_wei - _gas_money(uow, mandate, item.view.address)
    if missing > 0:
        row.feed_id = relay.enqueue(
            uow,
            mandate.organisation_id,
            "gas_topup",
            keccak256(b"strongroom.feed" + sweep_id.bytes),
            {
                "organisation": to_hex(mandate.ref),
                "to": {"deposit": item.view.index},
                "units": str(missing),
            },
            chain_id=mandate.chain_id,
            cap=FeeCap(mandate.price_max_wei, mandate.fee_max_wei),
        )
    uow.session.add(row)
    uow.session.flush()
    bind(uow, sweep_id, row.ref, item.rows)
    if row.feed_id is None:
        row.outgoing_id = _enqueue(uow, mandate, row, item)
    return sweep_id


def _send(uow: UnitOfWork, mandate: Mandate, row: Sweep) -> None:
    """The gas money is there for good: ask for the payment, with clearances of now."""
    rows = _left(uow, row)
    for deposit in rows:
        deposit.sweep_id = None
    uow.session.flush()
    first = rows[0] if rows else None
    place = None if first is None else Place(first.address, first.token, first.asset or "")
    found = [] if place is None else sweepable.items(uow, mandate.chain_id, [place])
    if not found:
        close(uow, row, mined=False)
        return
    for deposit in found[0].rows:
        deposit.sweep_id = row.id
    row.outgoing_id = _enqueue(uow, mandate, row, found[0])


def _enqueue(uow: UnitOfWork, mandate: Mandate, row: Sweep, item: Item) -> UUID:
    """In line at the relay, for no more than the address can pay."""
    money = _gas_money(uow, mandate, item.view.address)
    return relay.enqueue(
        uow,
        mandate.organisation_id,
        "leaf_sweep",
        _inner_ref(row.id),
        {"organisation": to_hex(mandate.ref), "index": item.view.index, "item": item.fields()},
        chain_id=mandate.chain_id,
        cap=FeeCap(mandate.price_max_wei, min(money, mandate.fee_max_wei)),
        gas=GAS,
    )


def _gas_money(uow: UnitOfWork, mandate: Mandate, address: bytes) -> int:
    """Coin at an address that is no deposit's: what was left of feeding it before."""
    coin = wallets.native_asset(uow, mandate.chain_id)
    code = wallets.custody_code(mandate.chain_id, address)
    held = ledger.balance_at(uow, AccountRef(mandate.organisation_id, code, coin), uow.now)
    deposits = uow.session.scalars(
        select(func.coalesce(func.sum(Deposit.units), 0)).where(
            Deposit.organisation_id == mandate.organisation_id,
            Deposit.chain_id == mandate.chain_id,
            Deposit.address == address,
            Deposit.asset == coin,
            Deposit.chain_state.in_(("confirmed", "finalized")),
            Deposit.swept_at.is_(None),
        )
    ).one()
    return max(0, held - int(deposits))


def _left(uow: UnitOfWork, row: Sweep) -> list[Deposit]:
    """The deposits of a sweep that have not moved."""
    return list(
        uow.session.scalars(
            select(Deposit)
            .where(
                Deposit.organisation_id == row.organisation_id,
                Deposit.sweep_id == row.id,
                Deposit.swept_at.is_(None),
            )
            .order_by(Deposit.id)
        )
    )


def _busy(uow: UnitOfWork, mandate: Mandate) -> tuple[ColumnElement[bool], ...]:
    """Conditions: under way, or came to nothing a moment ago."""
    rested = uow.now - timedelta(seconds=REST_SECONDS)
    return (
        Sweep.organisation_id == mandate.organisation_id,
        Sweep.chain_id == mandate.chain_id,
        Sweep.kind == "leaf",
        (Sweep.state == "planned") | ((Sweep.state == "abandoned") & (Sweep.finished_at > rested)),
    )


def _tell_no_gas(uow: UnitOfWork, mandate: Mandate) -> None:
    screening.open_alert(
        uow,
        organisation_id=mandate.organisation_id,
        kind="deposits.no_gas_mandate",
        subject=f"chain:{mandate.chain_id}",
        reference=str(mandate.chain_id),
        detail={
            "reason": "The chain has no EIP-7702, so each deposit address needs gas money of its "
            "own, and the signed policy names no key to feed it: add `gas` to the policy."
        },
    )


def _inner_ref(sweep_id: UUID) -> bytes:
    return keccak256(b"strongroom.sweep" + sweep_id.bytes)
