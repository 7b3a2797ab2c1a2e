"""The faults that a simulation is made of: each is what it says, and the readers name it (P10)."""

import asyncio
import http.client
import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

import pytest

from strongroom.chain.async_rpc import AsyncRpc
from strongroom.chain.errors import BlockUnknown, LimitExceeded, NodeLied, NodeUnavailable
from strongroom.chain.node import Node
from strongroom.indexer.fetcher import Fetcher
from tests.factories.parts.anvil import Chain, fresh_chain
from tests.factories.parts.faulty import FaultyNode, faulty_node
from tests.simulation.proxy.faults import Faults, Plan

T = TypeVar("T")


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with fresh_chain() as made:
        pay(made)
        made.mine(20)
        yield made


@pytest.fixture(scope="module")
def proxy(chain: Chain) -> Iterator[FaultyNode]:
    with faulty_node(chain.url, seed=7) as made:
        yield made


@pytest.fixture(autouse=True)
def honest(proxy: FaultyNode) -> Iterator[None]:
    yield
    proxy.set()


def pay(chain: Chain) -> None:
    """One payment of 5 wei, in a block of its own."""
    sender, recipient = chain.accounts()[:2]
    payment = {"from": sender, "to": recipient, "value": hex(5)}
    chain.rpc("eth_sendTransaction", payment)
    chain.mine()


def read(url: str, what: Callable[[Fetcher], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        rpc = AsyncRpc([url])
        try:
            return await what(Fetcher(rpc))
        finally:
            await rpc.close()

    return asyncio.run(run())


def test_an_honest_proxy_changes_nothing(chain: Chain, proxy: FaultyNode):
    def blocks(url: str) -> Any:
        return read(url, lambda fetcher: fetcher.blocks(1, 20))

    assert blocks(proxy.url) == blocks(chain.url)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refuse", LimitExceeded),
        ("drop", NodeUnavailable),
        ("drop_after", NodeUnavailable),
        ("truncate", NodeUnavailable),
        ("garbage", NodeUnavailable),
        ("lose", NodeLied),
        ("null", BlockUnknown),
    ],
)
def test_a_fault_has_its_error_and_its_count(proxy: FaultyNode, fault: str, error: type[Exception]):
    before = proxy.counts().get(fault, 0)
    proxy.set(None, **{fault: 1.0})
    with pytest.raises(error):
        read(proxy.url, lambda fetcher: fetcher.tip())
    assert proxy.counts()[fault] > before


def test_answers_in_another_order_are_the_same_answers(chain: Chain, proxy: FaultyNode):
    proxy.set(reorder=1.0)
    seen = read(proxy.url, lambda fetcher: fetcher.tip())
    assert seen == read(chain.url, lambda fetcher: fetcher.tip())


def test_an_edited_answer_has_one_amount_more(chain: Chain, proxy: FaultyNode):
    proxy.set(edit=1.0)
    seen, there = (
        cast(dict[str, Any], one.rpc("eth_getBlockByNumber", "0x1", True))
        for one in (Chain(proxy.port), chain)
    )
    assert [payment["value"] for payment in seen["transactions"]] == ["0x6"]
    assert [payment["value"] for payment in there["transactions"]] == ["0x5"]


def test_a_node_that_lags_shows_an_older_head_everywhere(chain: Chain, proxy: FaultyNode):
    proxy.set(lag_blocks=5)
    now = read(chain.url, lambda fetcher: fetcher.tip())
    then = read(proxy.url, lambda fetcher: fetcher.tip())
    for before, after in ((then.latest, now.latest), (then.finalized, now.finalized)):
        assert after.height - before.height == 5
    with pytest.raises(BlockUnknown):
        read(proxy.url, lambda fetcher: fetcher.header_at(now.latest.height))
    with Node([proxy.url], chain.chain_id) as node:
        assert node.block_number() == then.latest.height


@pytest.mark.parametrize("cap", [{"range_max": 3}, {"result_max": 1}])
def test_a_capped_range_is_read_all_the_same(proxy: FaultyNode, cap: dict[str, int]):
    proxy.set(**cap)
    found = read(proxy.url, lambda fetcher: fetcher.blocks(1, 20))
    assert [block.header.height for block in found] == list(range(1, 21))


def test_what_was_dropped_after_it_was_accepted_is_on_the_chain(chain: Chain, proxy: FaultyNode):
    """P4: a time-out is no proof that nothing was sent."""
    proxy.set(drop_after=1.0)
    sender, recipient = chain.accounts()[:2]
    before = int(str(chain.rpc("eth_getTransactionCount", sender, "pending")), 16)
    with Node([proxy.url], chain.chain_id) as node, pytest.raises(NodeUnavailable):
        node.estimate_gas(bytes.fromhex(recipient[2:]), b"", sender=bytes.fromhex(sender[2:]))
    body = [{"jsonrpc": "2.0", "id": 0, "method": "eth_sendTransaction",
             "params": [{"from": sender, "to": recipient, "value": hex(5)}]}]  # fmt: skip
    with pytest.raises(http.client.RemoteDisconnected):
        _post(proxy.port, body)
    after = int(str(chain.rpc("eth_getTransactionCount", sender, "pending")), 16)
    assert after == before + 1


def test_two_nodes_behind_it_are_two_forks(chain: Chain):
    with fresh_chain() as other, faulty_node(chain.url, other.url, seed=1) as proxy:
        pay(other)
        other.mine(2)
        hashes = []
        for upstream in (0, 1):
            proxy.set(upstream=upstream)
            hashes.append(read(proxy.url, lambda fetcher: fetcher.header_at(2)).hash)
    assert hashes[0] != hashes[1]


def test_a_seed_replays_its_faults():
    faults = Faults(drop=0.2, null=0.3, delay=0.5)
    first, again, other = (Plan(seed, faults) for seed in (7, 7, 8))
    drawn = [[plan.decide() for _ in range(100)] for plan in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_one_rate_does_not_move_anothers_faults():
    few, more = (Plan(7, Faults(drop=0.2, null=share)) for share in (0.1, 0.9))
    pairs = [(few.decide(), more.decide()) for _ in range(100)]
    assert all(("drop" in one) == ("drop" in other) for one, other in pairs)


def test_a_fault_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no such fault: dorp"):
        Faults.read({"dorp": 0.5})


def _post(port: int, body: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/", json.dumps(body), {"content-type": "application/json"})
    connection.getresponse()
