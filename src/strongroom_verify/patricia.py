"""Merkle-Patricia proofs (Ethereum yellow paper, appendix D): the value under a key."""

from collections.abc import Sequence

from strongroom_verify.errors import Malformed
from strongroom_verify.keccak import keccak256
from strongroom_verify.rlp import Item, as_bytes, as_list, decode_list

_BRANCH, _SHORT = 17, 2


def value_at(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The value that the trie with this root holds under `key`; nodes go from root to leaf.

    Nodes shorter than 32 bytes stand inside their parent and are not listed. Raises Malformed
    when a node is not the one its parent names, when the key leads elsewhere or to nothing, and
    when nodes are left over.
    """
    nibbles = [half for byte in key for half in (byte >> 4, byte & 15)]
    left = list(nodes)
    reference: Item = root
    while True:
        node = _resolve(reference, left)
        if len(node) == _BRANCH:
            if not nibbles:
                return _ended(node[16], left)
            reference = node[nibbles.pop(0)]
        elif len(node) == _SHORT:
            path, is_leaf = _path(as_bytes(node[0]))
            if nibbles[: len(path)] != path:
                raise Malformed("the proof leads to another key")
            del nibbles[: len(path)]
            if is_leaf:
                if nibbles:
                    raise Malformed("the proof ends before the key does")
                return _ended(node[1], left)
            reference = node[1]
        else:
            raise Malformed("a trie node has neither 2 nor 17 items")


def _resolve(reference: Item, left: list[bytes]) -> list[Item]:
    """The node that a reference names: inside its parent, or the next of the list by its hash."""
    if isinstance(reference, list):
        return reference
    if not left:
        raise Malformed("the proof is cut off")
    raw = left.pop(0)
    if keccak256(raw) != as_bytes(reference, 32):
        raise Malformed("a trie node does not have the hash that its parent names")
    return as_list(decode_list(raw))


def _path(encoded: bytes) -> tuple[list[int], bool]:
    """Hex-prefix decoding: (nibbles, whether the node is a leaf)."""
    if not encoded or encoded[0] >> 4 > 3:
        raise Malformed("a trie path has no valid prefix")
    flag = encoded[0] >> 4
    nibbles = [half for byte in encoded[1:] for half in (byte >> 4, byte & 15)]
    if flag & 1:
        nibbles.insert(0, encoded[0] & 15)
    elif encoded[0] & 15:
        raise Malformed("a trie path has padding that is not zero")
    return nibbles, flag >= 2


def _ended(value: Item, left: list[bytes]) -> bytes:
    raw = as_bytes(value)
    if left or not raw:
        raise Malformed("the proof has nodes left over, or ends at nothing")
    return raw
