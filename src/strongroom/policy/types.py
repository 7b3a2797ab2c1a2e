"""Values of policy: bundles prepared, staged, active."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from strongroom.policy.findings import Finding
from strongroom_protocol.addresses import Address
from strongroom_protocol.authority import Bundle


@dataclass(frozen=True, slots=True)
class PreparedBundle:
    """A bundle that reads well; `typed_data` is what each administrator signs."""

    version: int
    digest: bytes
    content: Mapping[str, Any]
    typed_data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Staged:
    """A signed bundle on its way: call the signer's operation `op` with `body`, then activate."""

    op: Literal["policy_first", "policy_update"]
    version: int
    digest: bytes
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BundleView:
    """One version, as it is kept."""

    version: int
    digest: bytes
    state: Literal["staged", "active", "superseded"]
    staged_at: datetime
    activated_at: datetime | None
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActiveBundle:
    """The version that counts now, parsed."""

    version: int
    digest: bytes
    bundle: Bundle
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What is proposed about an address: its label, whose it is, its tags, and why."""

    address: Address
    label: str
    owner: str
    tags: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Proof:
    """How an address was shown to be somebody's: eip191, eip712 or test_payment."""

    method: str
    statement: str
    evidence: bytes
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal and its outcome (None = open); people by name."""

    id: UUID
    kind: str
    address: Address
    label: str
    owner: str
    tags: tuple[str, ...]
    why: str
    proposed_by: str
    proposed_at: datetime
    outcome: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class BookEntry:
    """An agreed address. `usable_from`: when the signer lets it be paid; None = not in the active
    policy yet.
    """

    address: Address
    label: str
    owner: str
    tags: tuple[str, ...]
    proposed_by: str
    agreed_by: str
    agreed_at: datetime
    proofs: tuple[Proof, ...]
    usable_from: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody whose signature a draft asks for: a founder, a new key, or one of the
    administrators, of whom a quorum is enough (`needed` False).
    """

    person: str
    name: str
    address: Address
    role: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """One signature under a draft, as it came."""

    person: str
    name: str
    address: bytes
    signature: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class DraftView:
    """A draft as it stands: open, invalid, outdated, published or withdrawn. `missing` says who
    must still sign, empty when nobody; `typed_data` is what each of `wanted` signs.
    """

    id: UUID
    version: int
    state: str
    note: str
    source: Mapping[str, Any]
    content: Mapping[str, Any] | None
    digest: bytes | None
    typed_data: Mapping[str, Any] | None
    findings: tuple[Finding, ...]
    signatures: tuple[Signed, ...]
    wanted: tuple[Wanted, ...]
    missing: str
    made_by: str
    made_at: datetime
