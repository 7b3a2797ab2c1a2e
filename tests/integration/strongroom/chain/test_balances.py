"""Many balances by one call of code that is nowhere: right, bounded, and with another way out."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from strongroom.chain import balances
from strongroom.chain.async_rpc import AsyncRpc
from strongroom.chain.balances import BalanceOracle
from strongroom.chain.errors import ChainError, LimitExceeded, NodeRefused
from strongroom.chain.headers import Header
from strongroom.chain.rpc import Call
from strongroom.indexer.fetcher import Fetcher
from tests.factories.chain_stage import ADDRESS, Stage, connect, stage

__all__ = ["connect", "stage"]
# balanceOf that reverts; one that answers 7 to everybody; one that burns all the gas it is given.
# SLOW answers 7, too, after 130,000 gas.
SLOW = "620013885b60019003806004575060075f5260205ff3"
REVERTS, SEVEN, BURNS = "5f5ffd", "60075f5260205ff3", "5b5f56"


class Counting:
    """The node itself; refuses an `eth_call` as told, and keeps how many calls each batch had."""

    def __init__(self, url: str, refuse: Any = None) -> None:
        self.rpc = AsyncRpc([url])
        self.refuse = refuse
        self.batches: list[int] = []

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        self.batches.append(len(calls))
        if self.refuse is not None and len(calls[0].params) == 3:
            error = self.refuse(calls[0])
            if error is not None:
                return [error]
        return await self.rpc.ask_all(calls)


def read(node: Counting, held: list[balances.Held], height: int) -> list[int]:
    async def reading() -> list[int]:
        try:
            header: Header = await Fetcher(node.rpc).header_at(height)
            return await BalanceOracle(node).read(header, held)
        finally:
            await node.rpc.close()

    return asyncio.run(reading())


def many(stage: Stage) -> tuple[list[balances.Held], list[int]]:
    """300 addresses that hold 1, 2, 3 … wei and the same of a token, and what is expected."""
    token = stage.deploy_dollar()
    held: list[balances.Held] = []
    for number in range(1, 151):
        address = number.to_bytes(20, "big")
        stage.chain.rpc("anvil_setBalance", "0x" + address.hex(), hex(number))
        held.append((address, None))
    for number in range(1, 4):
        stage.mint(token, number.to_bytes(20, "big"), number)
    stage.chain.mine(4)
    held += [(number.to_bytes(20, "big"), token) for number in range(1, 151)]
    return held, [*range(1, 151), 1, 2, 3, *[0] * 147]


def test_coins_and_tokens_come_in_one_call(stage: Stage):
    held, expected = many(stage)
    node = Counting(stage.chain.url)
    assert read(node, held, stage.chain.height()) == expected
    assert node.batches == [1]


def test_a_balance_is_that_of_the_block_asked_for(stage: Stage):
    stage.send(ADDRESS, 5)
    before = stage.chain.mine()
    stage.send(ADDRESS, 7)
    stage.chain.mine()
    assert read(Counting(stage.chain.url), [(ADDRESS, None)], before) == [5]


def test_a_node_that_refuses_overrides_is_asked_singly(stage: Stage):
    held, expected = many(stage)
    node = Counting(stage.chain.url, lambda _: NodeRefused("too many arguments, want at most 2"))
    assert read(node, held, stage.chain.height()) == expected
    assert node.batches[-3:] == [100, 100, 100]


def test_a_node_that_ignores_overrides_is_found_out(stage: Stage):
    held, expected = many(stage)
    node = Counting(stage.chain.url)
    whole = node.ask_all

    async def without_override(calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        return await whole([Call(call.method, call.params[:2]) for call in calls])

    node.ask_all = without_override  # type: ignore[method-assign]
    assert read(node, held, stage.chain.height()) == expected


def test_a_cap_halves_the_call_until_it_passes(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(balances, "CHUNK_MIN", 20)
    held, expected = many(stage)

    def capped(call: Call) -> ChainError | None:
        (override,) = call.params[2].values()
        return LimitExceeded("cap") if len(override["code"]) > 10_000 else None

    node = Counting(stage.chain.url, capped)
    assert read(node, held, stage.chain.height()) == expected
    assert max(node.batches) == 1
    assert len(node.batches) > 3


def test_an_odd_token_spoils_nothing_but_its_own_balance(stage: Stage):
    reverts, seven = stage.deploy(REVERTS), stage.deploy(SEVEN)
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    held: list[balances.Held] = [
        (ADDRESS, reverts),
        (ADDRESS, None),
        (ADDRESS, seven),
        (ADDRESS, b"\x99" * 20),
        (ADDRESS, None),
    ]
    assert read(Counting(stage.chain.url), held, stage.chain.height()) == [0, 5, 7, 0, 5]


def test_gas_that_runs_out_is_no_balance_of_zero(stage: Stage):
    """A token that burns its gas, 300 times: the call reverts and is asked in smaller parts."""
    burns = stage.deploy(BURNS)
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    held: list[balances.Held] = [(ADDRESS, burns)] * 300 + [(ADDRESS, None)]
    node = Counting(stage.chain.url)
    assert read(node, held, stage.chain.height()) == [0] * 300 + [5]
    assert len(node.batches) > 2


def test_the_last_balance_of_a_call_is_never_starved(stage: Stage):
    """The most that one call answers for: with too little gas the last one would be zero."""
    slow = stage.deploy(SLOW)
    stage.chain.mine()

    def answers(count: int) -> tuple[bool, list[int]]:
        node = Counting(stage.chain.url)
        found = read(node, [(ADDRESS, slow)] * count, stage.chain.height())
        return len(node.batches) == 1, found

    low, high = 100, 600
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if answers(middle)[0] else (low, middle)
    at_once, found = answers(low)
    assert at_once
    assert found == [7] * low
    assert answers(high) == (False, [7] * high)
