"""Everything an operation works with, joined once at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from strongroom_protocol.bundle import Bundle
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.merkle import Tree
from strongroom_signer.clock import Clock
from strongroom_signer.crash import CrashPoints
from strongroom_signer.journal.store import Journal
from strongroom_signer.pool import Pool
from strongroom_signer.recent import Recent
from strongroom_signer.sealed import SealedConfig
from strongroom_signer.token.keyring import Keyring

Plan = dict[str, Any]
BUNDLES_MAX = 256
# 6.4 MB each where 100,000 addresses were given to an organisation.
MANIFESTS_MAX = 16


@dataclass(frozen=True, slots=True)
class House:
    """The signer's parts. `trace` of the running request is passed apart; `trial` means that a
    software token stands in on a main network. `bundles` are kept by digest, `manifests` by
    account, count and root: what is in force, the journal says each time.
    """

    config: SealedConfig
    deployment: Deployment
    keyring: Keyring
    journal: Journal
    pool: Pool
    clock: Clock
    crash: CrashPoints
    trial: bool = False
    bundles: Recent[bytes, Bundle] = field(default_factory=lambda: Recent(BUNDLES_MAX))
    manifests: Recent[tuple[int, int, bytes], Tree] = field(
        default_factory=lambda: Recent(MANIFESTS_MAX)
    )


@dataclass(frozen=True, slots=True)
class Once:
    """One request that is honoured at most once. `id` is its name for ever; `identity` is what a
    retry must repeat; `still` refuses what was journalled but may no longer be signed.
    `built_upon`: other requests read its stored answer, so that not even a power cut may lose it.
    """

    op: str
    id: bytes
    identity: bytes
    prepare: Callable[[], Plan]
    sign: Callable[[Plan], Plan]
    still: Callable[[], None]
    settle: Callable[[Plan, Plan], None] | None = None
    built_upon: bool = False
