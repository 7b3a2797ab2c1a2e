"""What can be wrong with a vault."""

from strongroom.kit.errors import Conflict, Invalid, NotFound, Unavailable


class VaultUnknown(NotFound):
    """The organisation has no vault yet."""

    code = "vaults.unknown"


class PlatformMissing(Unavailable):
    """The chain has no deployment of the platform's contracts on record."""

    code = "vaults.platform_missing"


class PlatformDiffers(Conflict):
    """The signer's keys are not those that the chain's contracts were deployed for."""

    code = "vaults.platform_differs"


class NotExamined(Conflict):
    """Nothing is known of the vault on chain yet."""

    code = "vaults.not_examined"


class NotPending(Conflict):
    """The active policy does not ask for this change."""

    code = "vaults.change_not_pending"


class ChangeCooling(Conflict):
    """The change is announced and its delay runs."""

    code = "vaults.change_cooling"


class NonceBusy(Conflict):
    """The vault's next Safe nonce belongs to something else."""

    code = "vaults.nonce_busy"


class StepUnknown(NotFound):
    """No such step."""

    code = "vaults.step_unknown"


class StepNotOpen(Conflict):
    """The step's state does not allow this."""

    code = "vaults.step_not_open"


class SignatureWrong(Invalid):
    """A signature that can't be read, or is not an owner's over these bytes."""

    code = "vaults.signature_wrong"
