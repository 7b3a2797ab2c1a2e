"""Two chains at once: two nodes, two signers, two coins, one database, one indexer, one relay (P2,
P3, P4). What happens to one chain never holds up the other.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from strongroom.bootstrap import indexer, relay
from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import running
from strongroom.cli.dev.softhsm import SoftToken
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.kit.ids import HOUSE
from strongroom.kit.loops import Loop
from strongroom.kit.metrics import render
from strongroom.ledger import invariants
from strongroom.ledger import service as ledger
from strongroom.policy.errors import BundleInvalid
from strongroom.wallets import service as wallets
from strongroom.wallets.errors import CoinTaken
from tests.factories.house import ETH, TUSD, House
from tests.factories.parts.anvil import Chain, fresh_chain
from tests.factories.parts.place import short_folder
from tests.factories.parts.postgres import TestDatabase
from tests.factories.stage import Stage

SECOND = 31_338
POL = "POL/18"
PATIENCE_SECONDS = 60.0
pytestmark = pytest.mark.timeout(400)
"""Two houses are founded before the first test."""


@dataclass
class Both:
    """The stages of two chains, and the processes that serve both."""

    first: Stage
    second: Stage
    processes: indexer.IndexerProcess

    def pay_in(self, stage: Stage, units: int) -> None:
        """Coins from outside to the vault."""
        value = {"from": stage.house.money, "to": "0x" + stage.vault.address.hex()}
        stage.chain.rpc("eth_sendTransaction", {**value, "value": hex(units)})

    def pay_out(self, stage: Stage, reference: str) -> Any:
        """A payment that people order and approve while the processes run."""
        view = stage.order(reference, amount="25")
        until(lambda: stage.view(view.id).state == "awaiting_approval", stage)
        stage.approve(view.id, stage.cast.amir)
        return stage.approve(view.id, stage.cast.bea).id

    def check_books(self) -> None:
        """Every invariant, and each relay key's gas money to the wei in its own chain's coin."""
        with self.first.house.role("worker").read(None, system("test")) as uow:
            assert invariants.broken(uow) == []
            house = {(one.code, one.asset): one.posted for one in ledger.balances(uow, HOUSE)}
        for stage in (self.first, self.second):
            house_of = stage.house
            key = self._relay_key(stage)
            code = wallets.custody_code(stage.chain.chain_id, key)
            held = [units for (name, _), units in house.items() if name == code and units]
            assert held == [house[code, house_of.coin]] == [house_of.node.balance(key)]

    def _relay_key(self, stage: Stage) -> bytes:
        row = stage.house.query(
            "SELECT relay FROM platform WHERE chain_id = %s", stage.chain.chain_id
        )
        return bytes(row[0][0])


def until(holds: Callable[[], bool], *stages: Stage) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "\n".join(stage.picture() for stage in stages)
        time.sleep(0.05)


def mine(chain: Chain) -> bool:
    """A node that hangs or is gone mines nothing."""
    chain.mine()
    return False


def done(stage: Stage, withdrawal_id: Any) -> Callable[[], bool]:
    return lambda: stage.view(withdrawal_id).state == "finalized"


def chains_file(folder: Path, *houses: House) -> Path:
    tables = [
        "[[chain]]\n"
        f"chain_id = {house.chain.chain_id}\n"
        f"rpc_urls = {json.dumps([house.chain.url])}\n"
        f"ws_urls = {json.dumps([house.chain.url.replace('http', 'ws')])}\n"
        f"signer_socket = {json.dumps(str(house.socket))}\n"
        f"native_asset = {json.dumps(house.coin)}\n"
        for house in houses
    ]
    file = folder / "chains.toml"
    file.write_text("\n".join(tables))
    return file


def configured(house: House, role: str, file: Path) -> Config:
    environment = house.environment(role)
    for name in ("RPC_URLS", "CHAIN_ID", "NATIVE_ASSET", "SIGNER_SOCKET"):
        del environment[f"STRONGROOM_{name}"]
    return Config.from_environment({**environment, "STRONGROOM_CHAINS": str(file)})


@contextmanager
def serving(first: Stage, second: Stage, folder: Path) -> Iterator[Both]:
    """One indexer and one relay process for both chains, a worker and a screener; blocks come."""
    house = first.house
    file = chains_file(folder, house, second.house)
    following = indexer.build(configured(house, "indexer", file))
    sending = relay.build(configured(house, "relay", file))
    steps = {name: step for name, step in sending.steps.items() if name != "outbox"}
    stop = threading.Event()
    threads = [
        threading.Thread(target=following.run, args=(stop,)),
        threading.Thread(target=replace(sending, steps=steps).run, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    threads += [
        Loop("worker", first.dispatcher.step, 0.05, stop).start(),
        Loop("screener", first.screener.step, 0.05, stop).start(),
    ]
    try:
        miners = [Loop("mining", partial(mine, one.chain), 0.2, stop) for one in (first, second)]
        threads += [miner.start() for miner in miners]
        yield Both(first, second, following)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


@pytest.fixture(scope="module")
def both(
    postgres: EmbeddedPostgres, template_database: str, database_numbers: Iterator[int]
) -> Iterator[Both]:
    name = f"test_{next(database_numbers)}"
    with ExitStack() as stack:
        admin = psycopg.connect(postgres.conninfo(), autocommit=True)
        stack.enter_context(admin)
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}".encode())
        stack.callback(lambda: admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode()))
        stages: list[Stage] = []
        for index, (chain_id, coin) in enumerate([(31_337, ETH), (SECOND, POL)]):
            folder, tokens = (stack.enter_context(short_folder(one)) for one in ("house", "hsm"))
            chain = stack.enter_context(fresh_chain(chain_id))
            token = SoftToken(tokens)
            token.prepare()
            house = House(TestDatabase(postgres, name), chain, folder, token, coin=coin)
            if stages:
                house.screener_key = stages[0].house.screener_key
            house.found()
            stack.enter_context(running(house.serve_signer()))
            house.deploy()
            stack.callback(house.close)
            stage = Stage(house, account_index=index)
            try:
                stage.found()
            finally:
                stage.close()  # the processes lead from now on
            stages.append(stage)
        first, second = stages
        yield stack.enter_context(serving(first, second, first.house.folder))


@contextmanager
def frozen(stage: Stage) -> Iterator[None]:
    """The chain's node hangs: it takes connections and answers nothing."""
    pid = node_of(stage)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def node_of(stage: Stage) -> int:
    """The process that was started with this chain's port."""
    word = f"--port\0{stage.chain.port}\0".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if word in (folder / "cmdline").read_bytes():
                    return int(folder.name)
            except OSError:
                continue
    raise AssertionError("the node does not run")


def test_deposits_and_withdrawals_on_both(both: Both):
    first, second = both.first, both.second
    before = {id(one): one.available(one.house.coin) for one in (first, second)}
    both.pay_in(first, 3)
    both.pay_in(second, 5)
    until(lambda: first.available(ETH) == before[id(first)] + 3, first)
    until(lambda: second.available(POL) == before[id(second)] + 5, second)
    paid = [(stage, both.pay_out(stage, "both")) for stage in (first, second)]
    for stage, view_id in paid:
        until(done(stage, view_id), stage)
        assert stage.house.units(stage.cast.supplier) == 25 * 10**6
    both.check_books()


def test_the_organisations_know_their_own_chains_coin_only(both: Both):
    for stage, other in ((both.first, POL), (both.second, ETH)):
        with stage.unit() as uow:
            assets = {one.asset for one in ledger.balances(uow, stage.id)}
        assert assets == {stage.house.coin, TUSD}
        bundle = stage.bundle()
        renamed = json.loads(
            json.dumps({name: bundle[name] for name in ("tokens", "limits")}).replace(
                stage.house.coin, other
            )
        )
        with pytest.raises(BundleInvalid, match=f"is {stage.house.coin} in the books"):
            stage.update_policy(**renamed)


def test_a_coin_is_one_chains_for_ever(both: Both):
    with (
        pytest.raises(CoinTaken, match=f"Chain {SECOND} has the coin POL/18"),
        both.first.house.role("relay").unit(HOUSE, system("test")) as uow,
    ):
        wallets.name_coin(uow, SECOND, "MATIC/18")
    with (
        pytest.raises(CoinTaken, match="chain 99 can't have ETH/18"),
        both.first.house.role("relay").unit(HOUSE, system("test")) as uow,
    ):
        wallets.name_coin(uow, 99, ETH)


def test_a_chain_whose_node_hangs_holds_up_no_other(both: Both):
    first, second = both.first, both.second
    before, waiting = first.available(ETH), second.available(POL)
    with frozen(second):
        view_id = both.pay_out(first, "while the other hangs")
        both.pay_in(first, 7)
        until(done(first, view_id), first)
        until(lambda: first.available(ETH) == before + 7, first)
        assert second.available(POL) == waiting
    both.pay_in(second, 11)
    until(lambda: second.available(POL) == waiting + 11, second)
    view_id = both.pay_out(second, "after it hung")
    until(done(second, view_id), second)
    both.check_books()


def test_a_reorganisation_of_one_chain_is_none_of_the_other(both: Both):
    first, second = both.first, both.second
    before, orphaned = second.available(POL), len(orphans(second))
    untouched = len(orphans(first))
    view_id = both.pay_out(first, "while the other reorganises")
    until(lambda: len(orphans(second)) > orphaned or not reorganise(second), second)
    both.pay_in(second, 13)
    until(lambda: second.available(POL) == before + 13, second)
    until(done(first, view_id), first)
    assert len(orphans(first)) == untouched
    both.check_books()


def test_the_figures_carry_the_chain(both: Both):
    shown = render().decode()
    for name in ("head", "height", "finalized", "lag_blocks", "watched", "blocks_total"):
        for stage in (both.first, both.second):
            assert f'strongroom_indexer_{name}{{chain="{stage.chain.chain_id}"}}' in shown


def test_a_chain_that_is_gone_holds_up_no_other(both: Both):
    """Last: its node does not come back."""
    first = both.first
    os.kill(node_of(both.second), signal.SIGKILL)
    before, view_id = first.available(ETH), both.pay_out(first, "while the other is gone")
    both.pay_in(first, 17)
    until(done(first, view_id), first)
    until(lambda: first.available(ETH) == before + 17, first)
    alive, gone = both.processes.chains
    alive.check_node()
    with pytest.raises(Exception, match="did not answer"):
        gone.check_node()


def orphans(stage: Stage) -> list[Any]:
    return stage.house.query(
        "SELECT height FROM chain_block WHERE chain_id = %s AND orphaned_at IS NOT NULL",
        stage.chain.chain_id,
    )


def reorganise(stage: Stage) -> bool:
    """Another newest block; the next look finds it."""
    stage.chain.rpc("anvil_reorg", 1, [])
    return True
