"""The relay's look ahead: first attempts are simulated before the signer is asked for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import logger
from strongroom.relay import alerts, foresight
from strongroom.relay.foresight import Foreseen, SentCall
from strongroom.relay.ports import CallSource, SendingNode
from strongroom.relay.repository import Claim, Row
from strongroom.relay.rules import Pace
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.errors import ProtocolError

WOULD_REVERT: Final = (
    "A node says that it would do nothing now; it is asked again, and sent all the same after a "
    "while:"
)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Ahead:
    """`held`: rows that wait, with the sentence why."""

    held: Mapping[UUID, str] = field(default_factory=dict)
    calls: Mapping[UUID, SentCall] = field(default_factory=dict)
    seen: Mapping[UUID, Foreseen] = field(default_factory=dict)

    def keep(self, uow: UnitOfWork, row: Row) -> None:
        """Keep what the block will be compared with; tell people who else would be paid."""
        seen = self.seen.get(row.id)
        if seen is None or seen.moved is None:
            return
        row.predicted = foresight.kept(seen.moved)
        for other in foresight.others(self.calls[row.id], seen):
            who = checksum(Address(other))
            sentence = f"By a node's word it pays {who}, too, whom nobody approved; it was sent."
            owner = row.claim.outgoing.organisation_id
            alerts.tell(uow, owner, "other_recipient", str(row.id), who, sentence)


class Foreseer:
    """Asks the node, in one batch."""

    def __init__(
        self, database: Database, node: SendingNode, sources: Sequence[CallSource], pace: Pace
    ) -> None:
        """`sources`: who knows what will be signed, where a row does not say it."""
        self._database = database
        self._node = node
        self._sources = tuple(sources)
        self._pace = pace
        self._actor: Actor = system("relay")

    def look(self, claims: Sequence[Claim]) -> Ahead:
        """What a node says that these would do if they were mined now."""
        found = {claim.outgoing.id: foresight.call_of(claim.outgoing) for claim in claims}
        if self._sources and None in found.values():
            with self._database.read(None, self._actor) as uow:
                for claim in claims:
                    if found[claim.outgoing.id] is None:
                        found[claim.outgoing.id] = self._call(uow, claim)
        calls = {one: call for one, call in found.items() if call is not None}
        if not calls:
            return Ahead()
        told = foresight.foresee(self._node, list(calls.values()))
        seen = dict(zip(calls, told, strict=True))
        since = self._database.clock.now() - timedelta(seconds=self._pace.foresight_seconds)
        young = {one.outgoing.id for one in claims if one.attempts[0].planned_at > since}
        fails = {one: foresight.fails(calls[one], what) for one, what in seen.items()}
        held = {one: f"{WOULD_REVERT} {why}." for one, why in fails.items() if why and one in young}
        self._tell(claims, {one: held[one] for one in held if calls[one].expected})
        return Ahead(held | self._held(claims, calls, seen), calls, seen)

    def _tell(self, claims: Sequence[Claim], failing: Mapping[UUID, str]) -> None:
        """Nobody waits for a sweep and sees that it does: people are told."""
        if not failing:
            return
        with self._database.unit(None, self._actor) as uow:
            for claim in claims:
                one = claim.outgoing
                if one.id in failing:
                    kind, sentence = "sweep_would_fail", failing[one.id]
                    alerts.tell(uow, one.organisation_id, kind, str(one.id), "", sentence)

    def _held(
        self,
        claims: Sequence[Claim],
        calls: Mapping[UUID, SentCall],
        seen: Mapping[UUID, Foreseen],
    ) -> dict[UUID, str]:
        """Those that would pay somebody who is not screened yet, or is not clear."""
        others = {one: foresight.others(calls[one], what) for one, what in seen.items()}
        if not any(others.values()):
            return {}
        held: dict[UUID, str] = {}
        with self._database.unit(None, self._actor) as uow:
            for claim in claims:
                outgoing = claim.outgoing
                for source in self._sources if others.get(outgoing.id) else ():
                    sentence = source.held(uow, outgoing, others[outgoing.id])
                    if sentence is not None:
                        held[outgoing.id] = sentence
        return held

    def _call(self, uow: UnitOfWork, claim: Claim) -> SentCall | None:
        for source in self._sources:
            try:
                call = source.call_of(uow, claim.outgoing)
            except (StrongroomError, ProtocolError, LookupError) as error:
                log.warning("relay.not_foreseen", outgoing=str(claim.outgoing.id), why=repr(error))
                continue
            if call is not None:
                return call
        return None
