"""A new epoch of the journal, after the newest copy was lost: the officers sign for the copy that
is to go on, and for the next nonce of every key that sends. Intents bind the epoch, so old
approvals die.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.canonical import content_hash
from strongroom_protocol.intents import Intent
from strongroom_protocol.quorum import check_quorum
from strongroom_protocol.signatures import Signature
from strongroom_signer.errors import Unfit
from strongroom_signer.house import House

Nonces = Mapping[Address, int]


@dataclass(frozen=True)
class StoreEpoch(Intent):
    """What custody officers sign, in the domain of everything that people sign for us; `nonces` is
    the content hash of {address: next nonce}.
    """

    TYPE: ClassVar[str] = "StoreEpoch(uint64 epoch,bytes32 journalHead,bytes32 nonces)"
    epoch: int
    journal_head: bytes
    nonces: bytes


def next_epoch(house: House, nonces: Nonces) -> StoreEpoch:
    """The statement for this copy of the journal, above every epoch that the token knows. Raises
    Unfit unless exactly the relay and all spending keys are named.
    """
    senders = {house.config.keys.relay, *house.pool.spending_addresses()}
    if set(nonces) != senders:
        wrong = ", ".join(sorted(checksum(key) for key in set(nonces) ^ senders))
        raise Unfit(
            "the next nonce of the relay and of every spending key must be named, once each, as "
            f"the chain has it; missing, or no key of this signer: {wrong}"
        )
    mark = house.journal.mark()
    known = max(house.journal.epoch, mark.epoch if mark else 0)
    named = content_hash({checksum(key): nonce for key, nonce in nonces.items()})
    return StoreEpoch(known + 1, house.journal.head, named)


def open_next_epoch(house: House, nonces: Nonces, signatures: Sequence[Signature]) -> int:
    """Go on from this copy. Raises Unfit, BundleRefused (too few officers), SignatureInvalid."""
    statement = next_epoch(house, nonces)
    officers, quorum = frozenset(house.config.officers), house.config.officer_quorum
    check_quorum(statement.digest(house.config.chain_id), signatures, officers, quorum)
    house.journal.verify_chain()
    house.journal.open_epoch(statement.epoch, nonces)
    return statement.epoch
