"""A stage whose chain began weeks ago, so that delays of days can pass while Permits stay valid."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
from eth_account.signers.local import LocalAccount

from strongroom.cli.dev.anvil import anvil_program
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import Running, running, start
from strongroom.cli.dev.softhsm import SoftToken
from strongroom.policy import service as policy
from strongroom.vaults import steps
from strongroom.vaults.examiner import Examiner
from strongroom.vaults.pending import Pending
from strongroom.vaults.step_loop import StepLoop
from strongroom.vaults.steps import StepView
from strongroom.withdrawals import turns
from strongroom_protocol.vault_changes import change_document
from tests.factories.house import House, sign
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import REPOSITORY, free_port, short_folder
from tests.factories.parts.postgres import TestDatabase
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
        self.loop = StepLoop(house.role("relay"), house.signer, stage.chain.chain_id)

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


class Keeper:
    """The signer of a house, which can be started anew: a new key counts from then on."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._child = self._started()

    def restart(self) -> None:
        self._child.stop()
        self._child = self._started()

    def stop(self) -> None:
        self._child.stop()

    def _started(self) -> Running:
        child = start(self._house.serve_signer())
        child.wait_ready()
        return child


@contextmanager
def held_stage(
    postgres: EmbeddedPostgres, template: str, name: str, token: SoftToken
) -> Iterator[tuple[Stage, Keeper]]:
    """A stage on a chain of the past, and its signer in the test's hand."""
    with (
        chain_of_the_past() as chain,
        psycopg.connect(postgres.conninfo(), autocommit=True) as connection,
        short_folder("house") as folder,
    ):
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        house = House(TestDatabase(postgres, name), chain, folder, token)
        house.found()
        keeper = Keeper(house)
        stage = None
        try:
            house.deploy()
            stage = Stage(house)
            stage.found()
            yield stage, keeper
        finally:
            if stage is not None:
                stage.close()
            house.close()
            keeper.stop()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
