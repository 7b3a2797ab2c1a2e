"""Values of vaults."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from strongroom_protocol.addresses import Address
from strongroom_protocol.deployment import Deployment

VaultState = Literal["requested", "creating", "active", "failed"]


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's contracts on one chain, and the signer's keys: what the contracts are
    bound to (`relay`), and what new vaults are made for (`permit_signer`).
    """

    chain_id: int
    relay: Address
    permit_signer: Address
    store_epoch: int

    @property
    def deployment(self) -> Deployment:
        """Every platform address, computed."""
        return Deployment(self.chain_id, self.relay)


@dataclass(frozen=True, slots=True)
class VaultView:
    """An organisation's vault. Addresses are 20 bytes; owners are EIP-55 text."""

    id: UUID
    chain_id: int
    address: Address
    sweeper: Address
    owners: tuple[str, ...]
    threshold: int
    state: VaultState
    reason: str | None
    created_at: datetime
    active_at: datetime | None
