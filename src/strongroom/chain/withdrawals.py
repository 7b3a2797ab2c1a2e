"""Withdrawals of a block (EIP-4895): value that the beacon chain brings, in no transaction."""

from dataclasses import dataclass
from typing import Final

from strongroom.chain.answers import HeaderAnswer
from strongroom.chain.errors import NodeLied
from strongroom.chain.headers import EMPTY_TRIE_ROOT
from strongroom.chain.rpc import octets, quantity
from strongroom.chain.tries import BlockTrie
from strongroom_protocol.rlp import encode

WEI_PER_GWEI: Final = 10**9


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What one validator's withdrawal brought, in wei. `place` counts within the block."""

    place: int
    recipient: bytes
    units: int


def read_withdrawals(answer: HeaderAnswer) -> tuple[Withdrawal, ...]:
    """A block's withdrawals if they give the header's withdrawalsRoot; else raises NodeLied.

    None before the fork that brought them. The header itself must have been checked.
    """
    if answer.withdrawals_root is None:
        return ()
    root, told = octets(answer.withdrawals_root, 32), answer.withdrawals or []
    if not told and root == EMPTY_TRIE_ROOT:
        return ()
    items = [
        encode(
            [
                quantity(item.index),
                quantity(item.validator_index),
                octets(item.address, 20),
                quantity(item.amount),
            ]
        )
        for item in told
    ]
    found = BlockTrie(items).root
    if found != root:
        raise NodeLied(
            f"The {len(items)} withdrawals of block {quantity(answer.number)} give the root "
            f"0x{found.hex()}, the header says 0x{root.hex()}. The answer was thrown away."
        )
    return tuple(
        Withdrawal(place, octets(item.address, 20), quantity(item.amount) * WEI_PER_GWEI)
        for place, item in enumerate(told)
    )
