"""k of n nodes must name a block before anything of it is believed (P2)."""

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from strongroom.chain.async_rpc import provider
from strongroom.chain.witnesses import NodesDisagree, Witnesses
from strongroom.config import Config, ConfigurationInvalid
from strongroom.indexer.follower import Follower
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage
from tests.factories.parts.anvil import Chain, fresh_chain
from tests.factories.parts.faulty import FaultyNode, faulty_node

STEPS = 20


@pytest.fixture
def liar() -> Iterator[Chain]:
    """A node of another chain with the same id, on which the address was paid far more."""
    with fresh_chain() as made:
        made.mine()
        payment = {"from": made.accounts()[1], "to": "0x" + ADDRESS.hex(), "value": hex(10**18)}
        made.rpc("eth_sendTransaction", payment)
        made.mine(2)
        yield made


@pytest.fixture
def honest(stage: Stage) -> Iterator[tuple[FaultyNode, FaultyNode]]:
    """Two ways to the true chain."""
    with faulty_node(stage.chain.url, seed=1) as one, faulty_node(stage.chain.url, seed=2) as two:
        yield one, two


def faults(url: str, fault: str) -> float:
    labels = {"provider": provider(url), "fault": fault}
    return REGISTRY.get_sample_value("strongroom_node_faults_total", labels) or 0


def paid(stage: Stage, units: int) -> None:
    stage.send(ADDRESS, units)
    stage.chain.mine()


def steps(stage: Stage, follower: Follower) -> None:
    for _ in range(STEPS):
        stage.tolerate(follower)


def test_a_lying_node_that_is_asked_first_is_not_believed(
    stage: Stage, liar: Chain, honest: tuple[FaultyNode, FaultyNode]
):
    paid(stage, 5)
    urls = [liar.url, *(node.url for node in honest)]
    follower = stage.follower(urls=urls, agree=2)
    steps(stage, follower)
    assert stage.balances() == {f"{stage.custody()} {ETH}": 5, f"{SUSPENSE} {ETH}": 5}
    assert faults(liar.url, "alone") + faults(liar.url, "other_block") > 0
    stage.assert_sound()


def test_what_one_node_alone_calls_final_is_not_final(
    stage: Stage, honest: tuple[FaultyNode, FaultyNode]
):
    """Finality that ran ahead would also set every other node aside as one that takes it back."""
    head = stage.chain.mine(8)
    for node in honest:
        node.set(lag_blocks=3)
    urls = [stage.chain.url, *(node.url for node in honest)]
    thread = stage.follower(urls=urls, agree=2)._thread
    alone = stage.follower(urls=urls[:1])._thread
    assert alone.read(alone.fetcher.tip()).finalized.height == head - 2
    tip = thread.read(thread.fetcher.tip())
    assert tip.latest.height == head
    assert (tip.safe_height, tip.finalized.height) == (head - 3 - 1, head - 3 - 2)


def test_without_witnesses_the_liar_would_be_believed(stage: Stage, liar: Chain):
    """What the rule is for: this is the loss that it stops."""
    follower = stage.follower(urls=[liar.url], agree=1)
    steps(stage, follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 10**18


def test_one_node_of_three_may_be_away(stage: Stage, honest: tuple[FaultyNode, FaultyNode]):
    paid(stage, 5)
    honest[0].set(dead=True)
    follower = stage.follower(urls=[honest[0].url, honest[1].url, stage.chain.url], agree=2)
    steps(stage, follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    assert faults(honest[0].url, "away") > 0


def test_with_too_few_nodes_nothing_is_booked_and_nothing_is_lost(
    stage: Stage, honest: tuple[FaultyNode, FaultyNode]
):
    follower = stage.follower(urls=[stage.chain.url, *(node.url for node in honest)], agree=3)
    stage.catch_up(follower)
    before = stage.balances()
    paid(stage, 5)
    honest[1].set(dead=True)
    with pytest.raises(NodesDisagree, match="2 of the needed 3"):
        stage.catch_up(follower)
    steps(stage, follower)
    assert stage.balances() == before
    honest[1].set()
    steps(stage, follower)
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5


def test_a_node_that_is_behind_is_no_witness(stage: Stage, honest: tuple[FaultyNode, FaultyNode]):
    stage.chain.mine(5)
    honest[0].set(lag_blocks=3)
    follower = stage.follower(urls=[stage.chain.url, honest[0].url], agree=2)
    steps(stage, follower)
    assert follower.cursor is not None
    assert follower.cursor.height == stage.chain.height() - 3
    assert faults(honest[0].url, "behind") > 0
    honest[0].set()
    stage.catch_up(follower)
    assert follower.cursor.height == stage.chain.height()


def test_a_provider_is_named_without_its_key():
    assert provider("https://user:secret@eth.example.org/v3/0123456789abcdef") == "eth.example.org"


def test_more_nodes_than_there_are_cannot_agree():
    with pytest.raises(ValueError, match="3 nodes must agree, 1 are configured"):
        Witnesses(["http://a", "http://a"], 3)
    environment = {"STRONGROOM_RPC_URLS": "http://a,http://b", "STRONGROOM_RPC_AGREE": "3"}
    with pytest.raises(ConfigurationInvalid, match="names 2 nodes"):
        Config.from_environment(environment)


@pytest.mark.parametrize(("urls", "needed"), [("", 1), ("a", 1), ("a,b", 2), ("a,b,c", 2)])
def test_the_majority_must_agree_if_nothing_is_said(urls: str, needed: int):
    assert Config.from_environment({"STRONGROOM_RPC_URLS": urls}).chain().rpc_agree == needed
