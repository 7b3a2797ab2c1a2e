"""What a source document does not say, and what the compiler makes of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.policy.findings import Finding
from strongroom_protocol.addresses import Address
from strongroom_protocol.authority import Bundle
from strongroom_protocol.encoding import to_hex

_UNTOLD: Final = Address(bytes(19) + b"\1")
"""Stands for the signer's key where nobody has told it: a check without a server."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a source document does not say: whose it is, and what is active now."""

    organisation: bytes = bytes(32)
    chain_id: int = 1
    version: int = 1
    previous: bytes = bytes(32)
    account: Mapping[str, Any] = field(
        default_factory=lambda: {
            "index": 0,
            "manifest_root": to_hex(bytes(32)),
            "xpub_hash": to_hex(bytes(32)),
        }
    )
    permit_signer: Address = _UNTOLD
    guard: Address | None = None
    """The platform's guard; None = it was not told, so the vault's people can't change."""
    active: Bundle | None = None
    book: Sequence[Mapping[str, Any]] | None = None
    """The organisation's agreed entries; None = not told."""
    own: frozenset[Address] = frozenset()
    """Addresses of vault and platform that nobody may be paid at."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """`bundle` is None where the findings left nothing that reads."""

    source: Mapping[str, Any]
    bundle: Bundle | None
    findings: tuple[Finding, ...]
