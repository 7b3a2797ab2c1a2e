"""What can be wrong with a vault."""

from strongroom.kit.errors import Conflict, NotFound, Unavailable


class VaultUnknown(NotFound):
    """The organisation has no vault yet."""

    code = "vaults.unknown"


class PlatformMissing(Unavailable):
    """The chain has no deployment of the platform's contracts on record."""

    code = "vaults.platform_missing"


class PlatformDiffers(Conflict):
    """The signer's keys are not those that the chain's contracts were deployed for."""

    code = "vaults.platform_differs"
