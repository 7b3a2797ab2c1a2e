"""Receipts and transactions of a block under its header's roots: recomputed, and proven one by one.

The Merkle Patricia trie maps rlp(index) to the encoded item (Yellow Paper 4.3.2, appendix D;
EIP-2718 for typed items). A proof is the list of nodes from the root to the leaf. A block's trie is
built once and whole, each node hashed once.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from strongroom.chain.answers import LogAnswer, ReceiptAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import EMPTY_TRIE_ROOT, Header
from strongroom.chain.rpc import octets, quantity
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import encode

_NIBBLES: Final = {byte: bytes(divmod(byte, 16)) for byte in range(256)}
_HASH_BYTES: Final = 32
"""A node shorter than its hash stands in its parent itself."""


class BlockTrie:
    """The items of one block in their trie."""

    def __init__(self, items: Sequence[bytes]) -> None:
        """`items` in the order of their index."""
        self.items = tuple(items)
        self._nodes: dict[bytes, bytes] = {}
        entries = sorted((_key(index), item) for index, item in enumerate(items))
        self.root = EMPTY_TRIE_ROOT
        if entries:
            top = self._build(b"", entries)
            self._nodes[b""] = top
            self.root = keccak256(top)

    def proof(self, index: int) -> list[bytes]:
        """RLP of the nodes from the root down to the item's leaf."""
        key = _key(index)
        paths = (key[:length] for length in range(len(key) + 1))
        return [self._nodes[path] for path in paths if path in self._nodes]

    def _build(self, path: bytes, entries: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The node that stands at `path`; no key is another's start, so no branch has a value."""
        at = len(path)
        first, last = entries[0][0], entries[-1][0]
        if len(entries) == 1:
            return _list([encode(_compact(first[at:], leaf=True)), encode(entries[0][1])])
        shared = at
        while first[shared] == last[shared]:
            shared += 1
        if shared > at:
            below = self._reference(first[:shared], entries)
            return _list([encode(_compact(first[at:shared], leaf=False)), below])
        slots = [b"\x80"] * 17
        for nibble, group in groupby(entries, lambda entry: entry[0][at]):
            slots[nibble] = self._reference(path + bytes([nibble]), list(group))
        return _list(slots)

    def _reference(self, path: bytes, entries: Sequence[tuple[bytes, bytes]]) -> bytes:
        node = self._build(path, entries)
        if len(node) < _HASH_BYTES:
            return node
        self._nodes[path] = node
        return b"\xa0" + keccak256(node)


def receipt_rlp(receipt: ReceiptAnswer) -> bytes:
    """A receipt as it stands in the trie: type byte (unless legacy) and its RLP. Written as hex
    and read once: a touched block has hundreds, and each of their logs counts.
    """
    logs = "".join([_log_hex(log) for log in receipt.logs])
    fields = (
        _number_hex(receipt.status)
        + _number_hex(receipt.cumulative_gas_used)
        + "b90100"
        + _word_hex(receipt.logs_bloom, 256)
        + _list_hex(logs)
    )
    body = octets(_list_hex(fields))
    kind = quantity(receipt.type)
    return body if kind == 0 else bytes([kind]) + body


def check_receipts(header: Header, receipts: Sequence[ReceiptAnswer]) -> BlockTrie:
    """The receipts' trie if its root is the header's; else raises NodeLied."""
    for index, receipt in enumerate(receipts):
        if quantity(receipt.transaction_index) != index:
            raise NodeLied(f"Receipts of block {header.height} came incomplete or out of order.")
    trie = BlockTrie([receipt_rlp(receipt) for receipt in receipts])
    if trie.root != header.receipts_root:
        raise NodeLied(
            f"The receipts of block {header.height} give the root 0x{trie.root.hex()}, the header "
            f"says 0x{header.receipts_root.hex()}. The answer was thrown away."
        )
    return trie


def check_transactions(header: Header, hashes: Sequence[bytes], raw: Sequence[bytes]) -> BlockTrie:
    """The transactions' trie if hashes and root fit the header; else raises NodeLied."""
    for named, item in zip(hashes, raw, strict=True):
        if keccak256(item) != named:
            raise NodeLied(f"The node gave other bytes for transaction 0x{named.hex()}.")
    trie = BlockTrie(raw)
    if trie.root != header.transactions_root:
        raise NodeLied(
            f"The transactions of block {header.height} give the root 0x{trie.root.hex()}, the "
            f"header says 0x{header.transactions_root.hex()}. The answer was thrown away."
        )
    return trie


def _key(index: int) -> bytes:
    """Nibbles of rlp(index)."""
    return b"".join(_NIBBLES[byte] for byte in encode(index))


def _compact(nibbles: bytes, *, leaf: bool) -> bytes:
    """Hex-prefix encoding (Yellow Paper, appendix C)."""
    flag = 2 if leaf else 0
    whole = bytes([flag + 1]) + nibbles if len(nibbles) % 2 else bytes([flag, 0]) + nibbles
    return bytes(high << 4 | low for high, low in zip(whole[::2], whole[1::2], strict=True))


def _list(parts: Sequence[bytes]) -> bytes:
    """RLP of a list whose items are encoded already."""
    payload = b"".join(parts)
    if len(payload) <= 55:
        return bytes([0xC0 + len(payload)]) + payload
    length = len(payload).to_bytes((len(payload).bit_length() + 7) // 8, "big")
    return bytes([0xF7 + len(length)]) + length + payload


def _log_hex(log: LogAnswer) -> str:
    topics = "".join(["a0" + _word_hex(topic, 32) for topic in log.topics])
    return _list_hex(
        "94" + _word_hex(log.address, 20) + _list_hex(topics) + encode(octets(log.data)).hex()
    )


def _word_hex(text: str, length: int) -> str:
    """Data of a known length, without its 0x; whether it is hex at all octets() says at the end."""
    if len(text) != 2 * length + 2 or text[:2] != "0x":
        raise NodeLied(f"The node sent {text[:40]!r} where {length} bytes belong.")
    return text[2:]


def _number_hex(text: str) -> str:
    return encode(quantity(text)).hex()


def _list_hex(payload: str) -> str:
    """RLP of a list whose items are encoded already, as hex."""
    length = len(payload) // 2
    if length <= 55:
        return f"{0xC0 + length:02x}{payload}"
    width = (length.bit_length() + 7) // 8
    return f"{0xF7 + width:02x}{length:0{2 * width}x}{payload}"
