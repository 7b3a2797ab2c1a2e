"""What deposits refuse."""

from strongroom.kit.errors import Forbidden, NotFound


class DepositUnknown(NotFound):
    """The organisation has no such deposit."""

    code = "deposits.unknown"


class ClearanceUnproven(Forbidden):
    """A verdict without the screener's signature over this very deposit."""

    code = "deposits.clearance_unproven"
