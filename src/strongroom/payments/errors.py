"""What can be wrong with a payment order."""

from strongroom.kit.errors import Conflict, Forbidden, Invalid, NotFound


class FiatEntryUnknown(NotFound):
    """The organisation has no such fiat entry."""

    code = "fiat.unknown"


class FiatReferenceTaken(Conflict):
    """The reference belongs to another entry; references are unique for ever."""

    code = "fiat.reference_taken"


class FiatAlreadyDecided(Conflict):
    """The entry was booked or rejected before."""

    code = "fiat.already_decided"


class NotFiat(Invalid):
    """A fiat entry in an asset that lies on a chain."""

    code = "fiat.not_fiat"


class FourEyes(Forbidden):
    """Who proposed an entry cannot decide it, and a program cannot stand in for a person."""

    code = "fiat.four_eyes"


class SameAccount(Invalid):
    """A transfer from an account to itself."""

    code = "transfer.same_account"
