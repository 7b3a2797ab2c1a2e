"""A stage whose chain began weeks ago, so that delays of days can pass while Permits stay valid."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from eth_account.signers.local import LocalAccount

from strongroom.cli.dev.anvil import anvil_program
from strongroom.cli.dev.program import running
from strongroom.policy import service as policy
from strongroom.vaults import steps
from strongroom.vaults.examiner import Examiner
from strongroom.vaults.pending import Pending
from strongroom.vaults.step_loop import StepLoop
from strongroom.vaults.steps import StepView
from strongroom.withdrawals import turns
from strongroom_protocol.vault_changes import change_document
from tests.factories.house import sign
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import REPOSITORY, free_port, short_folder
from tests.factories.stage import Stage

DAY = 86_400
BEGAN_DAYS_AGO = 60


@contextmanager
def chain_of_the_past() -> Iterator[Chain]:
    """A node whose first block is weeks old."""
    port, began = free_port(), int(time.time()) - BEGAN_DAYS_AGO * DAY
    with short_folder("av") as folder:
        log = folder / "anvil.log"
        program = anvil_program(REPOSITORY, log, port, block_seconds=None, kept_states=None)
        old = replace(program, argv=(*program.argv, "--timestamp", str(began)))
        with running(old):
            yield Chain(port)


class Governing:
    """The relay's parts for vault changes, and the people's part of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        house = stage.house
        self.examiner = Examiner(house.role("relay"), house.node, stage.chain.chain_id)
        self.loop = StepLoop(house.role("relay"), house.signer)

    def update_policy(self, *newcomers: LocalAccount, **changes: Any) -> None:
        """A new version by the administrator; people who are new in it prove their keys."""
        stage = self.stage
        with stage.unit() as uow:
            before = dict(policy.active(uow, stage.id).content)
            for name in ("version", "previous"):
                del before[name]
            prepared = policy.prepare(uow, {**before, **changes})
            signatures = [sign(one, prepared.typed_data) for one in (stage.cast.ada, *newcomers)]
            staged = policy.stage_update(uow, bundle=prepared.content, signatures=signatures)
        stage.house.signer.policy_update(staged.body)
        with stage.unit() as uow:
            policy.activate(uow, staged)

    def look(self) -> None:
        """The chain goes on to finality, and the examiner reads it."""
        self.stage.chain.mine(3)
        self.stage.index()
        self.examiner.examine(self.stage.id)

    def pending(self) -> list[Pending]:
        with self.stage.unit() as uow:
            return steps.wanted(uow)[1]

    def propose(self, change: dict[str, Any]) -> StepView:
        with self.stage.unit() as uow:
            return steps.propose(uow, change, turns.vault_turn(uow))

    def sign(self, step_id: UUID, who: LocalAccount) -> StepView:
        with self.stage.unit() as uow:
            typed = steps.get(uow, step_id).typed
        assert typed is not None
        with self.stage.unit() as uow:
            return steps.sign(uow, step_id, sign(who, typed))

    def state(self, step_id: UUID) -> str:
        with self.stage.unit() as uow:
            return steps.get(uow, step_id).state

    def take(self, one: Pending, *who: LocalAccount) -> StepView:
        """Propose a step, sign it, and drive it to its end."""
        made = self.propose(change_document(one.change))
        for person in who:
            self.sign(made.id, person)
        self.drive(lambda: self.state(made.id) in ("done", "voiding", "void"))
        with self.stage.unit() as uow:
            return steps.get(uow, made.id)

    def drive(self, until: Callable[[], bool]) -> None:
        def step() -> bool:
            self.loop.step()
            return until()

        self.stage.drive(until=step)

    def carry_out(self, *who: LocalAccount, limit: int = 12) -> list[str]:
        """Announce everything, let the delay pass, execute everything, in the order that is shown.

        Returns the kinds in the order in which they were done.
        """
        done: list[str] = []
        for _ in range(limit):
            self.look()
            due = [one for one in self.pending() if one.phase is not None]
            if not due and not self.pending():
                return done
            if not due:
                self.pass_days(2)
                continue
            taken = self.take(due[0], *who)
            assert taken.state == "done", taken.reason
            done.append(f"{due[0].change.kind}:{due[0].phase}")
        raise AssertionError(f"not done after {limit} steps: {done}, {self.pending()}")

    def pass_days(self, days: float) -> None:
        self.stage.chain.rpc("evm_increaseTime", hex(int(days * DAY) + 1))
        self.stage.chain.mine(3)
