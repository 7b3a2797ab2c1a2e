"""Headers that are believed only after their hash was recomputed (Yellow Paper 4.3; EIP-1559,
4895, 4844, 4788, 7685 add fields at the end).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from strongroom.chain.answers import HeaderAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.rpc import octets, quantity
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import Item, encode

EMPTY_TRIE_ROOT: Final = keccak256(encode(b""))
_LATER_FIELDS: Final = (
    ("base_fee_per_gas", "quantity"),
    ("withdrawals_root", "octets"),
    ("blob_gas_used", "quantity"),
    ("excess_blob_gas", "quantity"),
    ("parent_beacon_block_root", "octets"),
    ("requests_hash", "octets"),
)


@dataclass(frozen=True, slots=True)
class Header:
    """A checked header: keccak256(rlp) is `hash`. Base fee in wei, None before EIP-1559."""

    height: int
    hash: bytes
    parent_hash: bytes
    time: datetime
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    base_fee_wei: int | None
    rlp: bytes

    @property
    def empty(self) -> bool:
        """No transaction is in this block."""
        return self.transactions_root == EMPTY_TRIE_ROOT


def check_header(answer: HeaderAnswer) -> Header:
    """The header if its fields give the hash that the node names; else raises NodeLied."""
    rlp = encode(_fields(answer))
    found = keccak256(rlp)
    if found != octets(answer.hash, 32):
        raise NodeLied(
            f"The node's header of block {answer.number} hashes to 0x{found.hex()}, but it calls "
            f"it {answer.hash}. The answer was thrown away."
        )
    base_fee = answer.base_fee_per_gas
    return Header(
        height=quantity(answer.number),
        hash=found,
        parent_hash=octets(answer.parent_hash, 32),
        time=datetime.fromtimestamp(quantity(answer.timestamp), UTC),
        transactions_root=octets(answer.transactions_root, 32),
        receipts_root=octets(answer.receipts_root, 32),
        logs_bloom=octets(answer.logs_bloom, 256),
        base_fee_wei=None if base_fee is None else quantity(base_fee),
        rlp=rlp,
    )


def may_contain(bloom: bytes, value: bytes) -> bool:
    """Whether the 2048-bit logs bloom may contain this address or topic (Yellow Paper 4.3.1)."""
    digest = keccak256(value)
    for offset in (0, 2, 4):
        bit = int.from_bytes(digest[offset : offset + 2], "big") & 2047
        if not bloom[255 - bit // 8] >> (bit % 8) & 1:
            return False
    return True


def _fields(answer: HeaderAnswer) -> list[Item]:
    fields: list[Item] = [
        octets(answer.parent_hash, 32),
        octets(answer.sha3_uncles, 32),
        octets(answer.miner, 20),
        octets(answer.state_root, 32),
        octets(answer.transactions_root, 32),
        octets(answer.receipts_root, 32),
        octets(answer.logs_bloom, 256),
        quantity(answer.difficulty),
        quantity(answer.number),
        quantity(answer.gas_limit),
        quantity(answer.gas_used),
        quantity(answer.timestamp),
        octets(answer.extra_data),
        octets(answer.mix_hash, 32),
        octets(answer.nonce, 8),
    ]
    for name, form in _LATER_FIELDS:
        value = getattr(answer, name)
        if value is None:
            break
        fields.append(quantity(value) if form == "quantity" else octets(value, 32))
    return fields
