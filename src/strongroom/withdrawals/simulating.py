"""What a node says that a payment would do, read into balance changes and cautions. Pure.

The node is asked, not believed: its answer adds cautions and never takes one away. Balances of the
token are asked before and after; a log alone is a contract's own word.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.decoded import Caution
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import Payment, payment_safe_tx

Method = Literal["eth_simulateV1", "debug_traceCall", "none"]
TRANSFER_TOPIC: Final = to_hex(keccak256(b"Transfer(address,address,uint256)"))
NATIVE_LOGS: Final = "0x" + "ee" * 20
"""Where eth_simulateV1 with traceTransfers reports transfers of the native coin."""
BALANCE_OF: Final = "balanceOf(address)"
CALLS_MAX: Final = 1_000
"""Inner calls of a trace that are read; more is none of a payment's."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an address would gain, or lose (below zero), of a token (ZERO = native)."""

    address: Address
    token: Address
    units: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it; `succeeded` is None where the node could not be asked."""

    method: Method
    block_height: int | None
    succeeded: bool | None
    changes: tuple[Change, ...]
    cautions: tuple[Caution, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A payment by `wallet`, asked as the call that the wallet itself makes."""

    wallet: Address
    payment: Payment

    def call(self) -> dict[str, str]:
        """The call that moves the money. A vault's is the Safe's own, without its people's
        signatures and without its guard: they are checked elsewhere.
        """
        tx = payment_safe_tx(self.payment.token, self.payment.to, self.payment.units, 0)
        return _call(self.wallet, tx.to, tx.data, tx.value)

    def simulation(self) -> dict[str, Any]:
        """The parameter of eth_simulateV1: balances, the payment, balances again."""
        balances: list[dict[str, str]] = []
        if self.payment.token != ZERO:
            balances = [
                _call(self.wallet, self.payment.token, abi.call(BALANCE_OF, abi.address(who)), 0)
                for who in (self.wallet, self.payment.to)
            ]
        return {
            "blockStateCalls": [{"calls": [*balances, self.call(), *balances]}],
            "traceTransfers": True,
            "validation": False,
        }


def read_simulation(asked: Question, answer: Any) -> Simulated:
    """What eth_simulateV1 answered. Raises ValueError, LookupError, TypeError: it is no answer."""
    block = answer[0]
    calls: list[Mapping[str, Any]] = block["calls"]
    middle = len(calls) // 2
    succeeded = calls[middle]["status"] == "0x1"
    told = _of_logs(calls[middle]["logs"])
    if middle and all(one["status"] == "0x1" for one in calls[:middle] + calls[middle + 1 :]):
        for i, who in enumerate((asked.wallet, asked.payment.to)):
            before, after = (int(calls[j]["returnData"], 16) for j in (i, middle + 1 + i))
            told[who, asked.payment.token] = after - before
    # The block that is simulated would be the next one.
    height = int(block["number"], 16) - 1
    return _judged(asked, "eth_simulateV1", height, succeeded, told)


def read_trace(asked: Question, height: int, answer: Any) -> Simulated:
    """What debug_traceCall's callTracer answered, with its logs. Raises like read_simulation."""
    told: dict[tuple[Address, Address], int] = {}
    for call in _frames(answer):
        for key, units in _of_logs(call.get("logs") or ()).items():
            told[key] = told.get(key, 0) + units
        value = int(call.get("value") or "0x0", 16)
        if value and call["type"] != "DELEGATECALL":
            _move(told, ZERO, _address(call["from"]), _address(call["to"]), value)
    return _judged(asked, "debug_traceCall", height, "error" not in answer, told)


def unavailable(reason: str) -> Simulated:
    """Nobody could be asked; that is a caution, too."""
    text = f"The node could not be asked what this payment would do: {reason}"
    return Simulated("none", None, None, (), (Caution("simulation_missing", text),))


def _judged(
    asked: Question,
    method: Method,
    height: int,
    succeeded: bool,
    told: Mapping[tuple[Address, Address], int],
) -> Simulated:
    changes = tuple(
        Change(who, token, units) for (who, token), units in sorted(told.items()) if units
    )
    found = list(_cautions(asked, succeeded, dict(told)))
    return Simulated(method, height, succeeded, changes if succeeded else (), tuple(found))


def _cautions(
    asked: Question, succeeded: bool, told: dict[tuple[Address, Address], int]
) -> Iterator[Caution]:
    if not succeeded:
        yield Caution("simulation_fails", "On the chain as it stands now this payment would fail.")
        return
    token, to, units = asked.payment.token, asked.payment.to, asked.payment.units
    got, lost = told.pop((to, token), 0), -told.pop((asked.wallet, token), 0)
    if got != units:
        yield Caution(
            "simulation_differs",
            f"{checksum(to)} would receive {got} of the {units} units that are paid: the token "
            "takes a fee, or does something else.",
        )
    if lost != units:
        yield Caution(
            "simulation_differs",
            f"The wallet would lose {lost} units of what it pays, not {units}.",
        )
    for (who, other), more in sorted(told.items()):
        if who == asked.wallet and more:
            what = "the native coin" if other == ZERO else f"the token {checksum(other)}"
            verb = "gain" if more > 0 else "lose"
            yield Caution(
                "simulation_differs",
                f"The wallet would also {verb} {abs(more)} units of {what}.",
            )


def _of_logs(logs: Sequence[Mapping[str, Any]]) -> dict[tuple[Address, Address], int]:
    """Transfers that contracts told of; one with another shape (an NFT's) is left aside."""
    found: dict[tuple[Address, Address], int] = {}
    for log in logs:
        topics, data = log["topics"], str(log["data"])
        if len(topics) == 3 and topics[0] == TRANSFER_TOPIC and len(data) == 66:
            native = str(log["address"]).lower() == NATIVE_LOGS
            token = ZERO if native else _address(log["address"])
            sender, recipient = (_address("0x" + str(topic)[26:]) for topic in topics[1:])
            _move(found, token, sender, recipient, int(data, 16))
    return found


def _move(
    told: dict[tuple[Address, Address], int],
    token: Address,
    sender: Address,
    recipient: Address,
    units: int,
) -> None:
    told[sender, token] = told.get((sender, token), 0) - units
    told[recipient, token] = told.get((recipient, token), 0) + units


def _frames(top: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The calls of a trace that were not undone, outer ones first."""
    waiting, count = [top], 0
    while waiting and count < CALLS_MAX:
        frame = waiting.pop()
        count += 1
        if "error" not in frame:
            yield frame
            waiting += frame.get("calls") or ()


def _address(text: object) -> Address:
    return Address(bytes.fromhex(str(text).removeprefix("0x").rjust(40, "0")[-40:]))


def _call(sender: Address, to: Address, data: bytes, value: int) -> dict[str, str]:
    return {"from": to_hex(sender), "to": to_hex(to), "data": to_hex(data), "value": hex(value)}
