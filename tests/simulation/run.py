"""Seeds, one after the other, on a world that stays warm."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.simulation import draining, promises
from tests.simulation.acts import Scene
from tests.simulation.plan import STEPS, Plan, make_plan
from tests.simulation.processes import DiedByItself, Staff
from tests.simulation.world import World, opened_world

WORLD_SEEDS = 40
"""Seeds on one world: its chain and its tables grow, and each check reads them."""


@dataclass(frozen=True)
class Outcome:
    """What a seed came to."""

    plan: Plan
    broken: tuple[str, ...]
    seconds: float
    counts: dict[str, int]
    refused: tuple[str, ...] = ()
    waited: str = ""
    """Which queue took longest to drain, and how long."""

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return not self.broken

    def __str__(self) -> str:
        """One line."""
        counted = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        verdict = "ok" if self.good else "BROKEN"
        return (
            f"seed {self.plan.seed:>6}  {verdict:<6} {self.seconds:5.1f} s  {counted}{self.waited}"
        )


def run_seeds(
    seeds: Iterable[int], *, steps: int = STEPS, fault: str | None = None
) -> Iterator[Outcome]:
    """Each seed's outcome as it comes; a world that a seed broke is thrown away. Seeds are taken
    one by one, so that several processes may take theirs from one supply.
    """
    supply = iter(seeds)
    seed = next(supply, None)
    while seed is not None:
        with opened_world() as world:
            for _ in range(WORLD_SEEDS):
                outcome = run_seed(world, make_plan(seed, steps), fault)
                yield outcome
                seed = next(supply, None)
                if seed is None or not outcome.good:
                    break


def run_seed(world: World, plan: Plan, fault: str | None = None) -> Outcome:
    """Play a plan, let everything come to rest, and look at the promises."""
    begun = time.monotonic()
    staff = Staff()
    scene = Scene(world, staff)
    broken: list[str] = []
    try:
        _open(world, staff, plan, fault)
        for step in plan.steps:
            scene.do(step)
            done = time.monotonic()
            staff.tend()
            world.tend_signer()
            scene.tend()
            time.sleep(max(0.0, done + step.pause_ms / 1_000 - time.monotonic()))
        draining.drain(scene)
    except (draining.NotDrained, DiedByItself) as error:
        broken.append(f"{type(error).__name__}: {error}")
    finally:
        staff.end()
    broken += promises.broken(scene)
    seconds = time.monotonic() - begun
    refused = tuple(sorted(set(scene.happened)))
    return Outcome(plan, tuple(broken), seconds, _counts(scene), refused, _slowest(scene))


def _slowest(scene: Scene) -> str:
    name = max(scene.waited, key=lambda one: scene.waited[one], default="")
    return f"; {scene.waited[name]:.0f} s for {name}" if name else ""


def _open(world: World, staff: Staff, plan: Plan, fault: str | None) -> None:
    staff.start(world.orders("indexer", witnesses=plan.witnesses, fault=fault))
    staff.start(world.orders("relay", fault=fault))
    staff.start(world.orders("office", fault=fault))
    if plan.relays > 1:
        staff.start(world.orders("stand-by", fault=fault))
    if plan.workers:
        staff.start(world.orders("crew", workers=plan.workers, fault=fault))


def _counts(scene: Scene) -> dict[str, int]:
    world = scene.world
    (orphaned,) = world.rows(
        "SELECT count(*) FROM chain_block WHERE state = 'orphaned' AND height > %s",
        scene.first_height,
    )[0]
    states = world.rows("SELECT count(*) FROM withdrawal WHERE id = ANY(%s)"
                        " AND state = 'finalized'", scene.orders)  # fmt: skip
    return {
        "payments in": len(scene.payments),
        "orders": len(scene.orders),
        "paid": states[0][0],
        "blocks": world.chain.height() - scene.first_height,
        "orphaned": orphaned,
        "kills": scene.staff.kills,
    }
