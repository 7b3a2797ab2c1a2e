"""What a Safe transaction does, in lines that people read; refused where that is not certain.

Known are: the native coin and exact ERC-20 `transfer`, a Safe's own setters, Strongroom's guard
and exit module by selector, and batches of those through MultiSendCallOnly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from strongroom_verify.abi import decode, split
from strongroom_verify.errors import Malformed
from strongroom_verify.keccak import keccak256
from strongroom_verify.typed_data import checksum

ZERO = bytes(20)
ITEMS_MAX = 64
# MultiSendCallOnly: Safe's own deployments of 1.5.0 and 1.4.1, and Strongroom's of 1.5.0 (CREATE2
# by the deployer 0x4e59…4956C, salt 0). Another one is named with --multi-send.
MULTI_SEND_CALL_ONLY = frozenset(
    bytes.fromhex(text)
    for text in (
        "a83c336b20401af773b6219ba5027174338d1836",
        "9641d764fc13c8b624c04430c7356c1c7c8102e2",
        "756e377d1dcdc33bd973216e64d32bec6ab4b569",
    )
)


class Asset(NamedTuple):
    """How an asset is written: its symbol and how many decimals its unit has."""

    symbol: str
    decimals: int


@dataclass
class Decoded:
    """One line a call, and what a reader should stop at."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Call(NamedTuple):
    """The part of a transaction that says what happens."""

    to: bytes
    value: int
    data: bytes
    operation: int


class _Function(NamedTuple):
    signature: str
    line: str
    "What it does; {0}, {1}, … are its arguments, {to} the contract called."
    warning: str = ""


_OWNERS = "The people who can sign change."
_OPENS = "This can take the vault's protection away."
_SAFE = (
    _Function(
        "addOwnerWithThreshold(address,uint256)",
        "Adds the owner {0}; from then on {1} signatures are needed.",
        _OWNERS,
    ),
    _Function(
        "removeOwner(address,address,uint256)",
        "Removes the owner {1}; from then on {2} signatures are needed.",
        _OWNERS,
    ),
    _Function("swapOwner(address,address,address)", "Replaces the owner {1} by {2}.", _OWNERS),
    _Function("changeThreshold(uint256)", "From then on {0} signatures are needed.", _OWNERS),
    _Function(
        "enableModule(address)",
        "Enables the module {0}.",
        "A module moves money without the owners' signatures.",
    ),
    _Function("disableModule(address,address)", "Disables the module {1}.", _OPENS),
    _Function("setGuard(address)", "Makes {0} the transaction guard (zero = none).", _OPENS),
    _Function("setModuleGuard(address)", "Makes {0} the module guard (zero = none).", _OPENS),
    _Function(
        "setFallbackHandler(address)",
        "Makes {0} the fallback handler (zero = none).",
        "A fallback handler can sign in the Safe's name (EIP-1271).",
    ),
)
_OTHERS = (
    _Function("announce(bytes32)", "Guard {to}: announces the change {0}."),
    _Function("cancel(bytes32)", "Guard {to}: withdraws the announced change {0}."),
    _Function(
        "announceDestination(address)",
        "Guard {to}: {0} may be paid once its cooling time is over.",
        "A new destination can receive money.",
    ),
    _Function("revokeDestination(address)", "Guard {to}: {0} may no longer be paid."),
    _Function(
        "lowerLimit(address,uint128)",
        "Guard {to}: lowers the limit of the asset {0} to {1} units a day (zero = native coin).",
    ),
    _Function(
        "setLimit(address,uint128)",
        "Guard {to}: sets the limit of the asset {0} to {1} units a day (zero = native coin).",
        "More money can leave in a day.",
    ),
    _Function(
        "setPermitSigner(address)",
        "Guard {to}: from then on the key {0} issues Permits.",
        "The custodian's key changes.",
    ),
    _Function("setFreezers(address[])", "Guard {to}: who may freeze: {0}.", _OWNERS),
    _Function(
        "configure(address,(address,uint128)[],address[],address[])",
        "Guard {to}: takes the vault under guard: permit key {0}; limits {1}; destinations {2}; "
        "freezers {3}.",
        "The guard's whole configuration is set.",
    ),
    _Function("announce(address,bytes)", "Exit {to}: announces the exit of {0}.", _OPENS),
    _Function("cancel(address,bytes)", "Exit {to}: cancels the exit of {0}."),
    _Function("leave(address)", "Exit {to}: takes both guards off {0}.", _OPENS),
)


def _table(functions: tuple[_Function, ...]) -> dict[bytes, _Function]:
    return {keccak256(one.signature.encode())[:4]: one for one in functions}


_SAFE_TABLE, _OTHER_TABLE = _table(_SAFE), _table(_OTHERS)
_TRANSFER = keccak256(b"transfer(address,uint256)")[:4]
_MULTI_SEND = keccak256(b"multiSend(bytes)")[:4]
_ANNOUNCE = keccak256(b"announce(bytes32)")[:4]


class Reader:
    """Reads the calls of one Safe. `assets`: how tokens are written, by contract, zero = native."""

    def __init__(
        self,
        safe: bytes,
        assets: Mapping[bytes, Asset] | None = None,
        multi_send: frozenset[bytes] = frozenset(),
        change: Call | None = None,
    ) -> None:
        """`change`: what an announcement in the transaction is said to announce."""
        self._safe = safe
        self._assets = assets or {}
        self._multi_send = MULTI_SEND_CALL_ONLY | multi_send
        self._change = change

    def read(self, call: Call) -> Decoded:
        """Raises Malformed for what is not certain."""
        found = Decoded()
        for inner in self._calls(call):
            self._read_one(inner, found)
        return found

    def _calls(self, call: Call) -> list[Call]:
        """The call itself, or those of a batch."""
        if call.operation == 0:
            return [call]
        if call.operation != 1 or call.to not in self._multi_send:
            raise Malformed(
                f"operation {call.operation} hands the Safe to the code at {checksum(call.to)}: "
                "only MultiSendCallOnly is known, and only by its address"
            )
        if call.value or call.data[:4] != _MULTI_SEND:
            raise Malformed("a batch must be multiSend(bytes) without value")
        [packed] = decode(["bytes"], call.data[4:])
        inner = _unpack(packed)
        if any(one.to in self._multi_send for one in inner):
            raise Malformed("a batch in a batch")
        return inner

    def _read_one(self, call: Call, found: Decoded) -> None:
        if not call.data:
            found.lines.append(self._native(call))
        elif call.value:
            raise Malformed("a call that carries both value and call data")
        elif call.to == self._safe:
            self._function(_SAFE_TABLE, call, found)
        elif call.data[:4] == _TRANSFER:
            found.lines.append(self._transfer(call))
        else:
            self._function(_OTHER_TABLE, call, found)

    def _native(self, call: Call) -> str:
        if call.to == self._safe and call.value == 0:
            return "Rejection: uses up the nonce, moves nothing."
        if call.value == 0 or call.to in (ZERO, self._safe):
            raise Malformed("a payment of nothing, to nobody or to the Safe itself")
        return f"Pays {self._amount(ZERO, call.value)} to {checksum(call.to)}."

    def _transfer(self, call: Call) -> str:
        recipient, units = decode(["address", "uint256"], call.data[4:])
        if units == 0 or recipient in (ZERO, call.to):
            raise Malformed("a transfer of nothing, to nobody or to the token itself")
        return f"Pays {self._amount(call.to, units)} to {checksum(recipient)}."

    def _function(self, table: dict[bytes, _Function], call: Call, found: Decoded) -> None:
        function = table.get(call.data[:4])
        if function is None:
            raise Malformed(
                f"the call 0x{call.data[:4].hex()} to {checksum(call.to)} is not known: nobody "
                "can say here what it does"
            )
        arguments = decode(split(function.signature.partition("(")[2][:-1]), call.data[4:])
        found.lines.append(function.line.format(*map(_show, arguments), to=checksum(call.to)))
        if function.warning and function.warning not in found.warnings:
            found.warnings.append(function.warning)
        if call.data[:4] == _ANNOUNCE:
            self._announced(arguments[0], found)

    def _announced(self, change_hash: bytes, found: Decoded) -> None:
        if self._change is None:
            found.warnings.append("What the hash announces is not in it: give it with --change.")
            return
        if _change_hash(self._change) != change_hash:
            raise Malformed("the change that was given is not the one announced")
        content = Reader(self._safe, self._assets, self._multi_send).read(self._change)
        found.lines += [f"Announced: {line}" for line in content.lines]
        found.warnings += content.warnings

    def _amount(self, token: bytes, units: int) -> str:
        asset = self._assets.get(token)
        if asset is None:
            where = "the native coin" if token == ZERO else f"the token {checksum(token)}"
            return f"{units} of the smallest unit of {where}"
        whole, rest = divmod(units, 10**asset.decimals)
        part = f".{rest:0{asset.decimals}d}".rstrip("0") if rest else ""
        at = "" if token == ZERO else f", token {checksum(token)}"
        return f"{whole:,}{part} {asset.symbol} ({units} units{at})"


def _unpack(packed: bytes) -> list[Call]:
    """The items of multiSend: operation 1, to 20, value 32, length 32, data. To the very end."""
    calls, at = [], 0
    while at < len(packed):
        head = packed[at : at + 85]
        size = int.from_bytes(head[53:85], "big")
        if len(head) != 85 or at + 85 + size > len(packed):
            raise Malformed("the batch is cut off")
        call = Call(head[1:21], int.from_bytes(head[21:53], "big"), b"", head[0])
        if call.operation != 0 or call.to == ZERO:
            raise Malformed("a batch's call must be plain and to an address other than zero")
        calls.append(call._replace(data=packed[at + 85 : at + 85 + size]))
        at += 85 + size
    if not 1 <= len(calls) <= ITEMS_MAX:
        raise Malformed(f"a batch of {len(calls)} calls; 1 to {ITEMS_MAX} are known")
    return calls


def _change_hash(change: Call) -> bytes:
    """keccak256(abi.encode(to, value, keccak256(data), operation)), as the guard has it."""
    return keccak256(
        change.to.rjust(32, b"\0")
        + change.value.to_bytes(32, "big")
        + keccak256(change.data)
        + change.operation.to_bytes(32, "big")
    )


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        return checksum(value) if len(value) == 20 else "0x" + value.hex()
    if isinstance(value, list):
        return ", ".join(map(_show, value)) or "none"
    if isinstance(value, tuple):
        return ": ".join(map(_show, value))
    return str(value)
