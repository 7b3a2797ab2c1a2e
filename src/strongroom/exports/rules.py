"""Proofs for all rows of a record at once, and what a row refers to: pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strongroom.exports.errors import ExportImpossible
from strongroom_protocol import merkle

POSTING = "posting"
BlockRef = tuple[int, bytes]
TransactionRef = tuple[int, bytes, bytes]


def all_proofs(leaves: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """The root over leaf hashes and the inclusion proof of each (RFC 9162 2.1.3), in n log n."""
    if len(leaves) == 1:
        return leaves[0], [[]]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    left, left_proofs = all_proofs(leaves[:middle])
    right, right_proofs = all_proofs(leaves[middle:])
    for proof in left_proofs:
        proof.append(right)
    for proof in right_proofs:
        proof.append(left)
    return merkle.node_hash(left, right), left_proofs + right_proofs


@dataclass
class References:
    """What the rows seen so far name: blocks, transactions, tokens, and their sums."""

    blocks: set[BlockRef] = field(default_factory=set)
    transactions: set[TransactionRef] = field(default_factory=set)
    tokens: dict[str, str] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)
    _held: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row in. Raises ExportImpossible when one asset has two contracts."""
        if row.get("type") != POSTING:
            return
        for leg in row["legs"]:
            self.sums[leg["asset"]] += int(leg["units"])
        if row["phase"] == "hold":
            self._held[row["key"]] = row["legs"]
        if row["chain"] is None:
            return
        block = (int(row["chain"]["chain_id"]), _unhex(row["chain"]["block_hash"]))
        self.blocks.add(block)
        memo = row["memo"]
        if "tx" not in memo:
            return
        self.transactions.add((*block, _unhex(memo["tx"])))
        if memo.get("token"):
            legs = row["legs"] or self._held.get(row["refers_to"] or "", [])
            self._add_token(legs, memo["token"])

    def _add_token(self, legs: Sequence[Mapping[str, Any]], token: str) -> None:
        for leg in legs:
            if not any(leg[side].startswith("custody:") for side in ("debit", "credit")):
                continue
            known = self.tokens.setdefault(leg["asset"], token)
            if known != token:
                raise ExportImpossible(
                    f"The asset {leg['asset']} stands for two contracts, {known} and {token}; the "
                    "bundle's format has one contract an asset."
                )


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
