"""Values of wallets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

AddressKind = Literal["deposit", "vault", "relay", "spending"]
Reuse = Literal["credit", "hold"]
"""A deposit after the first to one address: credited like it, or held until people accept it."""


@dataclass(frozen=True, slots=True)
class Officers:
    """The custody officers' addresses (20 bytes each), and how many of them must have signed."""

    addresses: frozenset[bytes]
    quorum: int


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account: its BIP-44 index, how many addresses its manifest holds, the manifest's root."""

    account_index: int
    count: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the signer says of one address: the attest key's signature and the manifest proof."""

    index: int
    path: str
    address: bytes
    signature: bytes
    proof: tuple[bytes, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class AddressView:
    """A deposit address that was given out; credits go to `client_account`."""

    id: UUID
    index: int
    path: str
    address: bytes
    label: str
    client_account: str
    provenance_signature: bytes
    manifest_proof: tuple[bytes, ...]
    manifest_root: bytes
    manifest_count: int
    created_at: datetime
    delegated_at: datetime | None = None
    customer_reference: str | None = None
    reuse: Reuse = "credit"


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose money comes to an address, and what a second payment to it is."""

    client_account: str
    customer_reference: str | None
    reuse: Reuse


@dataclass(frozen=True, slots=True)
class Watched:
    """An address that the indexer looks for, and whose it is."""

    organisation_id: UUID
    address: bytes
    kind: AddressKind
    custody_code: str


@dataclass(frozen=True, slots=True)
class LateScan:
    """An address whose earlier blocks, first to last, still have to be read again."""

    watched: Watched
    first_height: int
    last_height: int


class WatchedFrom(NamedTuple):
    """A watched address whose every block above `height` was matched."""

    organisation_id: UUID
    address: bytes
    height: int


class Alike(NamedTuple):
    """Addresses that may all hold the same asset: a token (None = the chain's coin) by its code."""

    token: bytes | None
    asset: str
    addresses: Sequence[bytes]


class Holding(NamedTuple):
    """What may be held where: a token (None = the chain's coin) under an asset code."""

    address: bytes
    token: bytes | None
    asset: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token that an organisation's policy names."""

    organisation_id: UUID
    chain_id: int
    contract: bytes
    asset: str


@dataclass(frozen=True, slots=True)
class FreezeView:
    """A custody account that nothing may leave."""

    id: UUID
    custody_code: str
    asset: str
    reason: str
    frozen_at: datetime
