"""Sweeps planned: what is cleared and final goes into the organisation's own vault, when its
schedule says so. The signer checks all of it again by the clearances sent along.

By EIP-7702 many addresses in one transaction at a time; on a chain without it each address by
itself (`leaf_sweeps.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final
from uuid import UUID

from sqlalchemy import select

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.deposits import batches, gas_costs, leaf_sweeps, settings, sweepable
from strongroom.deposits.leaf_sweeps import Mandate
from strongroom.deposits.models import Deposit, Sweep
from strongroom.deposits.schedule import EVERY_MOMENT
from strongroom.deposits.sweepable import Item, Place
from strongroom.identity import service as identity
from strongroom.policy import service as policy
from strongroom.policy.errors import NoneActive
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap
from strongroom.vaults import service as vaults
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256

TOPIC: Final = "deposits.sweep"
TURNS_MAX: Final = 1_000
RETRY_SECONDS: Final = 300
"""How long to wait after a sweep that was never mined, so that a refusal is not asked for ever."""
LISTED_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class SweepView:
    """A sweep as people see it; `address` is there when it is of one address by itself."""

    id: UUID
    kind: str
    state: str
    address: bytes | None
    deposits: int
    planned_at: datetime
    finished_at: datetime | None


def plan_sweeps(uow: UnitOfWork) -> int:
    """Ask each organisation that may have something to sweep to plan; gives how many.

    A job of the house: each organisation plans in a unit of its own.
    """
    waiting = select(Deposit.organisation_id).where(
        Deposit.disposition == "credited",
        Deposit.chain_state == "finalized",
        Deposit.address_kind == "deposit",
        Deposit.swept_at.is_(None),
    )
    running = select(Sweep.organisation_id).where(Sweep.state == "planned")
    found = [
        organisation_id
        for organisation_id in sorted(set(uow.session.scalars(waiting.union(running))))
        if (vault := vaults.find(uow, organisation_id)) is not None and vault.state == "active"
    ]
    for organisation_id in found:
        key = f"{organisation_id}:{uow.now.isoformat()}"
        outbox.enqueue(uow, TOPIC, key, {}, organisation_id=organisation_id)
    return len(found)


def sweep_now(uow: UnitOfWork) -> None:
    """Have the unit's organisation swept whatever its schedule says."""
    key = f"{uow.organisation_id}:now:{uow.new_id()}"
    outbox.enqueue(uow, TOPIC, key, {"now": True})
    auditlog.append(uow, "deposits.sweep_asked", str(uow.organisation_id), {})


def plan_sweep(
    uow: UnitOfWork, *, now: bool = False, set_code: Callable[[int], bool] = lambda _: True
) -> UUID | None:
    """Plan what the unit's organisation has to sweep; the newest sweep's id, or None when there is
    nothing to do.

    Only when its vault is active, its signed policy gives the mandate, and its schedule says so,
    unless `now`. `set_code`: whether a chain has EIP-7702. Repeatable.
    """
    mandate = _mandate(uow, now=now)
    if mandate is None:
        return None
    if not set_code(mandate.chain_id):
        leaf_sweeps.go_on(uow, mandate)
        due = mandate.schedule.is_due(uow.now, _last_planned(uow))
        begun = leaf_sweeps.begin(uow, mandate) if due else None
        gas_costs.charge(uow, mandate)
        return begun
    if _under_way(uow) or not mandate.schedule.is_due(uow.now, _last_planned(uow)):
        return None
    return _plan_batch(uow, mandate)


def list_sweeps(uow: UnitOfWork, after: UUID | None = None, limit: int = 50) -> list[SweepView]:
    """The organisation's sweeps, newest first; `after` is the last id of the page before."""
    found = uow.execute(
        "SELECT s.id, s.kind, s.state, s.address, count(d.id), s.planned_at, s.finished_at"
        " FROM sweep AS s LEFT JOIN deposit AS d"
        " ON (d.organisation_id, d.sweep_id) = (s.organisation_id, s.id)"
        " WHERE s.organisation_id = %s AND (%s::uuid IS NULL OR s.id < %s)"
        " GROUP BY s.organisation_id, s.id ORDER BY s.id DESC LIMIT %s",
        (uow.organisation_id, after, after, min(limit, LISTED_MAX + 1)),
    )
    return [SweepView(*row) for row in found]


def release(uow: UnitOfWork, ref: bytes, address: bytes, token: bytes | None) -> int:
    """The signer let go of what a sweep counted and never moved: plan it again. Gives how many."""
    found = uow.session.scalars(
        select(Deposit)
        .join(
            Sweep,
            (Sweep.organisation_id == Deposit.organisation_id) & (Sweep.id == Deposit.sweep_id),
        )
        .where(
            Deposit.organisation_id == uow.organisation_id,
            Deposit.address == address,
            Deposit.token.is_not_distinct_from(token),
            Deposit.swept_at.is_(None),
            Sweep.ref == ref,
            Sweep.state == "finished",
        )
        .with_for_update(of=Deposit)
    ).all()
    for row in found:
        row.sweep_id = None
    body = {"ref": to_hex(ref), "deposits": [str(row.id) for row in found]}
    auditlog.append(uow, "deposits.sweep_released", to_hex(address), body)
    return len(found)


def _mandate(uow: UnitOfWork, *, now: bool) -> Mandate | None:
    """What the organisation may sweep by, or None."""
    if uow.organisation_id is None:
        return None
    vault = vaults.find(uow, uow.organisation_id)
    if vault is None or vault.state != "active":
        return None
    try:
        bundle = policy.active(uow, uow.organisation_id).bundle
    except NoneActive:
        return None
    if not bundle.sweep_mandate:
        return None
    schedule = settings.schedule_of(uow, vault.chain_id)
    return Mandate(
        organisation_id=uow.organisation_id,
        ref=identity.organisation(uow).ref,
        chain_id=vault.chain_id,
        schedule=EVERY_MOMENT if now else schedule,
        price_max_wei=schedule.fee_cap_wei(bundle.max_fee_per_gas_wei),
        fee_max_wei=bundle.max_total_fee_wei,
        price_wei=relay.last_price_wei(uow, vault.chain_id),
        feeds=bundle.gas is not None,
    )


def _plan_batch(uow: UnitOfWork, mandate: Mandate) -> UUID | None:
    found = sweepable.places(uow, mandate.chain_id, mandate.schedule.minimums, batches.ITEMS_MAX)
    items = sweepable.items(uow, mandate.chain_id, _in_turn(found, _refused_in_a_row(uow)))
    gas_max = batches.gas_affordable(mandate.fee_max_wei, mandate.price_wei)
    taken, delegates, gas = _fitting(items, gas_max)
    if not taken:
        return None
    sweep_id = uow.new_id()
    ref = keccak256(b"strongroom.sweep" + sweep_id.bytes)
    payload = {
        "organisation": to_hex(mandate.ref),
        "items": [{"index": item.view.index, **item.fields()} for item in taken],
        "delegate": delegates,
    }
    outgoing_id = relay.enqueue(
        uow,
        mandate.organisation_id,
        "sweep",
        ref,
        payload,
        chain_id=mandate.chain_id,
        cap=FeeCap(mandate.price_max_wei, mandate.fee_max_wei),
        gas=gas,
    )
    uow.session.add(
        Sweep(
            organisation_id=mandate.organisation_id,
            id=sweep_id,
            chain_id=mandate.chain_id,
            ref=ref,
            outgoing_id=outgoing_id,
            state="planned",
            planned_at=uow.now,
            kind="batch",
        )
    )
    uow.session.flush()
    leaf_sweeps.bind(uow, sweep_id, ref, [row for item in taken for row in item.rows])
    return sweep_id


def _fitting(items: Sequence[Item], gas_max: int) -> tuple[list[Item], list[int], int]:
    """As many items as the gas allows, the leaves that delegate along, and the gas they get."""
    taken: list[Item] = []
    delegates: set[int] = set()
    gas = 0
    for item in items:
        fresh = delegates | ({item.view.index} if item.view.delegated_at is None else set())
        coins = sum(each.token is None for each in (*taken, item))
        wanted = batches.gas_of(coins, len(taken) + 1 - coins, len(fresh))
        if wanted > gas_max:
            break
        taken, delegates, gas = [*taken, item], fresh, wanted
    return taken, sorted(delegates), gas


def _refused_in_a_row(uow: UnitOfWork) -> int:
    """How many of the newest sweeps came to nothing, one after the other."""
    states = uow.session.scalars(
        select(Sweep.state)
        .where(Sweep.organisation_id == uow.organisation_id, Sweep.kind == "batch")
        .order_by(Sweep.id.desc())
        .limit(TURNS_MAX)
    )
    return sum(1 for _ in takewhile(lambda state: state == "abandoned", states))


def _in_turn(found: list[Place], refused: int) -> list[Place]:
    """All together; after a refusal one address and token at a time, each in its turn: what the
    signer refuses for one of them must not hold back the others for ever.
    """
    if not refused or not found:
        return found
    ordered = sorted(found, key=lambda place: (place.address, place.token or b""))
    return [ordered[refused % len(ordered)]]


def _last_planned(uow: UnitOfWork) -> datetime | None:
    row = _newest(uow)
    return None if row is None or row.state == "abandoned" else row.planned_at


def _newest(uow: UnitOfWork) -> Sweep | None:
    return uow.session.scalars(
        select(Sweep)
        .where(Sweep.organisation_id == uow.organisation_id)
        .order_by(Sweep.id.desc())
        .limit(1)
    ).one_or_none()


def _under_way(uow: UnitOfWork) -> bool:
    """Close the sweep that is over; True while one runs or a failed one is too fresh."""
    row = _newest(uow)
    if row is None:
        return False
    if row.state == "planned" and row.outgoing_id is not None:
        outgoing = relay.get(uow, row.organisation_id, row.outgoing_id)
        if outgoing.state not in leaf_sweeps.OVER:
            return True
        leaf_sweeps.close(uow, row, mined=outgoing.mined_hash is not None)
    too_fresh = row.finished_at is not None and uow.now < row.finished_at + timedelta(
        seconds=RETRY_SECONDS
    )
    return row.state == "abandoned" and too_fresh
