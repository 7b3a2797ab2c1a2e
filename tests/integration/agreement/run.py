"""The run: episodes of organisations that live side by side, round after round, until enough cases
were compared; the first breach ends it with a script that plays it again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.integration.agreement.acts import act_of, play
from tests.integration.agreement.batches import beside, compared
from tests.integration.agreement.compare import Tally, breaches, histories, sums
from tests.integration.agreement.firm import Body, Firm
from tests.integration.agreement.generate import moved_on, script_of, step_of
from tests.integration.agreement.world import World

FIRMS = 48
ROUNDS = 60
# Business hours come back after a week, buckets after three hours: replays begin at the same place.
WEEK = 7 * 86_400
# A breach is made shorter in so many trials at most; each founds an organisation of its own.
SHRINKINGS = 60
TYPE = "strongroom.agreement/1"
Told = Callable[[int], None]


@dataclass
class Breach:
    """What went wrong, and the script that shows it: one organisation and its payments."""

    words: list[str]
    script: Body
    steps: list[Body]

    def document(self) -> Body:
        """The JSON of a replay."""
        return {"type": TYPE, "words": self.words, "script": self.script, "steps": self.steps}


@dataclass
class Report:
    """What a run came to."""

    seed: int
    tally: Tally = field(default_factory=Tally)
    breach: Breach | None = None
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """How many were compared."""
        return self.tally.counts["cases"]


def run(
    world: World, seed: int, cases: int, told: Told = lambda _done: None, firms: int = FIRMS
) -> Report:
    """Compare that many cases, or up to the first breach."""
    report, rng, begun = Report(seed), Random(seed), time.monotonic()
    while report.cases < cases and report.breach is None:
        _episode(world, rng, cases, report, told, firms)
    report.seconds = time.monotonic() - begun
    return report


def accounts_for(cases: int, firms: int = FIRMS) -> int:
    """How many organisations a run needs, with some for replays."""
    return (cases // (firms * ROUNDS) + 1) * firms + SHRINKINGS + 1


def _episode(world: World, rng: Random, cases: int, report: Report, told: Told, count: int) -> None:
    align(world)
    firms = world.found([script_of(rng) for _ in range(count)])
    began = world.now
    steps: dict[str, list[Body]] = {firm.name: [] for firm in firms}
    for _ in range(ROUNDS):
        world.desk.clock.advance(moved_on(rng, world.now) - world.now)
        for firm in firms:
            firm.now = world.now
        acts = [(firm, act) for firm in firms if (act := act_of(rng, firm))]
        wrong = play(world, acts)
        done = {firm.name: act for firm, act in acts}
        drawn = [(firm, step_of(rng, firm, world.now)) for firm in firms]
        asked = [(firm, step | beside(step, firm, world.now)) for firm, step in drawn]
        for firm, step in asked:
            act = {"act": done[firm.name]} if firm.name in done else {}
            steps[firm.name].append(step | act | {"after": world.now - began})
        wrong += _compared(world, asked, [rng.getrandbits(16)], report.tally)
        told(report.cases)
        if wrong:
            firm = wrong[0][0]
            words = [each for of, each in wrong if of is firm]
            report.breach = Breach(words, firm.script, steps[firm.name])
        if wrong or report.cases >= cases:
            return


def _compared(
    world: World, asked: list[tuple[Firm, Body]], draws: list[int], tally: Tally
) -> list[tuple[Firm, str]]:
    """One round: the sums before it, batches, each case, windows that nobody may have asked for."""
    wrong = sums(world, [firm for firm, _ in asked])
    wrong += compared(world, [one for one in asked if "beside" in one[1]], tally)
    alone = [one for one in asked if "beside" not in one[1]]
    for place, one in enumerate(world.round(alone)):
        tally.add(one)
        wrong += [(one.firm, words) for words in breaches(one)]
        for draw in draws:
            wrong += [(one.firm, words) for words in histories(world, one, draw + place)]
    return wrong


def align(world: World) -> None:
    """Move on to where the next week begins, so that a replay meets the same edges."""
    world.desk.clock.advance(WEEK - world.now % WEEK)


def replayed(world: World, script: Body, steps: list[Body]) -> list[str]:
    """What goes wrong when one organisation makes these payments, or nothing."""
    align(world)
    (firm,) = world.found([script])
    began = world.now
    for step in steps:
        world.desk.clock.advance(began + step["after"] - world.now - 1)
        wrong = play(world, [(firm, step["act"])] if "act" in step else [])
        wrong += _compared(world, [(firm, step)], list(range(48)), Tally())
        if wrong:
            return [words for _, words in wrong]
    return []


def _kinds(wrong: list[str]) -> set[str]:
    """What breaches are about: a script that makes no sense is wrong in another way."""
    return {" ".join(words.split()[:3]) for words in wrong}


def shrunk(world: World, breach: Breach) -> Breach:
    """The same breach with fewer payments, in a bounded number of trials: halves first, then one
    after the other. The last payment is the one that shows it.
    """
    best, size = breach, max(1, len(breach.steps) // 2)
    trials = 0
    while trials < SHRINKINGS:
        start, before = 0, len(best.steps)
        while start < len(best.steps) - 1 and trials < SHRINKINGS:
            fewer = best.steps[:start] + best.steps[min(start + size, len(best.steps) - 1) :]
            trials += 1
            words = replayed(world, best.script, fewer)
            if _kinds(words) & _kinds(breach.words):
                best = Breach(words, best.script, fewer)
            else:
                start += size
        if size == 1 and len(best.steps) == before:
            break
        size = max(1, size // 2)
    return best
