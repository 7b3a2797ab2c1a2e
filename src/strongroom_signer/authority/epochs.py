"""A new epoch of the journal, after the newest copy was lost: the officers sign for the copy that
is to go on, and for the relay's next nonce. Intents bind the epoch, so old approvals die.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strongroom_protocol.intents import Intent
from strongroom_protocol.quorum import check_quorum
from strongroom_protocol.signatures import Signature
from strongroom_signer.house import House


@dataclass(frozen=True)
class StoreEpoch(Intent):
    """What custody officers sign, in the domain of everything that people sign for us."""

    TYPE: ClassVar[str] = "StoreEpoch(uint64 epoch,bytes32 journalHead,uint64 relayNonce)"
    epoch: int
    journal_head: bytes
    relay_nonce: int


def next_epoch(house: House, relay_nonce: int) -> StoreEpoch:
    """The statement for this copy of the journal, above every epoch that the token knows."""
    mark = house.journal.mark()
    known = max(house.journal.epoch, mark.epoch if mark else 0)
    return StoreEpoch(known + 1, house.journal.head, relay_nonce)


def open_next_epoch(house: House, relay_nonce: int, signatures: Sequence[Signature]) -> int:
    """Go on from this copy. Raises BundleRefused (too few officers), SignatureInvalid."""
    statement = next_epoch(house, relay_nonce)
    officers, quorum = frozenset(house.config.officers), house.config.officer_quorum
    check_quorum(statement.digest(house.config.chain_id), signatures, officers, quorum)
    house.journal.verify_chain()
    house.journal.open_epoch(statement.epoch, relay_nonce)
    return statement.epoch
