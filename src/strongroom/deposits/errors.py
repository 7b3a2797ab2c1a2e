"""What deposits refuse."""

from strongroom.kit.errors import Conflict, Forbidden, Invalid, NotFound


class DepositUnknown(NotFound):
    """The organisation has no such deposit."""

    code = "deposits.unknown"


class ClearanceUnproven(Forbidden):
    """A verdict without the screener's signature over this very deposit."""

    code = "deposits.clearance_unproven"


class RuleInvalid(Invalid):
    """A rule that says nothing, or an amount without an asset."""

    code = "deposits.rule_invalid"


class RuleUnknown(NotFound):
    """The organisation has no such rule."""

    code = "deposits.rule_unknown"


class ScheduleInvalid(Invalid):
    """A window with one end."""

    code = "deposits.schedule_invalid"


class NotHeld(Conflict):
    """There is nothing to accept: the deposit is not held for people to decide."""

    code = "deposits.not_held"
