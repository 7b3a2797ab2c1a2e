"""A node that takes no override is asked through Multicall3, where that is what it must be."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from eth_abi.abi import encode

from strongroom.chain import balances
from strongroom.chain.async_rpc import AsyncRpc
from strongroom.chain.balances import BalanceOracle, Held
from strongroom.chain.errors import ChainError, LimitExceeded
from strongroom.chain.multicall import Multicall
from strongroom.chain.rpc import Call
from strongroom.indexer.fetcher import Fetcher
from strongroom_protocol.hashing import keccak256
from tests.factories.chain_stage import ADDRESS, Stage, connect, stage
from tests.factories.parts.faulty import FaultyNode, faulty_node
from tests.factories.parts.place import REPOSITORY
from tests.factories.parts.solidity import runtime_code

__all__ = ["connect", "stage"]
SOURCE = REPOSITORY / "tests/factories/parts/Aggregator.sol"
REVERTS, BURNS = "5f5ffd", "5b5f56"
# 7 after 130,000 gas, and after a million.
SLOW = "620013885b60019003806004575060075f5260205ff3"
HEAVY = SLOW.replace("001388", "009c40")


class Asked:
    """The node behind the proxy, and the methods of each batch that reached it."""

    def __init__(self, url: str, calls_max: int = 10_000) -> None:
        self.rpc = AsyncRpc([url])
        self.calls_max = calls_max
        self.batches: list[list[str]] = []

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        self.batches.append([call.method + ("+" if call.params[2:] else "") for call in calls])
        if len(calls) > self.calls_max:
            raise LimitExceeded("The node caps batches.")
        return await self.rpc.ask_all(calls)


@pytest.fixture
def proxy(stage: Stage) -> Iterator[FaultyNode]:
    with faulty_node(stage.chain.url, seed=1) as made:
        made.set(no_overrides=True)
        yield made


def contract(stage: Stage, *, behind: bytes = b"") -> Multicall:
    """The Aggregator, with these bytes behind its code; only without any it is believed."""
    code = runtime_code(SOURCE)
    size = f"{len(code + behind):04x}"
    return Multicall(
        stage.create(f"0x61{size}80600a5f395ff3{(code + behind).hex()}"), keccak256(code)
    )


def read(node: Asked, there: Multicall, *readings: tuple[Sequence[Held], int]) -> list[list[int]]:
    """Readings (of whom, at which height) one after the other, by one oracle."""

    async def reading() -> list[list[int]]:
        oracle = BalanceOracle(node, there)
        try:
            headers = [await Fetcher(node.rpc).header_at(height) for _, height in readings]
            return [
                await oracle.read(header, held)
                for header, (held, _) in zip(headers, readings, strict=True)
            ]
        finally:
            await node.rpc.close()

    return asyncio.run(reading())


def many(stage: Stage) -> tuple[list[Held], list[int]]:
    """Coins and tokens of 120 addresses, and what is expected."""
    token = stage.deploy_dollar()
    held: list[Held] = []
    for number in range(1, 121):
        address = number.to_bytes(20, "big")
        stage.chain.rpc("anvil_setBalance", "0x" + address.hex(), hex(number))
        held += [(address, None), (address, token)]
    stage.mint(token, (3).to_bytes(20, "big"), 33)
    stage.chain.mine(4)
    expected = [one for number in range(1, 121) for one in (number, 33 if number == 3 else 0)]
    return held, expected


def coins(stage: Stage) -> tuple[list[Held], list[int]]:
    """500 addresses, of which the last holds something."""
    held: list[Held] = [(number.to_bytes(20, "big"), None) for number in range(1, 501)]
    stage.chain.rpc("anvil_setBalance", "0x" + held[-1][0].hex(), hex(9))
    stage.chain.mine(4)
    return held, [0] * 499 + [9]


def test_a_node_that_refuses_overrides_is_asked_through_multicall(stage: Stage, proxy: FaultyNode):
    """And it is remembered: the second reading begins there."""
    there = contract(stage)
    held, expected = many(stage)
    node, height = Asked(proxy.url), stage.chain.height()
    assert read(node, there, (held, height), (held, height)) == [expected, expected]
    aggregated = ["eth_getCode", "eth_call"]
    assert node.batches == [["eth_call+"], aggregated, aggregated]


def test_a_balance_is_that_of_the_block_asked_for(stage: Stage, proxy: FaultyNode):
    """Before the contract was there, too: then each is asked for by itself."""
    stage.send(ADDRESS, 5)
    before = stage.chain.mine()
    there = contract(stage)
    stage.send(ADDRESS, 7)
    after = stage.chain.mine()
    held: list[Held] = [(ADDRESS, None)]
    node = Asked(proxy.url)
    assert read(node, there, (held, after), (held, before), (held, after)) == [[12], [5], [12]]
    assert node.batches[-2:] == [["eth_getBalance"], ["eth_getCode", "eth_call"]]


def test_other_code_at_the_address_is_not_believed(stage: Stage, proxy: FaultyNode):
    """One byte more than the Aggregator: it would answer, and say what it likes."""
    there = contract(stage, behind=b"\0")
    held, expected = many(stage)
    node = Asked(proxy.url)
    assert read(node, there, (held, stage.chain.height())) == [expected]
    assert [len(batch) for batch in node.batches[2:]] == [100, 100, 40]


def test_a_token_that_takes_all_gas_spoils_no_other_balance(stage: Stage, proxy: FaultyNode):
    """What failed, and all that was called after it, is asked for by itself."""
    there = contract(stage)
    burns, reverts, slow = stage.deploy(BURNS), stage.deploy(REVERTS), stage.deploy(SLOW)
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    held: list[Held] = [(ADDRESS, slow), (ADDRESS, None), (ADDRESS, burns), (ADDRESS, slow)]
    held += [(ADDRESS, reverts), (ADDRESS, b"\x99" * 20), (ADDRESS, None)]
    node = Asked(proxy.url)
    assert read(node, there, (held, stage.chain.height())) == [[7, 5, 0, 7, 0, 0, 5]]


def test_what_lacked_gas_after_another_failed_is_asked_again(stage: Stage, proxy: FaultyNode):
    """The first takes all but a 64th, which is too little for the second, and enough to answer."""
    there = contract(stage)
    burns, heavy = stage.deploy(BURNS), stage.deploy(HEAVY)
    stage.chain.mine()
    node = Asked(proxy.url)
    assert read(node, there, ([(ADDRESS, burns), (ADDRESS, heavy)], stage.chain.height())) == [
        [0, 7]
    ]
    assert node.batches[1:] == [["eth_getCode", "eth_call"], ["eth_call", "eth_call"]]


def test_the_last_token_of_a_call_is_never_starved(stage: Stage, proxy: FaultyNode):
    """500 tokens of 130,000 gas are more than one call may use."""
    there, slow = contract(stage), stage.deploy(SLOW)
    stage.chain.mine()
    held: list[Held] = [(ADDRESS, slow)] * 500
    assert read(Asked(proxy.url), there, (held, stage.chain.height())) == [[7] * 500]


@pytest.mark.parametrize("gas", [1_000_000, 2_000_000])
def test_too_little_gas_halves_the_call(
    stage: Stage, proxy: FaultyNode, monkeypatch: pytest.MonkeyPatch, gas: int
):
    """Too little for the call's data, and for the work."""
    monkeypatch.setattr(balances, "GAS", gas)
    there = contract(stage)
    held, expected = coins(stage)
    node = Asked(proxy.url)
    assert read(node, there, (held, stage.chain.height())) == [expected]
    assert node.batches[2:] == [["eth_getCode", "eth_call"]] * (len(node.batches) - 2)
    assert len(node.batches) > 3


def test_a_coin_that_fails_is_no_balance_of_zero(stage: Stage, proxy: FaultyNode):
    """Only a lack of gas can make it fail: what was said of others in that call counts, no more."""
    there = contract(stage)
    held, expected = coins(stage)
    node = Asked(proxy.url)
    whole, failed = node.ask_all, encode(["(bool,bytes)[]"], [[(True, b""), (False, b"")] * 250])

    async def starving(calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        answers = await whole(calls)
        if len(node.batches) == 2:
            answers[1] = msgspec.Raw(msgspec.json.encode("0x" + failed.hex()))
        return answers

    node.ask_all = starving  # type: ignore[method-assign]
    assert read(node, there, (held, stage.chain.height())) == [expected]
    assert node.batches[1:] == [["eth_getCode", "eth_call"]] * 3


def test_a_batch_that_the_node_caps_is_halved(stage: Stage, proxy: FaultyNode):
    there = contract(stage, behind=b"\0")
    held, expected = many(stage)
    node = Asked(proxy.url, calls_max=30)
    assert read(node, there, (held, stage.chain.height())) == [expected]
    assert {len(batch) for batch in node.batches[4:]} <= {25, 15}


def test_a_node_that_caps_everything_is_asked_again_later(stage: Stage, proxy: FaultyNode):
    there = contract(stage)
    with pytest.raises(LimitExceeded):
        read(Asked(proxy.url, calls_max=0), there, ([(ADDRESS, None)], stage.chain.height()))


def test_a_cap_is_tried_anew_after_a_reading_that_passed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """A node that was only busy is soon asked for as many at once as before."""
    monkeypatch.setattr(balances, "CHUNK_MAX", 200)
    held, expected = many(stage)
    node, height = Asked(stage.chain.url, calls_max=0), stage.chain.height()

    async def reading() -> list[int]:
        oracle = BalanceOracle(node)
        try:
            header = await Fetcher(node.rpc).header_at(height)
            with pytest.raises(LimitExceeded):
                await oracle.read(header, held)
            node.calls_max = 10_000
            node.batches.clear()
            for _ in range(3):
                assert await oracle.read(header, held) == expected
        finally:
            await node.rpc.close()
        return [len(batch) for batch in node.batches]

    assert asyncio.run(reading()) == [1] * (3 + 2 + 2)
