"""P2, P4: what the ledger refuses of a block stops nobody else; it is booked aside and told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from strongroom.auditlog import service as auditlog
from strongroom.chain.ports import BlockView
from strongroom.db.actor import system
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, ChainPoint, Leg, Posting
from tests.factories.books import make_organisation
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, VAULT, Stage

ASIDE = "house:unexplained"
OTHER = bytes.fromhex("e2" * 20)
MOST = 2**256 - 1


@pytest.fixture
def neighbour(stage: Stage) -> Stage:
    """Another organisation on the same chain, whose deposits must not wait for the first one's."""
    made = Stage(stage.chain, stage.connect, make_organisation(stage.connect.found))
    made.watch(OTHER)
    return made


def told(stage: Stage) -> list[tuple[str, str]]:
    """(account, asset) of what is frozen, once for each; and an outbox row tells people."""
    frozen = stage.rows("SELECT custody_code, asset FROM custody_freeze ORDER BY 1")
    waiting = stage.rows("SELECT payload FROM outbox WHERE topic = 'indexer.refused'")
    assert bool(frozen) == bool(waiting)
    return [(row["custody_code"], row["asset"]) for row in frozen]


def sweep_without_books(stage: Stage) -> None:
    """The deposit address holds money that no transaction brought (as a validator's reward)."""
    stage.watch(VAULT, kind="vault")
    stage.catch_up(stage.follower())
    stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(10**18))
    stage.chain.rpc("anvil_impersonateAccount", "0x" + ADDRESS.hex())
    stage.chain.rpc(
        "eth_sendTransaction",
        {"from": "0x" + ADDRESS.hex(), "to": "0x" + VAULT.hex(), "value": hex(4)},
    )


def test_a_sweep_of_more_than_the_books_know_stops_nobody(stage: Stage, neighbour: Stage):
    sweep_without_books(stage)
    stage.send(OTHER, 3)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    assert stage.balances() == {f"{stage.custody(VAULT)} {ETH}": 4, f"{ASIDE} {ETH}": 4}
    assert neighbour.balances()[f"{SUSPENSE} {ETH}"] == 3
    assert told(stage) == [(stage.custody(VAULT), ETH), (stage.custody(), ETH)]
    stage.assert_sound()


def test_what_was_booked_aside_leaves_with_its_block(stage: Stage):
    sweep_without_books(stage)
    stage.chain.mine()
    follower = stage.follower()
    stage.catch_up(follower)
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    assert stage.balances() == {}
    stage.assert_sound()


@dataclass
class Says:
    """A sink that says the same of each block that touches us."""

    posting: Posting
    said: list[int] = field(default_factory=list)

    def on_confirmed(self, uow: Any, blocks: Sequence[BlockView]) -> Sequence[Sequence[Posting]]:
        del uow
        self.said += [block.height for block in blocks]
        return [[self.posting] for _ in blocks]

    def on_finalized(self, uow: Any, blocks: Sequence[BlockView]) -> Sequence[Sequence[Posting]]:
        del uow
        return [[] for _ in blocks]

    def on_orphaned(self, uow: Any, block: BlockView) -> Sequence[Posting]:
        del uow, block
        return []


def booked(stage: Stage, *postings: Posting) -> None:
    """Arrange the books past the indexer."""
    refs = {
        AccountRef(one.organisation_id, code, leg.asset)
        for one in postings
        for leg in one.legs
        for code in (leg.debit, leg.credit)
    }
    with stage.connect("strongroom_worker", pool_size=1).unit(None, system("test")) as uow:
        ledger.open_accounts(uow, sorted(refs, key=lambda ref: ref.code))
        for one in postings:
            ledger.post_or_raise(uow, one)
        rows = ledger.rows(postings)
        auditlog.append(uow, "test", "test", {}, rows=rows, organisation_id=stage.organisation)


def posting(stage: Stage, key: str, *legs: Leg, **more: Any) -> Posting:
    return Posting(stage.organisation, key, "test", legs, **more)


def test_a_payment_whose_hold_was_let_go_is_the_clients_all_the_same(stage: Stage):
    vault, point = stage.custody(VAULT), ChainPoint(stage.chain.chain_id, 1, b"\1" * 32)
    booked(
        stage,
        posting(stage, "in", Leg(vault, "client:a", ETH, 9)),
        posting(stage, "hold", Leg("client:a", vault, ETH, 5), phase="hold"),
        posting(stage, "void", phase="void", refers_to="hold"),
    )
    paid = posting(stage, "paid", phase="post", refers_to="hold", chain=point)
    stage.send(ADDRESS, 1)
    stage.chain.mine()
    stage.catch_up(stage.follower(extra_sinks=(Says(paid),)))
    found = stage.balances()
    assert (found[f"{vault} {ETH}"], found[f"client:a {ETH}"]) == (4, 4)
    assert found[f"{SUSPENSE} {ETH}"] == 1
    assert told(stage) == [(vault, ETH)]
    stage.assert_sound()


def test_and_if_the_client_has_spent_it_the_house_answers(stage: Stage):
    vault, point = stage.custody(VAULT), ChainPoint(stage.chain.chain_id, 1, b"\1" * 32)
    booked(
        stage,
        posting(stage, "in", Leg(vault, "client:a", ETH, 5)),
        posting(stage, "hold", Leg("client:a", vault, ETH, 5), phase="hold"),
        posting(stage, "void", phase="void", refers_to="hold"),
        posting(stage, "spent", Leg("client:a", "client:b", ETH, 5)),
    )
    paid = posting(stage, "paid", phase="post", refers_to="hold", chain=point)
    stage.send(ADDRESS, 1)
    stage.chain.mine()
    stage.catch_up(stage.follower(extra_sinks=(Says(paid),)))
    found = stage.balances()
    assert (found.get(f"{vault} {ETH}", 0), found[f"{ASIDE} {ETH}"]) == (0, -5)
    assert told(stage) == [(vault, ETH)]


@pytest.mark.parametrize("phase", ["post", "void", "reversal"])
def test_what_refers_to_nothing_is_told_and_goes_by(stage: Stage, phase: str):
    lost = posting(stage, "lost", phase=phase, refers_to="nothing")
    stage.send(ADDRESS, 1)
    stage.chain.mine()
    stage.catch_up(stage.follower(extra_sinks=(Says(lost),)))
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 1
    (row,) = stage.rows("SELECT payload FROM outbox WHERE topic = 'indexer.refused'")
    assert row["payload"]["code"] == "ledger.original_not_found"


def test_a_squatted_key_does_not_keep_a_deposit_out(stage: Stage):
    """No role but the indexer's may take these keys; were one taken, the money is booked all the
    same, and leaves with its block.
    """
    sent = stage.send(ADDRESS, 5)
    stage.chain.mine()
    block: Any = stage.chain.rpc("eth_getBlockByNumber", "latest", False)
    tag = f"{stage.chain.chain_id}:{block['hash'][2:]}:1"
    key = f"deposit:{tag}:{sent[2:]}:-1"
    booked(stage, posting(stage, key, Leg("fiat:bank:x", "client:x", "EUR/2", 1)))
    follower = stage.follower()
    stage.catch_up(follower)
    assert stage.balances()[f"{stage.custody()} {ETH}"] == 5
    assert told(stage) == [(stage.custody(), ETH)]
    stage.chain.rpc("anvil_reorg", 1, [])
    stage.chain.mine()
    stage.catch_up(follower)
    assert f"{stage.custody()} {ETH}" not in stage.balances()
    stage.assert_sound()


def test_what_no_account_can_hold_is_told_and_not_booked(stage: Stage):
    full = Leg(stage.custody(), "house:equity", ETH, MOST)
    booked(stage, posting(stage, "full", full))
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    assert f"{SUSPENSE} {ETH}" not in stage.balances()
    assert told(stage) == [(stage.custody(), ETH)]
