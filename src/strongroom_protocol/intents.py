"""What people sign with their own keys: the EIP-712 structures of domain "Strongroom".

The digest of a Withdrawal is the request's id, for ever. Changing a TYPE here voids signatures.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain, as_json

# More than the orders of one drained batch.
DIGESTS_MAX = 256


def domain(chain_id: int) -> Domain:
    """The domain of everything that people sign for us on one chain."""
    return Domain(name="Strongroom", version="1", chain_id=chain_id)


class Intent(Structure):
    """A structure in the Strongroom domain."""

    def digest(self, chain_id: int) -> bytes:
        """The 32 bytes that a person signs."""
        return self.digest_in(domain(chain_id))

    def as_json(self, chain_id: int) -> dict[str, Any]:
        """For eth_signTypedData_v4."""
        return as_json(self.typed(domain(chain_id)))


class Order(Intent):
    """An initiator's order to pay, whatever pays it."""

    organisation: bytes
    valid_until: int
    policy_version: int
    store_epoch: int

    @lru_cache(maxsize=DIGESTS_MAX)  # noqa: B019  (frozen values, bounded)
    def digest(self, chain_id: int) -> bytes:
        """As any intent's; made once, for it is asked for again and again while it is judged."""
        return super().digest(chain_id)


@dataclass(frozen=True)
class Withdrawal(Order):
    """The initiator's order to pay. Units in the token's smallest unit, time in Unix seconds.

    `token` zero = the chain's native coin; `reference` is the client's own, never empty.
    """

    TYPE: ClassVar[str] = (
        "Withdrawal(bytes32 organisation,address wallet,address token,address to,uint256 units,"
        "uint256 maxFeeWei,string reference,uint64 validUntil,uint64 policyVersion,"
        "uint64 storeEpoch)"
    )
    organisation: bytes
    wallet: Address
    token: Address
    to: Address
    units: int
    max_fee_wei: int
    reference: str
    valid_until: int
    policy_version: int
    store_epoch: int

    def __post_init__(self) -> None:
        """Check: a payment of something to somebody else, with a reference."""
        super().__post_init__()
        if self.units == 0:
            raise FieldInvalid("units: a withdrawal of zero moves nothing")
        if self.to in (ZERO, self.wallet, self.token):
            raise FieldInvalid("to: must be neither zero, nor the wallet itself, nor the token")
        if not self.reference:
            raise FieldInvalid("reference: must not be empty; it names the payment for ever")


@dataclass(frozen=True)
class FiatOrder(Order):
    """The initiator's order to pay `count` instructions outside the chain, together `units` of the
    asset's smallest unit; `content` is the hash of the canonical list (`fiat.content_of`).
    """

    TYPE: ClassVar[str] = (
        "FiatOrder(bytes32 organisation,string source,string rail,string asset,uint256 units,"
        "uint32 count,bytes32 content,string reference,uint64 validUntil,uint64 policyVersion,"
        "uint64 storeEpoch)"
    )
    organisation: bytes
    source: str
    rail: str
    asset: str
    units: int
    count: int
    content: bytes
    reference: str
    valid_until: int
    policy_version: int
    store_epoch: int

    def __post_init__(self) -> None:
        """Check: a payment of something, with a reference."""
        super().__post_init__()
        if self.units == 0 or self.count == 0:
            raise FieldInvalid("units, count: an order of nothing is none")
        if not self.reference:
            raise FieldInvalid("reference: must not be empty; it names the order for ever")


@dataclass(frozen=True)
class FiatPermit(Intent):
    """What the signer's orders key signs once the quorum was there; the gateway verifies it.

    `order` is the FiatOrder's digest; both hashes, so that the gateway needs one signature only.
    """

    TYPE: ClassVar[str] = "FiatPermit(bytes32 order,bytes32 content,uint64 validUntil)"
    order: bytes
    content: bytes
    valid_until: int


@dataclass(frozen=True)
class VaultPayment(Intent):
    """The approver's readable twin of a Safe transaction hash."""

    TYPE: ClassVar[str] = (
        "VaultPayment(bytes32 intent,bytes32 safeTxHash,address to,address token,uint256 units)"
    )
    intent: bytes
    safe_tx_hash: bytes
    to: Address
    token: Address
    units: int


@dataclass(frozen=True)
class Rejection(Intent):
    """An approver's final no, with its reason."""

    TYPE: ClassVar[str] = "Rejection(bytes32 intent,string reason)"
    intent: bytes
    reason: str

    def __post_init__(self) -> None:
        """Check: a reason is given."""
        super().__post_init__()
        if not self.reason:
            raise FieldInvalid("reason: a rejection needs one")


@dataclass(frozen=True)
class PolicyBundle(Intent):
    """What administrators sign: version, the digest before it (zero at first), content hash."""

    TYPE: ClassVar[str] = (
        "PolicyBundle(bytes32 organisation,uint64 version,bytes32 previous,bytes32 content)"
    )
    organisation: bytes
    version: int
    previous: bytes
    content: bytes


@dataclass(frozen=True)
class CustodyManifest(Intent):
    """What custody officers sign: one account's addresses, as root and count, and its xpub."""

    TYPE: ClassVar[str] = (
        "CustodyManifest(uint32 accountIndex,bytes32 root,uint32 count,bytes32 xpubHash)"
    )
    account_index: int
    root: bytes
    count: int
    xpub_hash: bytes


@dataclass(frozen=True)
class AddressProvenance(Intent):
    """What the signer's attest key signs: this address is the organisation's, at that path."""

    TYPE: ClassVar[str] = "AddressProvenance(bytes32 organisation,string path,address account)"
    organisation: bytes
    path: str
    account: Address


@dataclass(frozen=True)
class Suspend(Intent):
    """Any one administrator's stop for the whole organisation, under the policies up to `version`:
    the next one ends it, and an old signature cannot stop that one again.
    """

    TYPE: ClassVar[str] = "Suspend(bytes32 organisation,uint64 version)"
    organisation: bytes
    version: int


@dataclass(frozen=True)
class Revoke(Intent):
    """Any one administrator's end of one person's key."""

    TYPE: ClassVar[str] = "Revoke(bytes32 organisation,address key)"
    organisation: bytes
    key: Address


@dataclass(frozen=True)
class SweepRelease(Intent):
    """What administrators sign after they looked at the chain: the sweep `ref` is over for good,
    and of this deposit address and token it moved nothing. It may then be swept again.
    """

    TYPE: ClassVar[str] = (
        "SweepRelease(bytes32 organisation,bytes32 ref,address account,address token)"
    )
    organisation: bytes
    ref: bytes
    account: Address
    token: Address
