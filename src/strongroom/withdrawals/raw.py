"""Reading a signed EIP-1559 transaction: loosely, then made anew by the protocol's strict encoder.

What does not come out as the very same bytes is refused, so there is no second way to read it.
"""

from typing import Final

import rlp
from rlp.exceptions import RLPException

from strongroom.withdrawals.errors import SignedWrong
from strongroom_protocol.addresses import Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import Transaction1559

RAW_MAX: Final = 1024
"""A transfer's transaction has less than 250 bytes."""
_FIELDS: Final = 12
"""Chain, nonce, two fees, gas, to, value, data, access list; y parity, r, s (EIP-1559)."""


def decode(raw: bytes) -> tuple[Transaction1559, Signature]:
    """The transaction and its signature, well-formed and within bounds. Raises SignedWrong."""
    try:
        return _decode(raw)
    except (ProtocolError, RLPException, ValueError, RecursionError) as error:
        raise SignedWrong(f"The signed transaction can't be used: {error}.") from error


def _decode(raw: bytes) -> tuple[Transaction1559, Signature]:
    typed = len(raw) <= RAW_MAX and raw[:1] == bytes([Transaction1559.TYPE])
    _require(typed, "it is no EIP-1559 transaction of a payment's length")
    fields = rlp.decode(raw[1:])
    whole = isinstance(fields, list) and len(fields) == _FIELDS
    _require(whole, f"it has not exactly {_FIELDS} fields")
    _require(fields[8] == [], "it has an access list")
    chain_id, nonce, priority, fee, gas, value, parity, r, s = (
        int.from_bytes(_octets(fields[i]), "big") for i in (0, 1, 2, 3, 4, 6, 9, 10, 11)
    )
    transaction = Transaction1559(
        chain_id, nonce, priority, fee, gas, Address(_octets(fields[5])), value, _octets(fields[7])
    )
    signature = Signature(r, s, 27 + parity)
    same = transaction.signed_bytes(signature) == raw
    _require(same, "its encoding is not the canonical one")
    return transaction, signature


def _octets(item: object) -> bytes:
    _require(isinstance(item, bytes), "one of its fields is a list")
    return item if isinstance(item, bytes) else b""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
