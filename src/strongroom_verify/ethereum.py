"""What a block header, a receipt and a transaction say (yellow paper 4; EIP-2718, 1559, 7702)."""

from dataclasses import dataclass

from strongroom_verify.errors import Malformed
from strongroom_verify.keccak import keccak256
from strongroom_verify.rlp import Item, as_bytes, as_integer, as_list, decode_list

TRANSFER_TOPIC = keccak256(b"Transfer(address,address,uint256)")
_HEADER_FIELDS_MIN = 15  # before London; later forks only append
_RECEIPT_FIELDS = 4
_LOG_FIELDS = 3
# Transaction type → (number of fields, place of `to`, place of `value`), EIP by EIP.
_LAYOUTS = {
    0: (9, 3, 4),  # legacy
    1: (11, 4, 5),  # EIP-2930
    2: (12, 5, 6),  # EIP-1559
    3: (14, 5, 6),  # EIP-4844
    4: (13, 5, 6),  # EIP-7702
}


@dataclass(frozen=True)
class Header:
    """A block header's hash and the fields that proofs start from."""

    block_hash: bytes
    height: int
    time: int
    transactions_root: bytes
    receipts_root: bytes


@dataclass(frozen=True)
class TokenTransfer:
    """One ERC-20 Transfer: (token, sender, recipient, units)."""

    token: bytes
    sender: bytes
    recipient: bytes
    units: int


@dataclass(frozen=True)
class Receipt:
    """A receipt's status and its logs, each the token transfer that it is, or None."""

    succeeded: bool
    logs: tuple[TokenTransfer | None, ...]


@dataclass(frozen=True)
class Transaction:
    """A signed transaction's hash, recipient (None creates a contract) and value in wei."""

    hash: bytes
    recipient: bytes | None
    value: int


def read_header(raw: bytes) -> Header:
    """Decode a header; its hash is the hash of exactly these bytes. Raises Malformed."""
    items = decode_list(raw)
    if len(items) < _HEADER_FIELDS_MIN:
        raise Malformed("a block header has too few fields")
    return Header(
        keccak256(raw),
        as_integer(items[8]),
        as_integer(items[11]),
        as_bytes(items[4], 32),
        as_bytes(items[5], 32),
    )


def read_receipt(raw: bytes) -> Receipt:
    """Decode a receipt as the trie holds it, typed or not. Raises Malformed."""
    _, body = _envelope(raw)
    items = decode_list(body)
    if len(items) != _RECEIPT_FIELDS:
        raise Malformed("a receipt has not four fields")
    status = as_bytes(items[0])
    if status not in {b"", b"\x01"}:
        raise Malformed("a receipt has no status (before Byzantium?)")
    return Receipt(status == b"\x01", tuple(_log(item) for item in as_list(items[3])))


def read_transaction(raw: bytes) -> Transaction:
    """Decode a transaction as the trie holds it, typed or not. Raises Malformed."""
    kind, body = _envelope(raw)
    items = decode_list(body)
    if kind not in _LAYOUTS or len(items) != _LAYOUTS[kind][0]:
        raise Malformed(f"a transaction of type {kind} does not have the fields of its type")
    _, to, value = _LAYOUTS[kind]
    recipient = as_bytes(items[to])
    if len(recipient) not in {0, 20}:
        raise Malformed("a transaction's recipient is not an address")
    return Transaction(keccak256(raw), recipient or None, as_integer(items[value]))


def _envelope(raw: bytes) -> tuple[int, bytes]:
    """(type, payload) of an EIP-2718 envelope; type 0 for the untyped form."""
    if not raw:
        raise Malformed("an empty value stands where a receipt or transaction belongs")
    if raw[0] >= 0xC0:
        return 0, raw
    if not 0 < raw[0] < 0x80:
        raise Malformed("a receipt or transaction has no valid type")
    return raw[0], raw[1:]


def _log(item: Item) -> TokenTransfer | None:
    fields = as_list(item)
    if len(fields) != _LOG_FIELDS:
        raise Malformed("a log has not three fields")
    topics = [as_bytes(topic, 32) for topic in as_list(fields[1])]
    value = as_bytes(fields[2])
    if len(topics) != 3 or topics[0] != TRANSFER_TOPIC or len(value) != 32:
        return None
    if any(topics[1][:12]) or any(topics[2][:12]):
        return None
    units = int.from_bytes(value, "big")
    return TokenTransfer(as_bytes(fields[0], 20), topics[1][12:], topics[2][12:], units)
