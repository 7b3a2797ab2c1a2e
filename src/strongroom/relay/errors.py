"""What can be wrong with an outgoing transaction, as its owner sees it."""

from strongroom.kit.errors import Conflict, Invalid, NotFound


class OutgoingUnknown(NotFound):
    """The organisation has no such outgoing transaction."""

    code = "relay.unknown"


class RefTaken(Conflict):
    """The reference belongs to a transaction that does something else."""

    code = "relay.ref_taken"


class NotCancellable(Conflict):
    """It is mined, or was never sent: there is nothing to replace."""

    code = "relay.not_cancellable"


class NonceTaken(Invalid):
    """A signed transaction's nonce is another's, or so far ahead that it would never be mined."""

    code = "relay.nonce_taken"
