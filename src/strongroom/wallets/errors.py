"""What wallets refuse."""

from strongroom.kit.errors import Conflict, Invalid, NotFound


class AccountUnknown(NotFound):
    """The organisation has no account from a key ceremony yet."""

    code = "wallets.account_unknown"


class AccountTaken(Conflict):
    """The organisation, or the account index, has an account already."""

    code = "wallets.account_taken"


class CeremonyInvalid(Invalid):
    """The ceremony's output contradicts itself."""

    code = "wallets.ceremony_invalid"


class OfficersMissing(Invalid):
    """Too few custody officers signed the manifest, or somebody else did."""

    code = "wallets.officers_missing"


class ProvenanceInvalid(Invalid):
    """The address does not follow from xpub, manifest and attest key alike. It is not given out."""

    code = "wallets.provenance_invalid"


class IndexTaken(Conflict):
    """Another request took this index first; ask for the next one."""

    code = "wallets.index_taken"
    retryable = True


class PoolEmpty(Conflict):
    """All addresses of the manifest are given out: officers refill the pool by a ceremony."""

    code = "wallets.pool_empty"


class AddressTaken(Conflict):
    """The address is watched for another organisation or as another kind."""

    code = "wallets.address_taken"


class TokenTaken(Conflict):
    """The contract or the asset stands for something else in this organisation."""

    code = "wallets.token_taken"


class ReferenceTaken(Conflict):
    """The customer reference has an address already; it keeps it for ever."""

    code = "wallets.reference_taken"


class AccountNameInvalid(Invalid):
    """Credits go to client accounts only."""

    code = "wallets.account_name_invalid"


class FreezeUnknown(NotFound):
    """There is no such standing freeze."""

    code = "wallets.freeze_unknown"


class CoinTaken(Conflict):
    """A chain's coin has another code already, or the code is another chain's."""

    code = "wallets.coin_taken"
