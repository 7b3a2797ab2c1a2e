"""A websocket shortens the wait and nothing else: it may lie, break or fall silent (P2, P10)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY

from strongroom.indexer import hints as hints_module
from strongroom.indexer.follower import Follower
from strongroom.indexer.hints import Hints
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage
from tests.factories.parts.wire import Wire, wire_to

LONG_SECONDS = 30.0
SILENT_SECONDS = 0.4


@contextmanager
def hinted(stage: Stage, port: int, chain_id: int | None = None):
    url = f"ws://127.0.0.1:{port}"
    hints = Hints(
        stage.threads[-1],
        [url],
        chain_id or stage.chain.chain_id,
        silent_seconds=SILENT_SECONDS,
    )
    try:
        yield hints
    finally:
        hints.stop()


@pytest.fixture
def wire(stage: Stage) -> Iterator[Wire]:
    with wire_to(stage.chain.port) as made:
        yield made


def sample(name: str, stage: Stage, **more: str) -> float:
    labels = {"chain": str(stage.chain.chain_id), **more}
    return REGISTRY.get_sample_value(name, labels) or 0


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def connected(stage: Stage) -> bool:
    return sample("strongroom_ws_connected", stage) == 1


def follow(follower: Follower, hints: Hints, until_height: int) -> None:
    """As the process does: step while there is work, then wait."""
    end = time.monotonic() + 15
    while follower.cursor is None or follower.cursor.height < until_height:
        assert time.monotonic() < end, "the block was not read"
        if not follower.step():
            hints.wait(follower.head)


def test_a_new_head_ends_the_wait_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hints_module, "WATCH_SECONDS", LONG_SECONDS)
    follower = stage.follower()
    stage.catch_up(follower)
    with hinted(stage, stage.chain.port) as hints:
        until(lambda: connected(stage))
        hints.wait(follower.head)  # the new connection is a hint, too
        threading.Timer(0.2, stage.chain.mine).start()
        begun = time.monotonic()
        hints.wait(follower.head)
        assert 0.1 < time.monotonic() - begun < LONG_SECONDS / 10


def test_without_a_websocket_the_node_is_polled(stage: Stage):
    follower = stage.follower()
    stage.catch_up(follower)
    hints = Hints(stage.threads[-1], (), stage.chain.chain_id)
    stage.chain.mine()
    follow(follower, hints, stage.chain.height())
    hints.stop()


def test_what_was_mined_while_the_wire_was_cut_is_booked_after_it(stage: Stage, wire: Wire):
    follower = stage.follower()
    stage.catch_up(follower)
    with hinted(stage, wire.port) as hints:
        until(lambda: connected(stage))
        wire.cut(down=True)
        until(lambda: not connected(stage))
        for units in (1, 2):
            stage.send(ADDRESS, units)
            stage.chain.mine()
        stage.send(ADDRESS, 3)
        threading.Timer(0.5, stage.chain.mine).start()  # while it waits, and nobody tells it
        follow(follower, hints, stage.chain.height() + 1)
        wire.cut()
        until(lambda: connected(stage))
        stage.send(ADDRESS, 4)
        follow(follower, hints, stage.chain.mine())
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 10
    stage.assert_sound()


def test_a_websocket_that_falls_silent_is_left_and_the_poll_goes_on(
    stage: Stage, wire: Wire, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hints_module, "WATCH_SECONDS", 0.2)
    follower = stage.follower()
    stage.catch_up(follower)
    with hinted(stage, wire.port) as hints:
        until(lambda: connected(stage))
        hints.wait(follower.head)
        before = sample("strongroom_ws_ends_total", stage, reason="silent")
        wire.mute()
        time.sleep(SILENT_SECONDS * 1.5)
        stage.send(ADDRESS, 7)
        follow(follower, hints, stage.chain.mine())
        assert stage.balances()[f"{SUSPENSE} {ETH}"] == 7
        hints.wait(follower.head)
        until(lambda: sample("strongroom_ws_ends_total", stage, reason="silent") > before)
        until(lambda: wire.connections == 2 and connected(stage))
        heads = sample("strongroom_ws_heads_total", stage)
        stage.chain.mine()
        until(lambda: sample("strongroom_ws_heads_total", stage) > heads)


def test_quiet_because_no_block_comes_is_not_silence(stage: Stage, wire: Wire):
    follower = stage.follower()
    stage.catch_up(follower)
    with hinted(stage, wire.port) as hints:
        until(lambda: connected(stage))
        hints.wait(follower.head)
        time.sleep(SILENT_SECONDS * 3)
        stage.chain.mine()
        follow(follower, hints, stage.chain.height())
        hints.wait(follower.head)
        time.sleep(SILENT_SECONDS * 3)
        assert wire.connections == 1
        assert connected(stage)


def test_a_websocket_of_another_chain_is_not_listened_to(stage: Stage, wire: Wire):
    follower = stage.follower()
    with hinted(stage, wire.port, chain_id=5) as hints:
        ends = {"chain": "5", "reason": "wrong_chain"}
        until(lambda: (REGISTRY.get_sample_value("strongroom_ws_ends_total", ends) or 0) > 0)
        stage.chain.mine()
        follow(follower, hints, stage.chain.height())
