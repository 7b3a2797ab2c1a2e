"""What webhooks refuse."""

from strongroom.kit.errors import Conflict, Invalid, NotFound, Unavailable


class EndpointUnknown(NotFound):
    """No such endpoint in this organisation."""

    code = "webhooks.unknown"


class EndpointInvalid(Invalid):
    """The address or the event types can't be used."""

    code = "webhooks.endpoint_invalid"


class EndpointLimit(Conflict):
    """The organisation has as many endpoints as one may have."""

    code = "webhooks.endpoint_limit"


class EndpointRemoved(Conflict):
    """A removed endpoint stays so; add another."""

    code = "webhooks.endpoint_removed"


class ReplayTooLarge(Invalid):
    """More events than one replay takes."""

    code = "webhooks.replay_too_large"


class SecretsMissing(Unavailable):
    """This installation has no key from which secrets are made."""

    code = "webhooks.no_key"
