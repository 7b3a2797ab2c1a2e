"""What a node says that a transaction would do, asked just before it is signed; and what the block
says that it did. Pure but for `Foresight`, which asks.

The node's word delays and warns. It never clears a payment, and it stops none for ever.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from strongroom.chain.errors import ChainError, ExecutionReverted, InsufficientFunds
from strongroom.chain.ports import BlockView, Log, TransactionSeen
from strongroom.chain.rpc import Call
from strongroom.relay.reverts import explain
from strongroom.relay.types import OutgoingView
from strongroom_protocol.addresses import ZERO
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Withdrawal
from strongroom_protocol.safe import payment_call

TRANSFER_TOPIC: Final = keccak256(b"Transfer(address,address,uint256)")
NATIVE_LOGS: Final = b"\xee" * 20
"""Where eth_simulateV1 with traceTransfers reports transfers of the native coin."""

Moved = tuple[bytes, bytes, bytes, int]
"""Token (empty = the coin), from, to, units."""


@dataclass(frozen=True, slots=True)
class SentCall:
    """The call that a transaction makes: what is signed, less nonce and fees. `payer` is the wallet
    whose money it moves, `payees` are those whom people approved.
    """

    sender: bytes
    to: bytes
    value: int
    data: bytes
    payer: bytes
    payees: frozenset[bytes]
    expected: frozenset[Moved] = frozenset()
    """What it must move; a batch that swallows a failed item moves less."""
    codes: Mapping[bytes, bytes] = field(default_factory=dict)
    """The code that accounts will have, which delegate along with it."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`reverts`: why it would do nothing. `moved` is None where no node could say."""

    reverts: str | None = None
    moved: tuple[Moved, ...] | None = None


class SimulatingNode(Protocol):
    """The node as it is asked. Errors are those of chain.errors."""

    def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """A batch; one result or error a call."""
        ...


def call_of(outgoing: OutgoingView) -> SentCall | None:
    """The call, where the payload says it whole: a spending key's payment."""
    if outgoing.purpose != "hot_payment":
        return None
    try:
        intent = Withdrawal.from_fields(outgoing.payload.get("intent"), field="intent")
        to, value, data = payment_call(intent.token, intent.to, intent.units)
    except ProtocolError:
        return None  # the signer says what is wrong with it
    return SentCall(intent.wallet, to, value, data, intent.wallet, frozenset({intent.to}))


def foresee(node: SimulatingNode, calls: Sequence[SentCall]) -> list[Foreseen]:
    """What each call would do on the newest block, each by itself. A node that is away, or lacks
    eth_simulateV1, foresees nothing.
    """
    try:
        answers = node.ask_all(
            [Call("eth_simulateV1", (_question(one), "latest")) for one in calls]
        )
    except ChainError:
        return [Foreseen() for _ in calls]
    return [_read(answer) for answer in answers]


def fails(call: SentCall, foreseen: Foreseen) -> str | None:
    """Why it would do nothing, or less than it must; without a full stop."""
    if foreseen.reverts is not None or foreseen.moved is None:
        return foreseen.reverts
    lacking = sorted(call.expected - set(foreseen.moved))
    return _say("would not happen", Counter(lacking)).removesuffix(".") if lacking else None


def others(call: SentCall, foreseen: Foreseen) -> list[bytes]:
    """Who else would be paid: a token's own fee, or something nobody approved. What is burnt pays
    nobody.
    """
    paid = {to for _, _, to, _ in foreseen.moved or ()}
    return sorted(paid - call.payees - {call.payer, bytes(ZERO)})


def kept(moved: Iterable[Moved]) -> list[dict[str, str]]:
    """As a row keeps them."""
    return [
        {"token": token.hex(), "from": sender.hex(), "to": to.hex(), "units": str(units)}
        for token, sender, to, units in moved
    ]


def difference(
    predicted: Sequence[Mapping[str, str]], seen: TransactionSeen, block: BlockView
) -> str | None:
    """How a mined transaction differs from what was foretold; None: it does not. All of a token's
    transfers are compared, and of the coin's those that concern us.
    """
    foretold = Counter[Moved](
        (bytes.fromhex(one["token"]), bytes.fromhex(one["from"]), bytes.fromhex(one["to"]),
         int(one["units"]))
        for one in predicted
    )  # fmt: skip
    happened = Counter[Moved](_token_moves(seen.logs))
    happened.update(
        (b"", one.sender, one.recipient, one.units)
        for one in block.transfers
        if one.tx_hash == seen.hash and one.token is None
    )
    tokens = Counter({one: count for one, count in foretold.items() if one[0]})
    missing, unforeseen = tokens - happened, happened - foretold
    words = [_say("did not happen", missing), _say("was not foretold", unforeseen)]
    return " ".join(word for word in words if word) or None


def _say(what: str, moves: Counter[Moved]) -> str:
    return " ".join(
        f"{units} units of {'0x' + token.hex() if token else 'the coin'} from 0x{sender.hex()} to "
        f"0x{to.hex()}: it {what}."
        for token, sender, to, units in sorted(moves)
    )


def _token_moves(logs: Iterable[Log]) -> Iterable[Moved]:
    for log in logs:
        if len(log.topics) == 3 and log.topics[0] == TRANSFER_TOPIC and len(log.data) == 32:
            units = int.from_bytes(log.data, "big")
            yield log.address, log.topics[1][12:], log.topics[2][12:], units


def _question(call: SentCall) -> dict[str, Any]:
    asked = {
        "from": "0x" + call.sender.hex(),
        "to": "0x" + call.to.hex(),
        "value": hex(call.value),
        "data": "0x" + call.data.hex(),
    }
    codes = {"0x" + at.hex(): {"code": "0x" + code.hex()} for at, code in call.codes.items()}
    state: dict[str, Any] = {"stateOverrides": codes} if codes else {}
    return {
        "blockStateCalls": [{"calls": [asked], **state}],
        "traceTransfers": True,
        "validation": False,
    }


def _read(answer: msgspec.Raw | ChainError) -> Foreseen:
    if isinstance(answer, ExecutionReverted | InsufficientFunds):
        return Foreseen(reverts=answer.message)
    if isinstance(answer, ChainError):
        return Foreseen()
    try:
        (call,) = msgspec.json.decode(answer)[0]["calls"]
        if call["status"] != "0x1":
            data = bytes.fromhex(str(call.get("returnData") or "0x")[2:])
            return Foreseen(reverts=explain(data))
        logs = [
            Log(
                place,
                _bytes(log["address"]),
                tuple(_bytes(topic) for topic in log["topics"]),
                _bytes(log["data"]),
            )
            for place, log in enumerate(call["logs"])
        ]
    except (ValueError, LookupError, TypeError):
        return Foreseen()
    return Foreseen(
        moved=tuple(
            (b"" if token == NATIVE_LOGS else token, sender, to, units)
            for token, sender, to, units in _token_moves(logs)
        )
    )


def _bytes(text: object) -> bytes:
    return bytes.fromhex(str(text)[2:])
