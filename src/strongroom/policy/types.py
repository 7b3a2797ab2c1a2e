"""Values of policy: bundles prepared, staged, active."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

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
