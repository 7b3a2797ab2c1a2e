"""Multicall3, a contract that many chains have at one address: its calls and answers as bytes.

What stands at an address is believed only where it is that contract's own code, by its hash.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from strongroom.chain.errors import NodeLied

ADDRESS: Final = bytes.fromhex("cA11bde05977b3631167028862bE2a173976CA11")
CODE_HASH: Final = bytes.fromhex("d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891")
"""Keccak-256 of its 3,808 bytes of runtime code, the same on each chain where it was put by its
own presigned transaction.
"""
WORD: Final = 32

# aggregate3((address target, bool allowFailure, bytes callData)[]): one offset and six words a call
_AGGREGATE3: Final = bytes.fromhex("82ad56cb")
_GET_ETH_BALANCE: Final = bytes.fromhex("4d2301cc")
_BALANCE_OF: Final = bytes.fromhex("70a08231")
_PAD: Final = bytes(12)
_CALL_BYTES: Final = 6 * WORD


class Multicall(NamedTuple):
    """Where the contract stands, and the hash of the code that must be there."""

    address: bytes = ADDRESS
    code_hash: bytes = CODE_HASH


def asking(contract: bytes, held: Sequence[tuple[bytes, bytes | None]]) -> bytes:
    """Call data of one `aggregate3` for the balance of each (address, token or None)."""
    count = len(held)
    coin = _head(contract) + _GET_ETH_BALANCE + _PAD
    heads = {token: _head(token) + _BALANCE_OF + _PAD for _, token in held if token is not None}
    tail = bytes(28)
    parts = [_AGGREGATE3, _word(WORD), _word(count)]
    parts += [_word(count * WORD + index * _CALL_BYTES) for index in range(count)]
    for address, token in held:
        parts += (coin if token is None else heads[token], address, tail)
    return b"".join(parts)


def answered(data: bytes, count: int) -> list[int | None]:
    """The balance that each of `count` calls gave, None where it failed; an address without code
    gives no bytes, which is zero. Raises NodeLied for anything but so many results.
    """
    if _integer(data, 0) != WORD or _integer(data, WORD) != count:
        raise NodeLied(f"The node gave {len(data)} bytes that are no {count} results of a call.")
    base = 2 * WORD
    return [_result(data, base + _integer(data, base + WORD * index)) for index in range(count)]


def _result(data: bytes, at: int) -> int | None:
    """One (bool success, bytes returnData)."""
    start = at + 3 * WORD
    end = start + _integer(data, at + 2 * WORD)
    if end > len(data) or _integer(data, at + WORD) != 2 * WORD:
        raise NodeLied("The node gave a result of a call that does not end where it says.")
    if not _integer(data, at):
        return None
    return int.from_bytes(data[start : min(end, start + WORD)].ljust(WORD, b"\0"), "big")


def _head(target: bytes) -> bytes:
    """A call that may fail, up to its 36 bytes of data."""
    return _PAD + target + _word(1) + _word(3 * WORD) + _word(36)


def _word(value: int) -> bytes:
    return value.to_bytes(WORD, "big")


def _integer(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + WORD], "big")
