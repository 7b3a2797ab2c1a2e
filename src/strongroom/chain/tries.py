"""Receipts and transactions of a block under its header's roots: recomputed, and proven one by one.

The Merkle Patricia trie maps rlp(index) to the encoded item (Yellow Paper 4.3.2, appendix D;
EIP-2718 for typed items). A proof is the list of nodes from the root to the leaf.
"""

from collections.abc import Sequence

from rlp import encode as encode_node
from trie.hexary import HexaryTrie

from strongroom.chain.answers import LogAnswer, ReceiptAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import Header
from strongroom.chain.rpc import octets, quantity
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import encode


class BlockTrie:
    """The items of one block in their trie."""

    def __init__(self, items: Sequence[bytes]) -> None:
        """`items` in the order of their index."""
        self._trie = HexaryTrie(db={})
        for index, item in enumerate(items):
            self._trie[encode(index)] = item

    @property
    def root(self) -> bytes:
        """32 bytes, as the header has them."""
        return bytes(self._trie.root_hash)

    def proof(self, index: int) -> list[bytes]:
        """RLP of the nodes from the root down to the item's leaf."""
        return [bytes(encode_node(node)) for node in self._nodes(encode(index))]

    def _nodes(self, key: bytes) -> Sequence[Sequence[bytes]]:
        found: Sequence[Sequence[bytes]] = self._trie.get_proof(key)  # type: ignore[no-untyped-call]
        return found


def receipt_rlp(receipt: ReceiptAnswer) -> bytes:
    """A receipt as it stands in the trie: type byte (unless legacy) and its RLP."""
    body = encode(
        [
            quantity(receipt.status),
            quantity(receipt.cumulative_gas_used),
            octets(receipt.logs_bloom, 256),
            [_log_fields(log) for log in receipt.logs],
        ]
    )
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


def _log_fields(log: LogAnswer) -> list[bytes | list[bytes]]:
    return [
        octets(log.address, 20),
        [octets(topic, 32) for topic in log.topics],
        octets(log.data),
    ]
