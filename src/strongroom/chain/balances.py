"""Balances of many addresses at one block, by the best way that the node has.

1. One `eth_call` of code that is put at an unused address for this call alone (geth's state
override set); the items stand behind that code, so they cost no calldata gas. 2. Where a node
refuses overrides: Multicall3, if the chain has that very code. 3. Each by itself, in batches.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from strongroom.chain import multicall
from strongroom.chain.errors import (
    ChainError,
    ExecutionReverted,
    LimitExceeded,
    MethodMissing,
    NodeLied,
    NodeRefused,
    OutOfGas,
    ParametersRefused,
    TransactionInvalid,
)
from strongroom.chain.headers import Header
from strongroom.chain.multicall import Multicall
from strongroom.chain.rpc import Call, octets, quantity, read
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom_protocol.hashing import keccak256

CHUNK_MAX: Final = 10_000
"""Balances in one call: 28 million gas for coins, more for tokens; halved where a node caps it."""
CHUNK_MIN: Final = 100
"""A node that can't do this many in one call is asked in another way."""
MULTICALL_MAX: Final = 500
"""Calls that one call of Multicall3 makes: 100,000 gas for each."""
GAS: Final = 50_000_000
"""geth's default cap of an `eth_call`."""
SINGLES_MAX: Final = 100
SINGLES_MIN: Final = 10
"""A node that refuses so few is busy, or away: it is asked again later."""
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
_COIN: Final = bytes(20)
_CAPPED: Final = (ExecutionReverted, LimitExceeded, NodeRefused, NodeLied, TransactionInvalid)
"""What a node says that lacks gas or bytes for so many."""
_MISSING: Final = (MethodMissing, ParametersRefused)

Held = tuple[bytes, bytes | None]
"""(address, token); None = the chain's own coin."""


class Rpc(Protocol):
    """A way to ask a node a batch of calls."""

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """One result or error a call."""
        ...


@dataclass(slots=True)
class _Way:
    """How balances are asked for, and how many of them one request asks for."""

    name: str
    ask: Callable[[dict[str, Any], Sequence[Held]], Awaitable[list[int]]]
    size_min: int
    size_max: int
    capped: tuple[type[ChainError], ...] = _CAPPED
    missing: tuple[type[ChainError], ...] = _MISSING
    is_closed: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.size_max


class BalanceOracle:
    """Reads balances of one chain; remembers which ways its node has, and for how many at once."""

    def __init__(self, rpc: Rpc, contract: Multicall | None = None) -> None:
        """`rpc`: batches in, answers out; `contract`: the chain's Multicall3."""
        self._rpc = rpc
        self._contract = contract or Multicall()
        self._override = _Way("override", self._by_override, CHUNK_MIN, CHUNK_MAX)
        self._multicall = _Way("multicall", self._by_multicall, CHUNK_MIN, MULTICALL_MAX)
        self._single = _Way("single", self._singly, SINGLES_MIN, SINGLES_MAX, (LimitExceeded,), ())

    async def read(self, header: Header, held: Sequence[Held]) -> list[int]:
        """Units that each item holds at exactly this block. Raises ChainError."""
        block = {"blockHash": "0x" + header.hash.hex(), "requireCanonical": True}
        found: list[int] = []
        for way in (self._override, self._multicall, self._single):
            if not way.is_closed:
                found += await self._by(way, block, held[len(found) :])
        if len(found) < len(held):
            raise LimitExceeded("The node caps even a few balances at once; asked again.")
        return found

    async def _by(self, way: _Way, block: dict[str, Any], held: Sequence[Held]) -> list[int]:
        """What this way gives, from the first on: less than asked where the node ends it. A request
        that is too large is halved; after a reading that passed, the next may be twice as large.
        """
        found: list[int] = []
        size, passed = way.size, True
        while len(found) < len(held) and size >= way.size_min:
            chunk = held[len(found) : len(found) + size]
            try:
                found += await way.ask(block, chunk)
                continue
            except way.missing as error:
                way.is_closed = way is self._override  # the code at an address depends on the block
                reason, size = error.message, 0
            except way.capped as error:
                reason, size = error.message, min(size, len(chunk)) // 2
                if len(chunk) >= way.size_min:  # fewer say nothing of what it can do
                    way.size = max(size, way.size_min)
            passed = False
            counter("strongroom_balance_calls_capped_total", "Refused by a node.").inc()
            logger(__name__).info("balances.capped", way=way.name, size=size, reason=reason)
        if passed:
            way.size = min(way.size * 2, way.size_max)
        named = "Balances read, by the way in which the node was asked."
        counter("strongroom_balances_read_total", named, ("way",)).labels(way.name).inc(len(found))
        return found

    async def _by_override(self, block: dict[str, Any], chunk: Sequence[Held]) -> list[int]:
        call = {"to": ORACLE, "gas": hex(GAS)}
        code = {ORACLE: {"code": code_asking(chunk)}}
        answers = await self._rpc.ask_all([Call("eth_call", (call, block, code))])
        words = octets(read(answers[0], str))
        if not words:
            raise MethodMissing("The node takes no notice of a state override.")
        if len(words) != 32 * len(chunk):
            raise NodeLied(f"The node gave {len(words)} bytes for {len(chunk)} balances.")
        return [int.from_bytes(words[at : at + 32], "big") for at in range(0, len(words), 32)]

    async def _by_multicall(self, block: dict[str, Any], chunk: Sequence[Held]) -> list[int]:
        """A call that failed may have lacked gas that one before it took: from there on singly."""
        contract = "0x" + self._contract.address.hex()
        data = "0x" + multicall.asking(self._contract.address, chunk).hex()
        call = Call("eth_call", ({"to": contract, "data": data, "gas": hex(GAS)}, block))
        code, answer = await self._rpc.ask_all([Call("eth_getCode", (contract, block)), call])
        if keccak256(octets(read(code, str))) != self._contract.code_hash:
            raise MethodMissing(f"The code at {contract} is not Multicall3's: it is not asked.")
        units = multicall.answered(octets(read(answer, str)), len(chunk))
        sure = units.index(None) if None in units else len(units)
        rest = chunk[sure:]
        if rest and rest[0][1] is None:
            raise LimitExceeded("The node gave too little gas for so many coins' balances.")
        found = [one for one in units[:sure] if one is not None]
        return found + (await self._by(self._single, block, rest) if rest else [])

    async def _singly(self, block: dict[str, Any], chunk: Sequence[Held]) -> list[int]:
        calls = [_single_call(address, token, block) for address, token in chunk]
        return [_single_answer(answer) for answer in await self._rpc.ask_all(calls)]


def code_asking(held: Sequence[Held]) -> str:
    """The code that answers for these, as hex."""
    items = [part for address, token in held for part in (address, token or _COIN)]
    return "0x" + (_CODE + b"".join(items)).hex()


def _single_call(address: bytes, token: bytes | None, block: dict[str, Any]) -> Call:
    if token is None:
        return Call("eth_getBalance", ("0x" + address.hex(), block))
    data = "0x70a08231" + address.rjust(32, b"\0").hex()
    return Call("eth_call", ({"to": "0x" + token.hex(), "data": data}, block))


def _single_answer(answer: msgspec.Raw | ChainError) -> int:
    """A balanceOf that reverts or takes all gas, and an address without code, hold nothing."""
    if isinstance(answer, ExecutionReverted | OutOfGas):
        return 0
    data = read(answer, str)
    return quantity(data) if len(data) > 2 else 0
