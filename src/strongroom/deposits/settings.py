"""Rules of crediting and schedules of sweeping, as people set them; what was in force is kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from strongroom.auditlog import service as auditlog
from strongroom.db import arrays
from strongroom.db.actor import Actor
from strongroom.db.database import UnitOfWork
from strongroom.deposits.errors import RuleInvalid, RuleUnknown, ScheduleInvalid
from strongroom.deposits.models import DepositRule, SweepSchedule
from strongroom.deposits.schedule import EVERY_MOMENT, Schedule
from strongroom.deposits.terms import Kind, Level, Rule
from strongroom.kit.ids import HOUSE


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule to set; see terms.Rule."""

    kind: Kind
    chain_id: int | None = None
    asset: str | None = None
    units: int = 0
    confirmations: int = 0
    level: Level = "confirmed"


def set_rule(uow: UnitOfWork, new: NewRule) -> Rule:
    """Set a rule of the unit's organisation (HOUSE: of the house, for all). One of the same kind,
    chain, asset and first amount ends. Raises RuleInvalid.
    """
    _check_rule(new)
    rows = uow.session.scalars(_standing(uow, new).with_for_update())
    for row in rows:
        row.ended_at, row.ended_by = uow.now, _name(uow.actor)
    uow.session.flush()
    added = DepositRule(
        organisation_id=uow.organisation_id,
        id=uow.new_id(),
        kind=new.kind,
        chain_id=new.chain_id,
        asset=new.asset,
        units=new.units,
        confirmations=new.confirmations,
        level=new.level,
        set_at=uow.now,
        set_by=_name(uow.actor),
    )
    uow.session.add(added)
    uow.session.flush()
    _record(uow, "deposits.rule_set", added)
    return _rule(added)


def end_rule(uow: UnitOfWork, rule_id: UUID) -> Rule:
    """Let a rule of the unit's organisation end. Raises RuleUnknown."""
    row = uow.session.get(DepositRule, (uow.organisation_id, rule_id), with_for_update=True)
    if row is None:
        raise RuleUnknown("The organisation has no such rule of deposits.")
    if row.ended_at is None:
        row.ended_at, row.ended_by = uow.now, _name(uow.actor)
        _record(uow, "deposits.rule_ended", row)
    return _rule(row)


def rules_of(uow: UnitOfWork) -> list[Rule]:
    """Every rule that ever bound the unit's organisation, the house's too, newest first."""
    query = select(DepositRule).where(_binding({uow.organisation_id or HOUSE}))
    return [_rule(row) for row in uow.session.scalars(query.order_by(DepositRule.id.desc()))]


def standing_rules(uow: UnitOfWork, organisations: Iterable[UUID]) -> list[Rule]:
    """The rules in force of the house and of these organisations."""
    found = uow.execute(
        "SELECT organisation_id, id, kind, chain_id, asset, units, confirmations, level, set_at,"
        " set_by, ended_at, ended_by FROM deposit_rule"
        " WHERE organisation_id = ANY(%s::uuid[]) AND ended_at IS NULL",
        (arrays.uuids({HOUSE, *organisations}),),
    )
    return [Rule(*(*row[:5], int(row[5]), *row[6:])) for row in found]


def set_schedule(uow: UnitOfWork, chain_id: int, schedule: Schedule) -> Schedule:
    """Say when the unit's organisation is swept from now on. Raises ScheduleInvalid."""
    if (schedule.window_from_minute is None) != (schedule.window_to_minute is None) or (
        schedule.window_from_minute is not None
        and schedule.window_from_minute == schedule.window_to_minute
    ):
        raise ScheduleInvalid("A window needs both its ends, and they differ; or name neither.")
    row = SweepSchedule(
        organisation_id=uow.organisation_id,
        id=uow.new_id(),
        chain_id=chain_id,
        minimums={asset: str(units) for asset, units in schedule.minimums.items()},
        interval_seconds=schedule.interval_seconds,
        window_from_minute=schedule.window_from_minute,
        window_to_minute=schedule.window_to_minute,
        max_fee_per_gas_wei=schedule.max_fee_per_gas_wei,
        set_at=uow.now,
        set_by=_name(uow.actor),
    )
    uow.session.add(row)
    uow.session.flush()
    cap = schedule.max_fee_per_gas_wei
    body = {
        "chain_id": chain_id,
        "minimums": dict(row.minimums),
        "interval_seconds": row.interval_seconds,
        "window": [row.window_from_minute, row.window_to_minute],
        "max_fee_per_gas_wei": None if cap is None else str(cap),
    }
    auditlog.append(uow, "deposits.schedule_set", str(row.id), body)
    return schedule


def schedule_of(uow: UnitOfWork, chain_id: int) -> Schedule:
    """The schedule of the unit's organisation that is in force."""
    row = uow.session.scalars(
        select(SweepSchedule)
        .where(
            SweepSchedule.organisation_id == uow.organisation_id,
            SweepSchedule.chain_id == chain_id,
        )
        .order_by(SweepSchedule.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return EVERY_MOMENT
    return Schedule(
        minimums={asset: int(units) for asset, units in row.minimums.items()},
        interval_seconds=row.interval_seconds,
        window_from_minute=row.window_from_minute,
        window_to_minute=row.window_to_minute,
        max_fee_per_gas_wei=row.max_fee_per_gas_wei,
    )


def _check_rule(new: NewRule) -> None:
    if new.kind == "dust" and (not new.units or new.confirmations or new.level != "confirmed"):
        raise RuleInvalid("A dust rule names the amount below which a deposit is dust, no depth.")
    if new.kind == "confirmation" and not new.confirmations and new.level == "confirmed":
        raise RuleInvalid("A confirmation rule names a number of blocks, or the level safe, final.")
    if new.asset is None and (new.kind == "dust" or new.units):
        raise RuleInvalid("An amount is one of an asset; name the asset.")


def _standing(uow: UnitOfWork, new: NewRule) -> Select[DepositRule]:
    query = select(DepositRule).where(
        DepositRule.organisation_id == uow.organisation_id,
        DepositRule.kind == new.kind,
        DepositRule.chain_id.is_not_distinct_from(new.chain_id),
        DepositRule.asset.is_not_distinct_from(new.asset),
        DepositRule.ended_at.is_(None),
    )
    return query if new.kind == "dust" else query.where(DepositRule.units == new.units)


def _binding(organisations: Iterable[UUID]) -> ColumnElement[bool]:
    return DepositRule.organisation_id.in_(sorted({HOUSE, *organisations}))


def _record(uow: UnitOfWork, action: str, row: DepositRule) -> None:
    body = {
        "kind": row.kind,
        "chain_id": row.chain_id,
        "asset": row.asset,
        "units": str(row.units),
        "confirmations": row.confirmations,
        "level": row.level,
    }
    auditlog.append(uow, action, str(row.id), body)


def _rule(row: DepositRule) -> Rule:
    return Rule(
        organisation_id=row.organisation_id,
        id=row.id,
        kind=cast("Kind", row.kind),
        chain_id=row.chain_id,
        asset=row.asset,
        units=row.units,
        confirmations=row.confirmations,
        level=cast("Level", row.level),
        set_at=row.set_at,
        set_by=row.set_by,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


def _name(actor: Actor) -> str:
    return f"{actor.kind}:{actor.id}"
