"""The log's tree in tiles: 256 hashes a row, so that appending and proving touch a few rows only.

Tile (level, place) holds the hashes of the subtrees of 256^level records that lie side by side. Any
subtree's hash is made from the tile that holds its parts; RFC 9162 proofs are lists of subtrees.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom_protocol import merkle

WIDTH_BITS: Final = 8
WIDTH: Final = 1 << WIDTH_BITS
_HASH_BYTES: Final = 32


class Tiles(Protocol):
    """Where tiles are read."""

    def read(self, level: int, place: int) -> bytes:
        """The hashes of a tile, 32 bytes each; empty when there is none yet."""
        ...


class StoredTiles:
    """The tiles in PostgreSQL, each read once."""

    def __init__(self, uow: UnitOfWork) -> None:
        """Reads inside the caller's unit."""
        self._uow = uow
        self._read: dict[tuple[int, int], bytes] = {}

    def read(self, level: int, place: int) -> bytes:
        """The hashes of a tile."""
        if (level, place) not in self._read:
            found = self._uow.execute(
                "SELECT hashes FROM log_tile WHERE level = %s AND place = %s", (level, place)
            ).fetchone()
            self._read[level, place] = b"" if found is None else bytes(found[0])
        return self._read[level, place]

    def extend(self, size: int, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes to a tree of `size`; full tiles hand their root to the level above."""
        level, first, hashes = 0, size, list(leaves)
        while hashes:
            above: list[bytes] = []
            first_above = first // WIDTH
            at = 0
            while at < len(hashes):
                place, within = divmod(first + at, WIDTH)
                part = hashes[at : at + WIDTH - within]
                whole = self.read(level, place)[: within * _HASH_BYTES] + b"".join(part)
                check(len(whole) == (within + len(part)) * _HASH_BYTES, "tiles have no gap")
                self._write(level, place, whole)
                if len(whole) == WIDTH * _HASH_BYTES:
                    above.append(merkle.root(_split(whole)))
                at += len(part)
            level, first, hashes = level + 1, first_above, above

    def _write(self, level: int, place: int, hashes: bytes) -> None:
        self._read[level, place] = hashes
        self._uow.execute(
            "INSERT INTO log_tile (level, place, hashes) VALUES (%s, %s, %s)"
            " ON CONFLICT (level, place) DO UPDATE SET hashes = excluded.hashes",
            (level, place, hashes),
        )


def root(tiles: Tiles, size: int) -> bytes:
    """The root over the first `size` records."""
    return _range_hash(tiles, 0, size) if size else merkle.EMPTY_ROOT


def inclusion_proof(tiles: Tiles, index: int, size: int) -> list[bytes]:
    """The audit path of leaf `index`; raises ProofInvalid when it is not in the tree."""
    return [_range_hash(tiles, *part) for part in merkle.inclusion_ranges(index, size)]


def inclusion_proofs(tiles: Tiles, indexes: Sequence[int], size: int) -> list[list[bytes]]:
    """The audit paths of many leaves; what they share is computed once."""
    known: dict[merkle.Range, bytes] = {}
    proofs: list[list[bytes]] = []
    for index in indexes:
        path = merkle.inclusion_ranges(index, size)
        for part in path:
            if part not in known:
                known[part] = _range_hash(tiles, *part)
        proofs.append([known[part] for part in path])
    return proofs


def consistency_proof(tiles: Tiles, first: int, second: int) -> list[bytes]:
    """Proof that the first tree begins the second; nothing to prove from the empty tree."""
    if first == 0:
        return []
    return [_range_hash(tiles, *part) for part in merkle.consistency_ranges(first, second)]


def _range_hash(tiles: Tiles, begin: int, end: int) -> bytes:
    """The hash of the subtree over leaves [begin, end), begin being aligned as RFC 9162 has it."""
    node: bytes | None = None
    for part in reversed(_perfect_parts(begin, end)):
        left = _perfect_hash(tiles, *part)
        node = left if node is None else merkle.node_hash(left, node)
    return merkle.EMPTY_ROOT if node is None else node


def _perfect_parts(begin: int, end: int) -> list[tuple[int, int]]:
    """Cut [begin, end) into perfect subtrees, the largest first: (begin, height)."""
    parts: list[tuple[int, int]] = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        parts.append((begin, height))
        begin += 1 << height
    return parts


def _perfect_hash(tiles: Tiles, begin: int, height: int) -> bytes:
    level, inside = divmod(height, WIDTH_BITS)
    place, within = divmod(begin >> (level * WIDTH_BITS), WIDTH)
    wanted = tiles.read(level, place)[within * _HASH_BYTES : (within + (1 << inside)) * _HASH_BYTES]
    check(len(wanted) == _HASH_BYTES << inside, "the tiles hold every hash below the head's size")
    return merkle.root(_split(wanted))


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + _HASH_BYTES] for at in range(0, len(hashes), _HASH_BYTES)]
