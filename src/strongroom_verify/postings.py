"""A posting's row as the export shows it: one leg, and the transfer on chain behind it, if any."""

from dataclasses import dataclass
from typing import Any

from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields, unhex

TYPE = "strongroom.posting/1"
_KEYS = (
    "type organisation transaction key kind phase refers_to leg debit credit asset units chain memo"
)
ON_CHAIN_KINDS = frozenset({"native", "internal", "erc20"})


@dataclass(frozen=True)
class ChainPoint:
    """The block that a posting names."""

    chain_id: int
    height: int
    block_hash: bytes


@dataclass(frozen=True)
class Movement:
    """What the posting's memo says happened on chain."""

    kind: str
    transaction: bytes
    position: int
    token: bytes | None
    sender: bytes
    recipient: bytes


@dataclass(frozen=True)
class Posting:
    """One leg: `units` of `asset` from the credited to the debited account."""

    phase: str
    debit: str
    credit: str
    asset: str
    units: int
    chain: ChainPoint | None
    movement: Movement | None


def read_posting(value: Any, organisation: str) -> Posting:
    """Parse a posting's row. Raises Malformed."""
    row = Fields(value, _KEYS, "row")
    if row.text("organisation") != organisation:
        raise Malformed("the row belongs to another organisation")
    chain = None
    if row.any("chain") is not None:
        point = Fields(row.any("chain"), "chain_id height block_hash", "row.chain")
        chain = ChainPoint(
            point.integer("chain_id"), point.integer("height"), point.hex("block_hash", 32)
        )
    memo = row.any("memo")
    if not isinstance(memo, dict) or not all(isinstance(text, str) for text in memo.values()):
        raise Malformed("row.memo is not an object of strings")
    return Posting(
        row.text("phase"),
        row.text("debit"),
        row.text("credit"),
        row.text("asset"),
        row.units("units"),
        chain,
        _movement(memo) if chain is not None and "tx" in memo else None,
    )


def _movement(memo: dict[str, str]) -> Movement:
    missing = {"kind", "tx", "position", "token", "from", "to"} - memo.keys()
    if missing:
        raise Malformed(f"row.memo names a transaction but lacks {sorted(missing)}")
    try:
        position = int(memo["position"])
    except ValueError as error:
        raise Malformed("row.memo.position is not a number") from error
    return Movement(
        memo["kind"],
        unhex(memo["tx"], "row.memo.tx", 32),
        position,
        unhex(memo["token"], "row.memo.token", 20) if memo["token"] else None,
        unhex(memo["from"], "row.memo.from", 20),
        unhex(memo["to"], "row.memo.to", 20),
    )
