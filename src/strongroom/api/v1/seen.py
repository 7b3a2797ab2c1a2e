"""What approvers see, as JSON: lines, cautions, digests, the simulation, who is still needed."""

from datetime import datetime
from typing import Any

from strongroom.api.shapes import Shown, hexed
from strongroom.withdrawals.seen import Seen, SimulationView
from strongroom.withdrawals.sequence import Need
from strongroom.withdrawals.types import ReminderView
from strongroom_protocol.addresses import checksum
from strongroom_protocol.decoded import Line


class LineOut(Shown):
    """One thing that happens when the bytes are executed, in words and in parts. `value`: in money,
    where two fresh rates agree.
    """

    kind: str
    text: str
    call: str
    to: str
    arguments: list[str]
    token: str | None
    recipient: str | None
    units: str | None
    value: str | None
    nested: list["LineOut"]

    @classmethod
    def of(cls, line: Line) -> "LineOut":
        """Show a line."""
        return cls(
            kind=line.kind,
            text=line.text,
            call=line.call,
            to=checksum(line.to),
            arguments=list(line.arguments),
            token=None if line.token is None else checksum(line.token),
            recipient=None if line.recipient is None else checksum(line.recipient),
            units=None if line.units is None else str(line.units),
            value=line.value,
            nested=[cls.of(one) for one in line.nested],
        )


class CautionOut(Shown):
    """Something to look at before signing; `code` is stable."""

    code: str
    text: str


class SimulationOut(Shown):
    """What a node said; it may warn and never clears. `changes`: address, token, units."""

    method: str
    block_height: int | None
    succeeded: bool | None
    changes: list[dict[str, str]]
    asked_at: datetime

    @classmethod
    def of(cls, view: SimulationView) -> "SimulationOut":
        """Show a view."""
        return cls(
            method=view.method,
            block_height=view.block_height,
            succeeded=view.succeeded,
            changes=[dict(one) for one in view.changes],
            asked_at=view.asked_at,
        )


class SeenOut(Shown):
    """What is to be signed, from its very bytes. `refused`: it has no plain words; nobody signs."""

    refused: str | None
    lines: list[LineOut]
    cautions: list[CautionOut]
    domain_hash: str | None
    message_hash: str | None
    digest: str | None
    simulation: SimulationOut | None

    @classmethod
    def of(cls, seen: Seen) -> "SeenOut":
        """Show it."""
        found = seen.decoded
        return cls(
            refused=seen.refused,
            lines=[] if found is None else [LineOut.of(one) for one in found.lines],
            cautions=[CautionOut(code=one.code, text=one.text) for one in seen.cautions],
            domain_hash=hexed(None if found is None else found.domain_hash),
            message_hash=hexed(None if found is None else found.message_hash),
            digest=hexed(None if found is None else found.digest),
            simulation=None if seen.simulation is None else SimulationOut.of(seen.simulation),
        )


class NeedOut(Shown):
    """What a rule still asks for: any one of `paths`, each a list of groups in their order."""

    rule: str
    met: bool
    paths: list[list[dict[str, Any]]]

    @classmethod
    def of(cls, need: Need) -> "NeedOut":
        """Show a need."""
        return cls(
            rule=need.rule_id,
            met=need.is_met,
            paths=[
                [
                    {
                        "group": group.sentence,
                        "missing": group.missing,
                        "people": list(group.people),
                        "next": group.is_next,
                    }
                    for group in path
                ]
                for path in need.paths
            ],
        )


class ReminderOut(Shown):
    """Who was reminded, and of what."""

    people: list[str]
    sentence: str
    at: datetime

    @classmethod
    def of(cls, view: ReminderView) -> "ReminderOut":
        """Show a view."""
        return cls(people=list(view.people), sentence=view.sentence, at=view.at)
