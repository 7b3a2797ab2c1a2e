"""Call data read strictly: the few functions that a vault's own change may call, by selector.

What was read is encoded again and must give the same bytes, so a decoy offset, dirty padding or a
trailing byte is refused (rule 4 of the vault's facts).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom_protocol import abi
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.decoded import DecodingRefused
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import RangeExceeded

WORD: Final = 32
ADDRESS_BYTES: Final = 20

Value = Address | int | bytes | tuple[object, ...]
SAFE_CALLS: Final = (
    "addOwnerWithThreshold(address,uint256)",
    "removeOwner(address,address,uint256)",
    "swapOwner(address,address,address)",
    "changeThreshold(uint256)",
)
GUARD_CALLS: Final = (
    "announce(bytes32)",
    "cancel(bytes32)",
    "announceDestination(address)",
    "revokeDestination(address)",
    "lowerLimit(address,uint128)",
    "setLimit(address,uint128)",
    "setPermitSigner(address)",
    "setFreezers(address[])",
)


@dataclass(frozen=True, slots=True)
class ReadCall:
    """A function's full signature and its arguments."""

    function: str
    arguments: tuple[Value, ...]

    @property
    def name(self) -> str:
        """The signature up to its bracket."""
        return self.function.partition("(")[0]

    def texts(self) -> tuple[str, ...]:
        """The arguments as text: EIP-55 addresses, decimal numbers, 0x hex; lists in brackets."""
        return tuple(map(_text, self.arguments))


def read_call(data: bytes, functions: tuple[str, ...]) -> ReadCall:
    """The call, if `data` is exactly one of these functions' encodings. Raises DecodingRefused."""
    function = _by_selector(functions).get(data[:4])
    if function is None:
        raise DecodingRefused(
            f"call data 0x{data[:4].hex()}… is no function that a vault's change may call"
        )
    kinds = split_types(function.partition("(")[2].removesuffix(")"))
    body = data[4:]
    values = tuple(_value(body, kind, i * WORD) for i, kind in enumerate(kinds))
    try:
        encoded = abi.call(function, *map(_encode, kinds, values))
    except RangeExceeded as error:
        raise DecodingRefused(f"{function}: {error}") from error
    if encoded != data:
        raise DecodingRefused(
            f"{function}: the call data is not in canonical form; it may hide something"
        )
    return ReadCall(function, values)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, bytes):
        return checksum(Address(value)) if len(value) == ADDRESS_BYTES else to_hex(value)
    return str(value)


def split_types(text: str) -> list[str]:
    """("address,(address,uint128)[]") → the two types."""
    found, depth = [""], 0
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found if text else []


def _by_selector(functions: tuple[str, ...]) -> Mapping[bytes, str]:
    return {abi.selector(function): function for function in functions}


def _value(body: bytes, kind: str, at: int) -> Value:
    if not kind.endswith("[]"):
        return _atom(_word(body, at), kind)
    start = int.from_bytes(_word(body, at), "big")
    count = int.from_bytes(_word(body, start), "big")
    inner = kind.removesuffix("[]")
    parts = split_types(inner[1:-1]) if inner.startswith("(") else [inner]
    items: list[object] = []
    for i in range(count):
        first = start + WORD * (1 + i * len(parts))
        item = tuple(_atom(_word(body, first + WORD * j), part) for j, part in enumerate(parts))
        items.append(item if inner.startswith("(") else item[0])
    return tuple(items)


def _word(body: bytes, at: int) -> bytes:
    word = body[at : at + WORD]
    if len(word) != WORD:
        raise DecodingRefused("the call data ends too early")
    return word


def _atom(word: bytes, kind: str) -> Address | int | bytes:
    if kind == "address":
        return Address(word[12:])
    return word if kind == "bytes32" else int.from_bytes(word, "big")


def _encode(kind: str, value: Value) -> bytes:
    if not kind.endswith("[]"):
        return _encode_atom(kind, value)
    inner = kind.removesuffix("[]")
    parts = split_types(inner[1:-1]) if inner.startswith("(") else [inner]
    rows = value if isinstance(value, tuple) else ()
    return abi.array(
        [
            b"".join(map(_encode_atom, parts, row if isinstance(row, tuple) else (row,)))
            for row in rows
        ]
    )


def _encode_atom(kind: str, value: object) -> bytes:
    if isinstance(value, int):
        return abi.uint(value, int(kind.removeprefix("uint")))
    found = value if isinstance(value, bytes) else b""
    return found if kind == "bytes32" else abi.address(Address(found))
