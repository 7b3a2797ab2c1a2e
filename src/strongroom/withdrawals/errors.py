"""What can be wrong with a withdrawal; every refusal of an approval has its own code."""

from strongroom.kit.errors import Conflict, Forbidden, Invalid, NotFound


class WithdrawalUnknown(NotFound):
    """The organisation has no such withdrawal."""

    code = "withdrawal.unknown"


class VaultMissing(Conflict):
    """There is no active vault to pay from."""

    code = "withdrawal.vault_missing"


class AssetUnknown(Invalid):
    """The asset is not among those of the signed policy."""

    code = "withdrawal.asset_unknown"


class IntentWrong(Invalid):
    """The signed fields name another organisation, wallet or token than they must."""

    code = "withdrawal.intent_wrong"


class ValidityWrong(Invalid):
    """`validUntil` is over, too soon, or too far away."""

    code = "withdrawal.validity_wrong"


class PolicyVersionStale(Conflict):
    """The intent was signed under a policy that is not the active one."""

    code = "withdrawal.policy_version_stale"


class EpochStale(Conflict):
    """The intent names another epoch of the signer's store."""

    code = "withdrawal.epoch_stale"


class ReferenceTaken(Conflict):
    """The client's reference was used before; a reference names one payment for ever."""

    code = "withdrawal.reference_taken"


class IntentUsed(Conflict):
    """The very same intent was handed in before."""

    code = "withdrawal.intent_used"


class InsufficientFunds(Conflict):
    """The account has less than the amount, holds taken off."""

    code = "withdrawal.insufficient_funds"


class FloatWrong(Invalid):
    """Limits of a hot wallet that make no sense, or of a wallet that is none."""

    code = "withdrawal.float_wrong"


class BatchWrong(Conflict):
    """These payments can't be one transaction."""

    code = "withdrawal.batch_wrong"


class VaultShort(Conflict):
    """The account has the money, but part of it is not in the vault yet."""

    code = "withdrawal.vault_short"


class CustodyFrozen(Conflict):
    """Reconciliation froze the vault's account; people look at it first."""

    code = "withdrawal.custody_frozen"


class InitiatorUnknown(Forbidden):
    """The order's signature belongs to no initiator, or was made over other bytes."""

    code = "withdrawal.initiator_unknown"


class SignatureMalformed(Invalid):
    """No signature in the one accepted form: r, s, v with v 27 or 28 and low s."""

    code = "withdrawal.signature_malformed"


class SignatureEncodingWrong(SignatureMalformed):
    """A signature in another form than the one that counts: high s, EIP-2098, v 0 or 1."""

    code = "withdrawal.signature_encoding"


class SignatureOverOtherBytes(Invalid):
    """The signature is not this person's over this transaction."""

    code = "withdrawal.signature_over_other_bytes"


class SignatureForAnotherChain(SignatureOverOtherBytes):
    """The person signed the same for another chain."""

    code = "withdrawal.signature_for_another_chain"


class SignatureForAnotherVault(SignatureOverOtherBytes):
    """The person signed the same for another vault or wallet."""

    code = "withdrawal.signature_for_another_vault"


class SignatureForAnotherNonce(SignatureOverOtherBytes):
    """The person signed another number of the vault's transactions."""

    code = "withdrawal.signature_for_another_nonce"


class SignaturePrefixed(SignatureOverOtherBytes):
    """The digest was signed as a message (EIP-191), not as typed data."""

    code = "withdrawal.signature_prefixed"


class NotYourTurn(Conflict):
    """Others sign first: the rules ask for groups one after the other."""

    code = "withdrawal.not_your_turn"


class NotDecodable(Conflict):
    """What would be signed can't be put into plain words, so nobody may sign it."""

    code = "withdrawal.not_decodable"


class PaymentSignatureMissing(Invalid):
    """An approval of a payment has two signatures: the Safe transaction's and the readable one."""

    code = "withdrawal.payment_signature_missing"


class ApproverUnknown(Forbidden):
    """The signer is no approver of this organisation."""

    code = "withdrawal.approver_unknown"


class ApproverRemoved(Forbidden):
    """The signer was an approver; the active policy names the person no more."""

    code = "withdrawal.approver_removed"


class InitiatorCannotApprove(Forbidden):
    """Who ordered a payment cannot approve it."""

    code = "withdrawal.initiator_cannot_approve"


class AlreadyApproved(Conflict):
    """This person's approval is there; a second one counts for nothing."""

    code = "withdrawal.already_approved"


class Expired(Conflict):
    """The intent's time is over."""

    code = "withdrawal.expired"


class NotAwaitingApproval(Conflict):
    """It is not, or no longer, waiting for approvals."""

    code = "withdrawal.not_awaiting_approval"


class NotCancellable(Conflict):
    """It has ended, or its payment is mined."""

    code = "withdrawal.not_cancellable"


class SignedWrong(Invalid):
    """What was brought back from the offline signer is not this withdrawal's transaction."""

    code = "withdrawal.signed_wrong"


class NotForOffline(Conflict):
    """There is nothing to sign on an offline machine for this withdrawal now."""

    code = "withdrawal.not_for_offline"


class RateNotTaken(Invalid):
    """A price that no source of the signed policy stated."""

    code = "withdrawal.rate_not_taken"
