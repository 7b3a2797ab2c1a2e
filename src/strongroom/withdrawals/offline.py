"""What goes to an offline signer in a file and what comes back, checked against the order. Pure.

The file is `strongroom-signer deliver`'s: requests in order, policies first; answers in order. Of
an answer only the raw transaction is believed, and only after it was read, made anew from what was
read and found to be the same bytes, by the wallet's own key, doing exactly what the order says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from strongroom.relay.types import Fees, SignedAttempt
from strongroom.withdrawals.errors import SignedWrong
from strongroom.withdrawals.raw import decode
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.intents import Withdrawal as Intent
from strongroom_protocol.safe import payment_safe_tx
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import Transaction1559

REQUESTS: Final = "strongroom.requests/1"
ANSWERS: Final = "strongroom.answers/1"
OPERATION: Final = "spending_payment"
SignedKind = Literal["payment", "cancel"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction that came back, read and found right."""

    kind: SignedKind
    attempt: SignedAttempt
    fees: Fees


def raw_of(document: Mapping[str, Any]) -> bytes:
    """The raw transaction of a file of answers, of one answer or its body. Raises SignedWrong."""
    answer: Any = document
    if document.get("type") == ANSWERS:
        answers = document.get("answers")
        answer = answers[-1] if isinstance(answers, list) and answers else {}
    if isinstance(answer, dict) and "ok" in answer:
        if answer["ok"] is not True:
            raise SignedWrong(
                f"The offline signer refused: {str(answer.get('message', 'it says not why'))[:300]}"
            )
        if answer.get("op", OPERATION) != OPERATION:
            raise SignedWrong(
                "The last answer in this file is no payment's. Bring the file that `deliver` wrote "
                "for this withdrawal's export."
            )
        answer = answer.get("body")
    text = answer.get("raw") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise SignedWrong(
            "There is no signed transaction in this file. Bring the file that `strongroom-signer "
            "deliver --out` wrote on the offline machine."
        )
    try:
        return from_hex(text, field="raw")
    except ProtocolError as error:
        raise SignedWrong(f"The signed transaction can't be read: {error}.") from error


def read_signed(raw: bytes, intent: Intent, kind: SignedKind, chain_id: int) -> Signed:
    """The transaction, if it is the wallet's and does what was ordered, or cancels it, and nothing
    else. Raises SignedWrong, naming what differs.
    """
    transaction, signature = decode(raw)
    sender = _sender(transaction, signature)
    if sender != intent.wallet:
        raise SignedWrong(
            f"It is signed by {checksum(sender)}, not by this withdrawal's wallet "
            f"{checksum(intent.wallet)}."
        )
    if transaction.chain_id != chain_id:
        raise SignedWrong(f"It is for chain {transaction.chain_id}, not for chain {chain_id}.")
    _check_call(transaction, intent, kind)
    if transaction.max_total_fee() > intent.max_fee_wei:
        raise SignedWrong(
            f"It may cost {transaction.max_total_fee()} wei of gas, more than the "
            f"{intent.max_fee_wei} wei that the initiator allowed."
        )
    return Signed(
        kind,
        SignedAttempt(sender, transaction.nonce, raw, transaction.hash(signature)),
        Fees(transaction.gas, transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas),
    )


def _check_call(transaction: Transaction1559, intent: Intent, kind: SignedKind) -> None:
    found = (transaction.to, transaction.value, transaction.data)
    if kind == "cancel":
        if found != (intent.wallet, 0, b""):
            raise SignedWrong(
                "It does not cancel: a cancellation sends nothing, to the wallet itself. If the "
                "payment itself was signed, it can't be handed in any more."
            )
        return
    wanted = payment_safe_tx(intent.token, intent.to, intent.units, 0)
    if found != (wanted.to, wanted.value, wanted.data):
        raise SignedWrong(
            f"It does something else than the order: {_words(*found)}; ordered is "
            f"{_words(wanted.to, wanted.value, wanted.data)}."
        )


def _words(to: Address, value: int, data: bytes) -> str:
    return f"receiver {checksum(to)}, value {value} wei, call data {to_hex(data)}"


def _sender(transaction: Transaction1559, signature: Signature) -> Address:
    try:
        return transaction.sender(signature)
    except ProtocolError as error:
        raise SignedWrong(f"Its signature belongs to no key: {error}.") from error
