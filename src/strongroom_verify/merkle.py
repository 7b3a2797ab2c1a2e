"""The log's tree: leaf and node hashes, roots, inclusion proofs (RFC 9162 2.1, RFC 6962 2.1)."""

import hashlib
from collections.abc import Iterable, Sequence

from strongroom_verify.errors import Malformed


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to, RFC 9162 2.1.3.2. Raises Malformed."""
    if not 0 <= index < size:
        raise Malformed(f"place {index} is outside a tree of {size} leaves")
    first, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Malformed("the inclusion proof is too long")
        if first & 1 or first == last:
            root = node_hash(sibling, root)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise Malformed("the inclusion proof is too short")
    return root


def root(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes, right edge only in memory. Raises Malformed when there is none."""
    edge: list[tuple[int, bytes]] = []  # (height, hash), heights falling
    for leaf in leaves:
        height, node = 0, leaf
        while edge and edge[-1][0] == height:
            node = node_hash(edge.pop()[1], node)
            height += 1
        edge.append((height, node))
    if not edge:
        raise Malformed("a tree without leaves has no root here")
    result = edge.pop()[1]
    while edge:
        result = node_hash(edge.pop()[1], result)
    return result
