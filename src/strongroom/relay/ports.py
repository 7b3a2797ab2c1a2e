"""What the relay needs from outside: a signer, a node, and whoever wants to know."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from strongroom.chain.errors import ChainError
from strongroom.chain.rpc import Call
from strongroom.chain.types import FeeQuote
from strongroom.db.database import UnitOfWork
from strongroom.relay.foresight import SentCall
from strongroom.relay.types import AttemptKind, Fees, OutgoingView, SignedAttempt


class OutgoingSigner(Protocol):
    """Signs one attempt; idempotent by (outgoing.ref, attempt). It owns the nonces."""

    def sign(
        self, outgoing: OutgoingView, attempt: int, kind: AttemptKind, fees: Fees
    ) -> SignedAttempt:
        """Raises SignerRefused (no nonce was taken), SignerUnavailable."""
        ...


class SendingNode(Protocol):
    """The node as the relay uses it. Errors are those of chain.errors."""

    def fees(self) -> FeeQuote:
        """What a transaction should offer now, in wei."""
        ...

    def send_all(self, raws: Sequence[bytes]) -> list[bytes | ChainError]:
        """Hand over signed transactions in this order; each one's hash, or what the node says to
        it. Raises when no node answers at all.
        """
        ...

    def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """A batch of any calls; one result or error a call."""
        ...


class OutgoingObserver(Protocol):
    """A room above whose rows follow an outgoing transaction."""

    def on_changed(self, uow: UnitOfWork, outgoings: Sequence[OutgoingView]) -> None:
        """Called in the unit that made these `broadcast`, or `failed` because the signer refused,
        in the order of their ids. What is written of one is written in its request's name.
        """
        ...


class CallSource(Protocol):
    """A room above that knows the call which the signer will make of an outgoing transaction."""

    def call_of(self, uow: UnitOfWork, outgoing: OutgoingView) -> SentCall | None:
        """None: it is none of this room's. Reads only."""
        ...

    def held(self, uow: UnitOfWork, outgoing: OutgoingView, others: Sequence[bytes]) -> str | None:
        """Why it must not be signed now, in words, since a node says that it pays these, too, whom
        nobody approved. None: it may be.
        """
        ...
