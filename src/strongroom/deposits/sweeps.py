"""Sweeps planned: what is cleared and final goes into the organisation's own vault, one
transaction at a time. The signer checks all of it again by the clearances sent along.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import takewhile
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.deposits.models import Deposit, Sweep
from strongroom.identity import service as identity
from strongroom.policy import service as policy
from strongroom.policy.errors import NoneActive
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap
from strongroom.screening import service as screening
from strongroom.vaults import service as vaults
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressView
from strongroom_protocol.addresses import ZERO, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256

TOPIC: Final = "deposits.sweep"
ITEMS_MAX: Final = 100
"""Addresses in one transaction; the signer takes 200."""
CLEARANCES_MAX: Final = 100
"""Deposits of one address and token in one transaction: the signer's own bound."""
TURNS_MAX: Final = 1_000
RETRY_SECONDS: Final = 300
"""How long to wait after a sweep that was never mined, so that a refusal is not asked for ever."""


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


def plan_sweep(uow: UnitOfWork) -> UUID | None:
    """Plan one sweep for the unit's organisation; its id, or None when there is nothing to do.

    Only when its vault is active, its signed policy gives the mandate, and no sweep is under way.
    """
    if uow.organisation_id is None or _under_way(uow):
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
    rows = _in_turn(_sweepable(uow, vault.chain_id), _refused_in_a_row(uow))
    addresses = {view.address: view for view in wallets.addresses(uow)}
    items, taken = _items(uow, rows, addresses)
    if not items:
        return None
    sweep_id = uow.new_id()
    ref = keccak256(b"strongroom.sweep" + sweep_id.bytes)
    used = {addresses[row.address] for row in taken}
    payload = {
        "organisation": to_hex(identity.organisation(uow).ref),
        "items": items,
        "delegate": sorted(view.index for view in used if view.delegated_at is None),
    }
    outgoing_id = relay.enqueue(
        uow,
        uow.organisation_id,
        "sweep",
        ref,
        payload,
        chain_id=vault.chain_id,
        cap=FeeCap(bundle.max_fee_per_gas_wei, bundle.max_total_fee_wei),
    )
    uow.session.add(
        Sweep(
            organisation_id=uow.organisation_id,
            id=sweep_id,
            chain_id=vault.chain_id,
            ref=ref,
            outgoing_id=outgoing_id,
            state="planned",
            planned_at=uow.now,
        )
    )
    uow.session.flush()
    for row in taken:
        row.sweep_id = sweep_id
    body = {"deposits": [str(row.id) for row in taken], "ref": to_hex(ref)}
    auditlog.append(uow, "deposits.sweep_planned", str(sweep_id), body)
    return sweep_id


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


def _refused_in_a_row(uow: UnitOfWork) -> int:
    """How many of the newest sweeps came to nothing, one after the other."""
    states = uow.session.scalars(
        select(Sweep.state)
        .where(Sweep.organisation_id == uow.organisation_id)
        .order_by(Sweep.id.desc())
        .limit(TURNS_MAX)
    )
    return sum(1 for _ in takewhile(lambda state: state == "abandoned", states))


def _in_turn(rows: list[Deposit], refused: int) -> list[Deposit]:
    """All together; after a refusal one address and token at a time, each in its turn: what the
    signer refuses for one of them must not hold back the others for ever.
    """
    places = sorted({(row.address, row.token or b"") for row in rows})
    if not refused or not places:
        return rows
    place = places[refused % len(places)]
    return [row for row in rows if (row.address, row.token or b"") == place]


def _under_way(uow: UnitOfWork) -> bool:
    """Close the sweep that is over; True while one runs or a failed one is too fresh."""
    row = uow.session.scalars(
        select(Sweep)
        .where(Sweep.organisation_id == uow.organisation_id)
        .order_by(Sweep.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return False
    if row.state == "planned":
        outgoing = relay.get(uow, row.organisation_id, row.outgoing_id)
        if outgoing.state not in ("finalized", "failed", "cancelled"):
            return True
        _close(uow, row, mined=outgoing.mined_hash is not None)
    too_fresh = row.finished_at is not None and uow.now < row.finished_at + timedelta(
        seconds=RETRY_SECONDS
    )
    return row.state == "abandoned" and too_fresh


def _close(uow: UnitOfWork, row: Sweep, *, mined: bool) -> None:
    """Never mined: its deposits are free again. Mined, but some did not move: people must look,
    since the signer counts them as swept.
    """
    row.state, row.finished_at = ("finished" if mined else "abandoned"), uow.now
    left = uow.session.scalars(
        select(Deposit).where(
            Deposit.organisation_id == row.organisation_id,
            Deposit.sweep_id == row.id,
            Deposit.swept_at.is_(None),
        )
    ).all()
    if mined and left:
        screening.open_alert(
            uow,
            organisation_id=row.organisation_id,
            kind="deposits.sweep_incomplete",
            subject=str(row.id),
            reference=str(row.id),
            detail={"deposits": [str(deposit.id) for deposit in left]},
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


def _sweepable(uow: UnitOfWork, chain_id: int) -> list[Deposit]:
    """Credited, final, not swept, not planned, not frozen; oldest first, locked."""
    frozen = {(view.custody_code, view.asset) for view in wallets.freezes(uow)}
    found = uow.session.scalars(
        select(Deposit)
        .where(
            Deposit.organisation_id == uow.organisation_id,
            Deposit.chain_id == chain_id,
            Deposit.disposition == "credited",
            Deposit.chain_state == "finalized",
            Deposit.address_kind == "deposit",
            Deposit.swept_at.is_(None),
            Deposit.sweep_id.is_(None),
        )
        .order_by(Deposit.id)
        .limit(ITEMS_MAX * CLEARANCES_MAX)
        .with_for_update()
    )
    return [row for row in found if (row.custody_code, row.asset) not in frozen]


def _items(
    uow: UnitOfWork, rows: Sequence[Deposit], addresses: dict[bytes, AddressView]
) -> tuple[list[dict[str, Any]], list[Deposit]]:
    """The signer's items, one an address and token, and the deposits that they take along."""
    groups: defaultdict[tuple[bytes, bytes | None], list[Deposit]] = defaultdict(list)
    clearances: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        key = (row.address, row.token)
        if row.address not in addresses or row.screening_request_id is None:
            continue
        group = groups.get(key, [])
        if len(group) == CLEARANCES_MAX or (not group and len(groups) == ITEMS_MAX):
            continue
        view = screening.clearance(uow, row.screening_request_id)
        if view.document is None or view.signature is None:
            continue
        clearances[row.id] = {
            "document": dict(view.document),
            "signature": to_hex(view.signature),
        }
        groups[key].append(row)
    items = [
        {
            "index": addresses[address].index,
            "token": checksum(token or ZERO),
            "units": str(sum(row.units for row in group)),
            "clearances": [clearances[row.id] for row in group],
        }
        for (address, token), group in groups.items()
    ]
    return items, [row for group in groups.values() for row in group]
