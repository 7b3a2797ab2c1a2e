"""RFC 6962/9162 Merkle trees: roots, inclusion and consistency proofs, and the compact edge.

Proofs are lists of ranges of leaves first and hashes second: a store that keeps subtree hashes
answers `inclusion_ranges` and `consistency_ranges` without holding the leaves.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from strongroom_protocol.addresses import Address
from strongroom_protocol.errors import ProtocolError

EMPTY_ROOT = hashlib.sha256(b"").digest()
Range = tuple[int, int]


class ProofInvalid(ProtocolError):
    """A proof that does not lead to the root."""

    code = "merkle.proof_invalid"


def leaf_hash(content: bytes) -> bytes:
    """SHA-256(0x00 ‖ content): 32 bytes."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right): 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def manifest_leaf(path: str, address: Address) -> bytes:
    """Leaf of the address manifest: SHA-256(0x00 ‖ path ‖ 0x00 ‖ 20 bytes)."""
    return leaf_hash(path.encode("ascii") + b"\x00" + address)


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes; the empty tree has SHA-256 of nothing."""
    return Edge.empty().extend(leaves).root()


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees [begin, end) whose hashes prove leaf `index`, from the leaf up."""
    if not 0 <= index < size:
        raise ProofInvalid(f"leaf {index} is not in a tree of {size}")
    return _inclusion_ranges(index, 0, size)


def consistency_ranges(first: int, second: int) -> list[Range]:
    """The subtrees that prove the tree of `first` leaves to be the beginning of `second`."""
    if not 0 < first <= second:
        raise ProofInvalid(f"no consistency proof from size {first} to {second}")
    return [] if first == second else _consistency_ranges(first, 0, second, whole=True)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path of leaf `index` in the tree over all of `leaves` (RFC 9162, 2.1.3.1)."""
    return [root(leaves[begin:end]) for begin, end in inclusion_ranges(index, len(leaves))]


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """Proof that the first `first` leaves are the beginning of `leaves` (RFC 9162, 2.1.4.1)."""
    return [root(leaves[begin:end]) for begin, end in consistency_ranges(first, len(leaves))]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Returns if the leaf hash is at `index` under the root; else raises ProofInvalid."""
    ranges = inclusion_ranges(index, size)
    if len(ranges) != len(proof) or any(len(item) != 32 for item in proof):
        raise ProofInvalid(f"the proof has {len(proof)} hashes, {len(ranges)} of 32 bytes needed")
    found = leaf
    for (begin, _), item in zip(ranges, proof, strict=True):
        found = node_hash(item, found) if begin < index else node_hash(found, item)
    if found != expected_root:
        raise ProofInvalid(f"leaf {index} is not under this root: leaf, proof or root was changed")


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Returns if the first tree is the beginning of the second; else raises ProofInvalid."""
    ranges = consistency_ranges(first, second)
    if len(ranges) != len(proof) or any(len(item) != 32 for item in proof):
        raise ProofInvalid(f"the proof has {len(proof)} hashes, {len(ranges)} of 32 bytes needed")
    hashes = dict(zip(ranges, proof, strict=True))
    if not any(end <= first for _, end in ranges):
        # The first tree stands whole in the second, so the proof leaves its root out.
        hashes[(0, first)] = first_root
    if _fold(0, first, hashes) != first_root or _fold(0, second, hashes) != second_root:
        raise ProofInvalid(f"the tree of {first} is not the beginning of the tree of {second}")


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: enough to append and to know the root. Largest subtree first."""

    size: int
    hashes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Check: one hash a set bit of the size."""
        if self.size < 0 or self.size.bit_count() != len(self.hashes):
            raise ProofInvalid(f"{len(self.hashes)} hashes are no edge of a tree of {self.size}")

    @classmethod
    def empty(cls) -> "Edge":
        """The edge of the tree without leaves."""
        return cls(0, ())

    def append(self, leaf: bytes) -> "Edge":
        """With one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> "Edge":
        """With more leaf hashes, in order."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            node, rest = leaf, size
            while rest & 1:
                node = node_hash(hashes.pop(), node)
                rest >>= 1
            hashes.append(node)
            size += 1
        return Edge(size, tuple(hashes))

    def root(self) -> bytes:
        """Root of the whole tree: 32 bytes."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node


class Tree:
    """All hashes of a tree, for many proofs: 64 bytes a leaf. A node without a sibling stands in
    the next row unchanged, which makes the very tree of RFC 9162.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """`leaves` are leaf hashes, in order."""
        self.size = len(leaves)
        self._rows = [b"".join(leaves)]
        while len(self._rows[-1]) > 32:
            row = self._rows[-1]
            pairs = [row[at : at + 64] for at in range(0, len(row), 64)]
            above = [node_hash(one[:32], one[32:]) if len(one) > 32 else one for one in pairs]
            self._rows.append(b"".join(above))

    def root(self) -> bytes:
        """As `root` of the same leaves."""
        return self._rows[-1] or EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """As `inclusion_proof` of the same leaves; raises ProofInvalid."""
        if not 0 <= index < self.size:
            raise ProofInvalid(f"leaf {index} is not in a tree of {self.size}")
        proof = []
        for row in self._rows[:-1]:
            sibling = (index ^ 1) * 32
            if sibling < len(row):
                proof.append(row[sibling : sibling + 32])
            index >>= 1
        return proof


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return int(1 << ((size - 1).bit_length() - 1))


def _inclusion_ranges(index: int, begin: int, end: int) -> list[Range]:
    if end - begin == 1:
        return []
    middle = begin + _split(end - begin)
    if index < middle:
        return [*_inclusion_ranges(index, begin, middle), (middle, end)]
    return [*_inclusion_ranges(index, middle, end), (begin, middle)]


def _consistency_ranges(first: int, begin: int, end: int, *, whole: bool) -> list[Range]:
    if first == end:
        return [] if whole else [(begin, end)]
    middle = begin + _split(end - begin)
    if first <= middle:
        return [*_consistency_ranges(first, begin, middle, whole=whole), (middle, end)]
    return [*_consistency_ranges(first, middle, end, whole=False), (begin, middle)]


def _fold(begin: int, end: int, hashes: dict[Range, bytes]) -> bytes:
    if (begin, end) in hashes:
        return hashes[(begin, end)]
    if end - begin <= 1:
        raise ProofInvalid("the proof leaves a gap")
    middle = begin + _split(end - begin)
    return node_hash(_fold(begin, middle, hashes), _fold(middle, end, hashes))
