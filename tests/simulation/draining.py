"""After the steps: everything is well again, blocks come, and the queue must drain."""

import time
from typing import Any

from strongroom.workers.jobs import jobs
from tests.simulation.acts import CALM_GWEI, Scene, base_fee, time_passes

LOOK_SECONDS = 0.05
BLOCK_SECONDS = 0.1
HASTE_SECONDS = 20.0
SLOW_BLOCK_SECONDS = 1.0
LATER_SECONDS = 1.0
DRAIN_SECONDS = 150.0
STUCK_SECONDS = 40.0
"""Nothing at all has moved for so long: nothing will."""
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
# What changes with each thing that gets on; leases and claims, which come and go, are left out.
_PROGRESS = (
    "SELECT (SELECT array_agg(state ORDER BY id) FROM outgoing"
    "        WHERE state NOT IN ('finalized', 'failed', 'cancelled')),"
    " (SELECT count(*) FROM outgoing), (SELECT count(*) FROM outgoing_attempt),"
    " (SELECT count(*) FROM withdrawal_transition), (SELECT count(*) FROM deposit_transition),"
    f" (SELECT count(*) FROM outbox WHERE done_at IS NULL AND NOT topic = ANY('{{{_PERIODIC}}}'))"
)


class NotDrained(Exception):
    """Something still waits, or will never go on; the text says what."""


def drain(scene: Scene) -> None:
    """Heal everything and let it come to rest. Raises NotDrained, DiedByItself."""
    world, staff = scene.world, scene.staff
    for proxy in world.proxies.values():
        proxy.set(0)
    staff.kill("twin")
    base_fee(world, CALM_GWEI)
    begun = later = block = moved = time.monotonic()
    (newest,) = world.rows("SELECT coalesce(max(id), 0) FROM log_pending")[0]
    progress = world.rows(_PROGRESS)
    while True:
        staff.tend()
        world.tend_signer()
        scene.tend()
        left = waiting(scene, newest)
        scene.waited |= dict.fromkeys(left, time.monotonic() - begun)
        if not left and _at_rest(scene):
            return
        now = time.monotonic()
        _check_hope(scene)
        if (found := world.rows(_PROGRESS)) != progress:
            progress, moved = found, now
        if now > min(begun + DRAIN_SECONDS, moved + STUCK_SECONDS):
            raise NotDrained(f"after {now - begun:.0f} seconds: {_told(left | _where(scene))}")
        if now > later:
            time_passes(world)
            later = now + LATER_SECONDS
        if left and now > block:
            world.chain.mine()
            # The node keeps some hundred states: what takes long must not outlive them.
            block = now + (BLOCK_SECONDS if now < begun + HASTE_SECONDS else SLOW_BLOCK_SECONDS)
        time.sleep(LOOK_SECONDS)


def _check_hope(scene: Scene) -> None:
    """Raises NotDrained where only people could let it go on: nothing here gives them a reason."""
    frozen = scene.world.rows("SELECT custody_code, asset, reason FROM custody_freeze LIMIT 5")
    if frozen:
        raise NotDrained(f"frozen: {frozen}")
    (cursor,) = _where(scene)["cursor"]
    if cursor[2] is not None:
        raise NotDrained(f"the indexer has halted: {cursor[2]}")


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
