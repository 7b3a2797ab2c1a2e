"""When a block is final: by the node's tag, or by depth; and tags that contradict themselves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from strongroom.chain.async_rpc import AsyncRpc, provider
from strongroom.chain.errors import BlockUnknown, ChainError, NodeLied, NodeRefused
from strongroom.chain.rpc import Call
from strongroom.indexer.errors import FinalityWentBack
from strongroom.indexer.fetcher import Fetcher
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, Stage
from tests.integration.strongroom.indexer.test_lying_nodes import Tampering, read


def tagged(change: Callable[[str, Any], Any]) -> Callable[[Call, Any], Any]:
    """Edit what a node answers for a tag."""
    return lambda call, answer: (
        change(str(call.params[0]), answer) if call.method == "eth_getBlockByNumber" else answer
    )


def finals(stage: Stage) -> list[int]:
    found = stage.rows("SELECT height FROM chain_block WHERE state = 'finalized' ORDER BY height")
    return [row["height"] for row in found]


def test_final_is_what_the_tag_says(stage: Stage):
    stage.chain.mine(5)
    tip = read(stage, lambda _, answer: answer, lambda fetcher: fetcher.tip())
    head = stage.chain.height()
    assert (tip.latest.height, tip.safe_height, tip.finalized.height) == (head, head - 1, head - 2)


def test_a_final_block_above_the_head_is_a_lie(stage: Stage):
    stage.chain.mine(5)

    def lagging(tag: str, answer: Any) -> Any:
        return answer if tag != "latest" else stage.chain.rpc("eth_getBlockByNumber", "0x1", False)

    with pytest.raises(NodeLied, match=r"calls block .* final, above its newest, 1"):
        read(stage, tagged(lagging), lambda fetcher: fetcher.tip())


@pytest.mark.parametrize("answer", [None, NodeRefused("invalid block tag")])
def test_a_chain_without_tags_says_what_to_set(stage: Stage, answer: ChainError | None):
    edit = tagged(lambda tag, found: answer if tag in ("safe", "finalized") else found)
    with pytest.raises(BlockUnknown, match="STRONGROOM_FINALITY_DEPTH"):
        read(stage, edit, lambda fetcher: fetcher.tip())


def test_by_depth_no_tag_is_asked_for(stage: Stage):
    stage.chain.mine(9)

    async def tip() -> tuple[Any, list[Call]]:
        rpc = AsyncRpc([stage.chain.url])
        tampering = Tampering(rpc, lambda _, answer: answer)
        try:
            return await Fetcher(tampering, finality_depth=4).tip(), tampering.asked
        finally:
            await rpc.close()

    found, asked = asyncio.run(tip())
    head = stage.chain.height()
    assert (found.latest.height, found.safe_height, found.finalized.height) == (
        head,
        head - 4,
        head - 4,
    )
    assert not {call.params[0] for call in asked} & {"safe", "finalized"}


def test_by_depth_blocks_are_final_so_far_below_the_head(stage: Stage):
    follower = stage.follower(finality_depth=4)
    stage.send(ADDRESS, 5)
    paid = stage.chain.mine()
    stage.chain.mine(3)
    stage.catch_up(follower)
    assert paid not in finals(stage)
    stage.chain.mine()
    stage.catch_up(follower)
    assert finals(stage)[-1] == paid == stage.chain.height() - 4
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5


def test_by_depth_a_reorganisation_to_a_lower_head_is_followed(stage: Stage):
    """Depth follows the head down: no error of the node, and what is final stays final."""
    follower = stage.follower(finality_depth=4)
    stage.chain.mine(8)
    stage.catch_up(follower)
    assert follower.cursor is not None
    final = follower.cursor.finalized_height
    stage.chain.rpc("anvil_rollback", 2)
    stage.send(ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(follower)
    assert follower.cursor.height == stage.chain.height()
    assert follower.cursor.finalized_height == final
    assert stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    stage.assert_sound()


def test_a_node_that_takes_finality_back_is_turned_away(stage: Stage):
    """It has our head, so it does not lag; its word for what is final became lower."""
    stage.chain.mine(6)
    follower = stage.follower()
    stage.catch_up(follower)
    cursor = follower.cursor
    assert cursor is not None
    fetcher = stage.threads[-1].fetcher
    honest = fetcher.tip

    async def taken_back() -> Any:
        tip = await honest()
        return type(tip)(tip.latest, tip.safe_height, await fetcher.header_at(1))

    fetcher.tip = taken_back  # type: ignore[method-assign]
    stage.chain.mine()
    with pytest.raises(FinalityWentBack, match="calls block 1 the newest final one"):
        stage.catch_up(follower)
    labels = {"provider": provider(stage.chain.url), "fault": "finality"}
    assert REGISTRY.get_sample_value("strongroom_node_faults_total", labels) == 1
    assert stage.rows("SELECT finalized_height FROM chain_cursor") == [
        {"finalized_height": cursor.finalized_height}
    ]
    fetcher.tip = honest  # type: ignore[method-assign]
    stage.catch_up(follower)
    assert follower.cursor is not None
    assert follower.cursor.height == stage.chain.height()


def test_blocks_as_fast_as_steps_hold_finality_up_by_no_more_than_a_step(stage: Stage):
    """The newest block is read before what became final, but never twice in a row."""
    follower = stage.follower()
    stage.chain.mine(6)
    stage.catch_up(follower)
    for _ in range(8):
        stage.chain.mine()
        follower.step()
    assert follower.cursor is not None
    assert follower.cursor.finalized_height >= stage.chain.height() - 4
