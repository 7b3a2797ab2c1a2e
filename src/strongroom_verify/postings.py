"""A posting's row as the export shows it: its legs, and the transfer on chain behind it, if any."""

from dataclasses import dataclass
from typing import Any

from strongroom_verify.errors import Malformed
from strongroom_verify.fields import Fields, unhex

TYPE = "posting"
_KEYS = "type key kind phase refers_to legs chain memo"
PHASES = frozenset({"single", "hold", "post", "void", "expire", "reversal"})
ON_CHAIN_KINDS = frozenset({"native", "internal", "withdrawal", "erc20"})


@dataclass(frozen=True)
class ChainPoint:
    """The block that a posting names."""

    chain_id: int
    height: int
    block_hash: bytes


@dataclass(frozen=True)
class Movement:
    """What the posting's memo says happened on chain; of a fee, only in which transaction."""

    kind: str
    transaction: bytes
    position: int
    token: bytes | None
    sender: bytes
    recipient: bytes


@dataclass(frozen=True)
class Leg:
    """`units` of `asset` from the credited to the debited account."""

    debit: str
    credit: str
    asset: str
    units: int


@dataclass(frozen=True)
class Posting:
    """Legs that were booked together. A "post" without legs moves the hold that it refers to."""

    key: str
    phase: str
    refers_to: str | None
    legs: tuple[Leg, ...]
    chain: ChainPoint | None
    movement: Movement | None


def read_posting(value: Any) -> Posting:
    """Parse a posting's row. Raises Malformed."""
    row = Fields(value, _KEYS, "row")
    chain = None
    if row.any("chain") is not None:
        point = Fields(row.any("chain"), "chain_id height block_hash", "row.chain")
        chain = ChainPoint(
            point.integer("chain_id"), point.integer("height"), point.hex("block_hash", 32)
        )
    memo = row.any("memo")
    if not isinstance(memo, dict) or not all(isinstance(text, str) for text in memo.values()):
        raise Malformed("row.memo is not an object of strings")
    legs = row.any("legs")
    if not isinstance(legs, list):
        raise Malformed("row.legs is not a list")
    if row.text("phase") not in PHASES:
        raise Malformed("row.phase is none of the known ones")
    return Posting(
        row.text("key"),
        row.text("phase"),
        None if row.any("refers_to") is None else row.text("refers_to"),
        tuple(_leg(leg, f"row.legs[{at}]") for at, leg in enumerate(legs)),
        chain,
        _movement(memo) if chain is not None and "tx" in memo else None,
    )


def _leg(value: Any, path: str) -> Leg:
    leg = Fields(value, "debit credit asset units", path)
    return Leg(leg.text("debit"), leg.text("credit"), leg.text("asset"), leg.units("units"))


def _movement(memo: dict[str, str]) -> Movement:
    missing = {"kind", "tx", "position", "token", "from", "to"} - memo.keys()
    if missing:
        raise Malformed(f"row.memo names a transaction but lacks {sorted(missing)}")
    transaction = unhex(memo["tx"], "row.memo.tx", 32)
    if memo["kind"] not in ON_CHAIN_KINDS:
        return Movement(memo["kind"], transaction, 0, None, b"", b"")
    try:
        position = int(memo["position"])
    except ValueError as error:
        raise Malformed("row.memo.position is not a number") from error
    return Movement(
        memo["kind"],
        transaction,
        position,
        unhex(memo["token"], "row.memo.token", 20) if memo["token"] else None,
        unhex(memo["from"], "row.memo.from", 20),
        unhex(memo["to"], "row.memo.to", 20),
    )
