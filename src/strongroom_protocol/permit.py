"""The HSM key's Permit for one exact Safe transaction, as the vault's guard verifies it."""

from dataclasses import dataclass
from typing import ClassVar

from strongroom_protocol.addresses import Address
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain


def domain(chain_id: int, guard: Address) -> Domain:
    """The guard's own domain, so that no Permit passes another guard or chain."""
    return Domain("StrongroomGuard", "1", chain_id, guard)


@dataclass(frozen=True)
class Permit(Structure):
    """Valid for one Safe transaction hash until `valid_until` (Unix seconds)."""

    TYPE: ClassVar[str] = (
        "Permit(address safe,bytes32 safeTxHash,uint64 policyVersion,uint64 validUntil)"
    )
    safe: Address
    safe_tx_hash: bytes
    policy_version: int
    valid_until: int

    def digest(self, chain_id: int, guard: Address) -> bytes:
        """The 32 bytes that the permit key signs."""
        return self.digest_in(domain(chain_id, guard))
