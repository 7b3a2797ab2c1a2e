"""Balances of many addresses at one block by one `eth_call`: code that is put at an unused address
for this call alone (geth's state override set) asks for each of them.

The items stand behind that code, so they cost no calldata gas. Where a node refuses overrides,
each balance is asked for by itself, in batches.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from strongroom.chain.errors import (
    ChainError,
    ExecutionReverted,
    LimitExceeded,
    MethodMissing,
    NodeLied,
    NodeRefused,
)
from strongroom.chain.headers import Header
from strongroom.chain.rpc import Call, octets, quantity, read
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom_protocol.hashing import keccak256

CHUNK_MAX: Final = 10_000
"""Balances in one call: 28 million gas for coins, more for tokens; halved where a node caps it."""
CHUNK_MIN: Final = 100
"""A node that can't do this many refuses overrides themselves."""
GAS: Final = 50_000_000
"""geth's default cap of an `eth_call`."""
SINGLE_CALLS_MAX: Final = 100
ORACLE: Final = "0x" + keccak256(b"strongroom.balance-oracle")[12:].hex()
"""An address that nobody has the key of; nothing is there but during the call."""

# Behind it stand items of 40 bytes: address, token (zero = the chain's own coin). It returns a word
# an item. A reverting balanceOf is zero; too little gas for one reverts the whole call.
_CODE: Final = bytes.fromhex(
    "606d"  # i: where the next item stands in the code
    "6080"  # o: where the next answer goes in memory
    "6370a08231604052"  # balanceOf's selector before the word that holds the address
    "5b813811601a57"  # LOOP: while i < code size
    "608090036080f3"  # return what was written
    "5b603482600039"  # BODY: the item into memory
    "60005160601c"  # its address
    "60145160601c"  # its token
    "80603857"  # zero: the chain's own coin, else TOKEN
    "50318152605c56"  # BALANCE, then NEXT
    "5b6203d0905a10606857"  # TOKEN: less than 250,000 gas left, FAIL
    "90606052"  # the address as balanceOf's argument
    "6020826024605c8462030d40fa"  # STATICCALL with 200,000 gas
    "605a5760008252"  # it reverted: zero
    "5b50"  # DONE
    "5b6020019060280190600c56"  # NEXT: o + 32, i + 40, LOOP
    "5b600080fd"  # FAIL: revert
)
_CAPPED: Final = (ExecutionReverted, LimitExceeded, NodeRefused, MethodMissing, NodeLied)
"""What a node says that lacks gas or bytes for so many, or that knows no overrides."""

Held = tuple[bytes, bytes | None]
"""(address, token); None = the chain's own coin."""


class Rpc(Protocol):
    """A way to ask a node a batch of calls."""

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """One result or error a call."""
        ...


class BalanceOracle:
    """Reads balances of one chain; remembers how many its node answers at once."""

    def __init__(self, rpc: Rpc) -> None:
        """`rpc`: batches in, answers out."""
        self._rpc = rpc
        self._chunk = CHUNK_MAX

    async def read(self, header: Header, held: Sequence[Held]) -> list[int]:
        """Units that each item holds at exactly this block. Raises ChainError."""
        block = {"blockHash": "0x" + header.hash.hex(), "requireCanonical": True}
        found: list[int] = []
        size = self._chunk
        while len(found) < len(held):
            if size < CHUNK_MIN:
                return found + await self._singly(block, held[len(found) :])
            chunk = held[len(found) : len(found) + size]
            try:
                found += await self._at_once(block, chunk)
            except _CAPPED as error:
                size = min(size, len(chunk)) // 2
                if len(chunk) >= CHUNK_MIN:  # fewer say nothing of what it can do
                    self._chunk = size
                counter("strongroom_balance_calls_capped_total", "Refused by a node.").inc()
                logger(__name__).info("balances.capped", size=size, reason=error.message)
        return found

    async def _at_once(self, block: dict[str, Any], chunk: Sequence[Held]) -> list[int]:
        call = {"to": ORACLE, "gas": hex(GAS)}
        code = {ORACLE: {"code": code_asking(chunk)}}
        answers = await self._rpc.ask_all([Call("eth_call", (call, block, code))])
        words = octets(read(answers[0], str))
        if len(words) != 32 * len(chunk):
            raise NodeLied(f"The node gave {len(words)} bytes for {len(chunk)} balances.")
        return [int.from_bytes(words[at : at + 32], "big") for at in range(0, len(words), 32)]

    async def _singly(self, block: dict[str, Any], held: Sequence[Held]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(held), SINGLE_CALLS_MAX):
            part = held[start : start + SINGLE_CALLS_MAX]
            calls = [_single_call(address, token, block) for address, token in part]
            found += [_single_answer(answer) for answer in await self._rpc.ask_all(calls)]
        return found


def code_asking(held: Sequence[Held]) -> str:
    """The code that answers for these, as hex."""
    items = b"".join(address + (token or bytes(20)) for address, token in held)
    return "0x" + (_CODE + items).hex()


def _single_call(address: bytes, token: bytes | None, block: dict[str, Any]) -> Call:
    if token is None:
        return Call("eth_getBalance", ("0x" + address.hex(), block))
    data = "0x70a08231" + address.rjust(32, b"\0").hex()
    return Call("eth_call", ({"to": "0x" + token.hex(), "data": data}, block))


def _single_answer(answer: msgspec.Raw | ChainError) -> int:
    """A reverting balanceOf, and an address without code, hold nothing of that token."""
    if isinstance(answer, ExecutionReverted):
        return 0
    data = read(answer, str)
    return quantity(data) if len(data) > 2 else 0
