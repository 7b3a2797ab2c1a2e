"""The signer's sealed configuration: chain, officers, screener's key, origin of the log, the
addresses of its own keys. It stands under an HMAC by a key in the signer token, so that a changed
file, or the file of another token, stops the start.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.canonical import canonical_bytes, parse_json
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_signer.errors import Unfit
from strongroom_signer.token.keyring import Keyring, PublicKeys

TYPE = "strongroom.signer/1"
# "cold": the machine that never sees a network, and signs with its own spending keys alone.
Kind = Literal["online", "cold"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class SealedConfig:
    """Facts settled in the ceremony. Keys of people and processes, durations in seconds."""

    chain_id: int
    officers: tuple[Address, ...]
    officer_quorum: int
    screener_key: bytes
    list_version_min: int
    origin: str
    cooling_seconds: int
    loosening_seconds: int
    keys: PublicKeys
    kind: Kind = "online"

    def document(self) -> dict[str, Any]:
        """The JSON that is sealed."""
        keys = {name: to_hex(value) for name, value in asdict(self.keys).items()}
        return {
            "type": TYPE,
            "kind": self.kind,
            "chain_id": self.chain_id,
            "officers": [checksum(officer) for officer in self.officers],
            "officer_quorum": self.officer_quorum,
            "screener_key": to_hex(self.screener_key),
            "list_version_min": self.list_version_min,
            "origin": self.origin,
            "cooling_seconds": self.cooling_seconds,
            "loosening_seconds": self.loosening_seconds,
            "keys": keys,
        }


def store(path: Path, config: SealedConfig, keyring: Keyring) -> None:
    """Write the sealed file in one step: a crash leaves the old one or the new one."""
    document = config.document()
    seal = to_hex(keyring.seal(canonical_bytes(document)))
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(canonical_bytes({"document": document, "seal": seal}))
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


def load(path: Path, keyring: Keyring) -> SealedConfig:
    """Read and check the seal; raises Unfit when it is missing, changed, or another token's."""
    try:
        wrapper = parse_json(path.read_bytes())
        document = wrapper["document"]
        seal = from_hex(wrapper["seal"], 32, field="seal")
    except FileNotFoundError:
        raise Unfit(f"{path} is missing: run 'strongroom-signer ceremony init' first") from None
    except (OSError, ProtocolError, KeyError, TypeError) as error:
        raise Unfit(f"{path} is damaged ({type(error).__name__})") from None
    if not hmac.compare_digest(seal, keyring.seal(canonical_bytes(document))):
        raise Unfit(f"the seal of {path} is wrong: it was changed, or belongs to another token")
    config = _read(document)
    # A permit key that was born and not yet sealed does not count until `rotate-permit` ends.
    others = replace(keyring.public, permit=config.keys.permit)
    if config.keys != others or not keyring.holds_permit(config.keys.permit):
        raise Unfit("the token's keys are not those of the sealed configuration")
    return config


def _read(document: dict[str, Any]) -> SealedConfig:
    keys = {name: from_hex(value) for name, value in document["keys"].items()}
    return SealedConfig(
        chain_id=document["chain_id"],
        officers=tuple(parse_address(officer) for officer in document["officers"]),
        officer_quorum=document["officer_quorum"],
        screener_key=from_hex(document["screener_key"], 32),
        list_version_min=document["list_version_min"],
        origin=document["origin"],
        cooling_seconds=document["cooling_seconds"],
        loosening_seconds=document["loosening_seconds"],
        keys=PublicKeys(
            permit=Address(keys["permit"]),
            relay=Address(keys["relay"]),
            attest=Address(keys["attest"]),
            orders=Address(keys["orders"]),
            log=keys["log"],
        ),
        kind=document["kind"],
    )
