"""What screening refuses."""

from strongroom.kit.errors import Conflict, Invalid, NotFound, Unavailable


class RequestUnknown(NotFound):
    """No such screening request in this organisation."""

    code = "screening.request_unknown"


class ReferenceDiffers(Conflict):
    """The same reference was asked before about other facts."""

    code = "screening.reference_differs"


class PayerIsSomebody(Conflict):
    """Only money that nobody paid is taken by compliance's word alone."""

    code = "screening.payer_is_somebody"


class ListInvalid(Invalid):
    """A list that cannot be read, or that holds no address at all."""

    code = "screening.list_invalid"


class AlertUnknown(NotFound):
    """No such alert in this organisation."""

    code = "screening.alert_unknown"


class AlertTransitionInvalid(Conflict):
    """An alert cannot go from its state to the one asked for."""

    code = "screening.alert_transition_invalid"


class ScreenerKeyMissing(Unavailable):
    """The screener's key file is missing, readable by others, or not a key."""

    code = "screening.key_missing"
