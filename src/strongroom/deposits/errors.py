"""What deposits refuse."""

from strongroom.kit.errors import NotFound


class DepositUnknown(NotFound):
    """The organisation has no such deposit."""

    code = "deposits.unknown"
