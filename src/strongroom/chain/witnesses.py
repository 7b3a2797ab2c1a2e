"""Several nodes must name the same block before it is believed: k of n.

A header's hash commits to its receipts and transactions, so nodes that agree on it agree on these.
A node that is away, behind or on another fork is no witness; each is counted against it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from strongroom.chain.answers import HeaderAnswer
from strongroom.chain.async_rpc import AsyncRpc, blame
from strongroom.chain.errors import ChainError, NodeLied, NodeUnavailable
from strongroom.chain.headers import Header, check_header
from strongroom.chain.rpc import Call, read_optional

AGREED_MAX: Final = 4_096
"""Blocks that are remembered as agreed, so that none is asked for twice."""


class NodesDisagree(NodeUnavailable):
    """Too few nodes name this block. Nothing of it is booked; they are asked again."""

    code = "chain.nodes_disagree"


class Witnesses:
    """The nodes of one chain, each asked by itself; lives on one event loop."""

    def __init__(self, urls: Sequence[str], needed: int, *, timeout_seconds: float = 10) -> None:
        """`needed` of these nodes must agree; raises ValueError if they are fewer."""
        if not 1 <= needed <= len(set(urls)):
            raise ValueError(f"{needed} nodes must agree, {len(set(urls))} are configured")
        self._nodes = {url: AsyncRpc([url], timeout_seconds=timeout_seconds) for url in urls}
        self._needed = needed
        self._agreed: OrderedDict[bytes, None] = OrderedDict()

    async def agree(self, header: Header) -> None:
        """Returns once enough nodes have this very block at its height. Raises NodesDisagree."""
        if self._needed == 1 or header.hash in self._agreed:
            return
        asked = {asyncio.ensure_future(self._has(url, header)) for url in self._nodes}
        found = 0
        try:
            while asked and found < self._needed:
                done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
                found += sum(one.result() for one in done)
        finally:
            for one in asked:
                one.cancel()
        if found < self._needed:
            raise NodesDisagree(
                f"{found} of the needed {self._needed} nodes have block {header.height} with hash "
                f"0x{header.hash.hex()}. Nothing of it is believed yet; they are asked again."
            )
        self._agreed[header.hash] = None
        if len(self._agreed) > AGREED_MAX:
            self._agreed.popitem(last=False)

    async def height_of(self, tag: str, claimed: int) -> int:
        """The height of a tag ("safe", "finalized") that enough nodes have reached, at most what
        one of them has `claimed`. Raises NodesDisagree when too few answer.
        """
        if self._needed == 1:
            return claimed
        said = await asyncio.gather(*(self._tagged(url, tag) for url in self._nodes))
        heights = sorted((height for height in said if height is not None), reverse=True)
        if len(heights) < self._needed:
            raise NodesDisagree(
                f"{len(heights)} of the needed {self._needed} nodes say which block is {tag}. "
                "Nothing of it is believed yet; they are asked again."
            )
        return min(claimed, heights[self._needed - 1])

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    async def _has(self, url: str, header: Header) -> bool:
        call = Call("eth_getBlockByNumber", (hex(header.height), False))
        try:
            answer = read_optional((await self._nodes[url].ask_all([call]))[0], HeaderAnswer)
            there = None if answer is None else check_header(answer)
        except NodeLied:
            blame(url, "lied")
            return False
        except ChainError:
            return False  # counted where it was met
        if there is None:
            blame(url, "behind")
            return False
        if there.hash != header.hash:
            blame(url, "other_block")
        return there.hash == header.hash

    async def _tagged(self, url: str, tag: str) -> int | None:
        call = Call("eth_getBlockByNumber", (tag, False))
        try:
            answer = read_optional((await self._nodes[url].ask_all([call]))[0], HeaderAnswer)
            return None if answer is None else check_header(answer).height
        except NodeLied:
            blame(url, "lied")
        except ChainError:
            pass  # counted where it was met
        return None
