"""Faults that are put into our own processes on purpose: the simulation must find each of them.

Each is a mistake that a good engineer could make, or one that others were seen to make.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from strongroom.chain import traces
from strongroom.chain.errors import ChainError, NonceTooLow
from strongroom.chain.headers import Header
from strongroom.chain.ports import BlockView
from strongroom.db import outbox
from strongroom.db.actor import system
from strongroom.db.database import UnitOfWork
from strongroom.deposits.sink import DepositSink
from strongroom.indexer import cursor as cursors
from strongroom.indexer.follower import Follower
from strongroom.indexer.types import Cursor
from strongroom.kit.ids import HOUSE
from strongroom.ledger.types import Posting
from strongroom.relay import service as relay
from strongroom.relay.loop import RelayLoop
from strongroom.relay.repository import Row
from strongroom.workers import app
from strongroom_protocol.hashing import keccak256

ACTOR: Final = system("simulation")


def plant(fault: str | None) -> None:
    """Change this process, and no other."""
    if fault is not None:
        FAULTS[fault]()


def take_the_next_nonce() -> None:
    """*Nonce too low*: take a new nonce and send again. Others pay twice this way."""
    sound = RelayLoop._sent

    def sent(self: RelayLoop, uow: UnitOfWork, row: Row, answer: bytes | ChainError) -> None:
        sound(self, uow, row, answer)
        if isinstance(answer, NonceTooLow):
            one = row.claim.outgoing
            relay.enqueue(
                uow,
                one.organisation_id,
                one.purpose,
                keccak256(one.ref),
                one.payload,
                chain_id=one.chain_id,
            )

    RelayLoop._sent = sent  # type: ignore[method-assign]


def forget_the_reversal() -> None:
    """A block that left the chain takes its rows along, and not what was booked."""
    sound = DepositSink.on_orphaned

    def on_orphaned(self: DepositSink, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        sound(self, uow, block)
        return []

    DepositSink.on_orphaned = on_orphaned  # type: ignore[method-assign]


def move_the_cursor_blindly() -> None:
    """The cursor is written, whoever moved it meanwhile."""

    def move(uow: UnitOfWork, old: Cursor, **changes: Any) -> Cursor:
        new = replace(old, **changes, updated_at=uow.now)
        uow.execute(
            "UPDATE chain_cursor SET height = %s, block_hash = %s, confirmed_height = %s,"
            " safe_height = %s, finalized_height = %s, balances_height = %s, halted_reason = %s"
            " WHERE chain_id = %s",
            (
                new.height,
                new.block_hash,
                new.confirmed_height,
                new.safe_height,
                new.finalized_height,
                new.balances_height,
                new.halted_reason,
                old.chain_id,
            ),
        )
        return new

    _everywhere("move_cursor", cursors.move_cursor, move)


def believe_reverted_calls() -> None:
    """A call counts if it has no error of its own: its parent may have been reverted."""

    def below(place: list[int], dropped: list[list[int]]) -> bool:
        return place in dropped

    traces._below = below


def name_postings_by_height() -> None:
    """The key of a posting names the height, and not which block was there."""

    def tag(self: BlockView) -> str:
        return f"{self.chain_id}:{self.height}"

    BlockView.tag = property(tag)  # type: ignore[assignment, method-assign]


def take_a_lagging_node_for_a_fork() -> None:
    """A head below ours is taken for another chain."""

    def on_a_dead_fork(self: Follower, cursor: Cursor, latest: Header) -> bool:
        del self
        lower = latest.height < cursor.height
        return lower or (latest.height == cursor.height and latest.hash != cursor.block_hash)

    Follower._on_a_dead_fork = on_a_dead_fork  # type: ignore[method-assign]


def end_messages_before_their_work() -> None:
    """A message is marked done in a unit of its own, before it is handled."""

    def deliver(self: app.Delivery, organisation_id: UUID, outbox_id: UUID) -> None:
        owner = None if organisation_id == HOUSE else organisation_id
        database = self._services.database
        with database.unit(owner, ACTOR) as uow:
            taken = outbox.take(uow, organisation_id, outbox_id)
            if taken is None:
                return
            outbox.done(uow, organisation_id, outbox_id)
        with database.unit(owner, ACTOR) as uow:
            self._handle(uow, taken)

    app.Delivery.deliver = deliver  # type: ignore[method-assign]


def _everywhere(name: str, sound: object, faulty: object) -> None:
    """Replace a function in each module that has imported it by name."""
    for module in list(sys.modules.values()):
        if getattr(module, name, None) is sound:
            setattr(module, name, faulty)


FAULTS: dict[str, Callable[[], None]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        take_the_next_nonce,
        forget_the_reversal,
        move_the_cursor_blindly,
        believe_reverted_calls,
        name_postings_by_height,
        take_a_lagging_node_for_a_fork,
        end_messages_before_their_work,
    )
}
