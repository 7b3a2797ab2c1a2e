"""After the steps: everything is well again, blocks come, and the queue must drain."""

import time
from typing import Any

from strongroom.workers.jobs import jobs
from tests.simulation.acts import CALM_GWEI, Scene, base_fee, time_passes

BLOCK_SECONDS = 0.1
HASTE_SECONDS = 20.0
LATER_SECONDS = 1.0
DRAIN_SECONDS = 150.0
FINAL_BEHIND = 2

# Beat's jobs come every few seconds: one that is new says nothing.
_PERIODIC = ",".join([*(job.topic for job in jobs()), "deposits.sweep"])
_QUEUES = {
    "outgoing transactions that are not over": (
        "SELECT purpose, state, attempt, nonce, last_error FROM outgoing"
        " WHERE state NOT IN ('finalized', 'failed', 'cancelled')"
    ),
    "withdrawals that are not over": (
        "SELECT id, wallet_kind, state, reason FROM withdrawal WHERE state NOT IN"
        " ('finalized', 'rejected', 'expired', 'cancelled', 'blocked', 'failed')"
    ),
    "messages that are not done": (
        "SELECT topic, attempt, due_at - now(), last_error FROM outbox"
        " WHERE done_at IS NULL AND due_at < now() + interval '1 minute'"
        f" AND (created_at < now() - interval '10 seconds' OR NOT topic = ANY('{{{_PERIODIC}}}'))"
    ),
    "deposits that are not settled": (
        "SELECT chain_state, disposition, asset, tx_hash FROM deposit"
        " WHERE chain_state IN ('seen', 'confirmed') OR"
        " (chain_state = 'finalized' AND disposition = 'unscreened' AND asset IS NOT NULL)"
    ),
    "deposits that are not swept": (
        "SELECT d.address, d.asset, d.units, s.state FROM deposit AS d"
        " LEFT JOIN sweep AS s ON s.id = d.sweep_id WHERE d.chain_state = 'finalized'"
        " AND d.disposition = 'credited' AND d.address_kind = 'deposit' AND d.swept_at IS NULL"
    ),
}
_LOG = "records that are not sequenced"


class NotDrained(Exception):
    """Something still waits; the text says what."""


def drain(scene: Scene) -> None:
    """Heal everything and let it come to rest. Raises NotDrained, DiedByItself."""
    world, staff = scene.world, scene.staff
    for proxy in world.proxies.values():
        proxy.set(0)
    staff.kill("twin")
    base_fee(world, CALM_GWEI)
    begun = later = block = time.monotonic()
    (newest,) = world.rows("SELECT coalesce(max(id), 0) FROM log_pending")[0]
    while True:
        staff.tend()
        world.tend_signer()
        scene.tend()
        left = waiting(scene, newest)
        scene.waited |= dict.fromkeys(left, time.monotonic() - begun)
        if not left and _at_rest(scene):
            return
        if time.monotonic() > begun + DRAIN_SECONDS:
            raise NotDrained(f"after {DRAIN_SECONDS:.0f} seconds: {_told(left | _where(scene))}")
        if time.monotonic() > later:
            time_passes(world)
            later = time.monotonic() + LATER_SECONDS
        if left and time.monotonic() > block:
            world.chain.mine()
            # The node keeps some hundred states: what takes long must not outlive them.
            block = time.monotonic() + (0 if time.monotonic() < begun + HASTE_SECONDS else 1)
        time.sleep(BLOCK_SECONDS)


def waiting(scene: Scene, newest_record: int) -> dict[str, list[tuple[Any, ...]]]:
    """What is not done yet, by queue; of the log, what was written before the rest began."""
    found = {name: scene.world.rows(f"{query} LIMIT 5") for name, query in _QUEUES.items()}
    late = scene.world.rows("SELECT id FROM log_pending WHERE id <= %s LIMIT 5", newest_record)
    return {name: rows for name, rows in {**found, _LOG: late}.items() if rows}


def _at_rest(scene: Scene) -> bool:
    """Whether the indexer has read and finalized all that there is."""
    (cursor,) = _where(scene)["cursor"]
    head = scene.world.chain.height()
    return cursor[:2] == (head, head - FINAL_BEHIND)


def _where(scene: Scene) -> dict[str, list[tuple[Any, ...]]]:
    query = "SELECT height, finalized_height, halted_reason FROM chain_cursor"
    return {"cursor": scene.world.rows(query)}


def _told(left: dict[str, list[tuple[Any, ...]]]) -> str:
    return "; ".join(f"{name}: {rows}" for name, rows in left.items())
