"""What the environment tells the signer: paths, the module, the chain. No secret among it:
PINs come from files that only the signer's user can read, or from file descriptors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from strongroom_signer.errors import Unfit
from strongroom_signer.token.pins import Pin

SIGNER_TOKEN, VAULT_TOKEN = "strongroom-signer", "strongroom-vault"
VAULT_PARTS_MIN = 2
_MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are. `vault_pin` is known to the ceremony only; `softhsm_trial` lets a software
    token stand in on a main network.
    """

    directory: Path
    module: str
    chain_id: int
    signer_pin: Pin
    vault_pin: Pin | None = None
    socket: Path | None = None
    health_port: int = 0
    allowed_uids: frozenset[int] = frozenset()
    api_uids: frozenset[int] = frozenset()
    crash_at: str | None = None
    signer_token: str = SIGNER_TOKEN
    vault_token: str = VAULT_TOKEN
    softhsm_trial: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises Unfit, naming the variable that is missing or wrong."""
        socket = environment.get("STRONGROOM_SIGNER_SOCKET")
        uids = environment.get("STRONGROOM_SIGNER_ALLOWED_UIDS") or str(os.getuid())
        return cls(
            directory=Path(_need(environment, "STRONGROOM_SIGNER_DIR")),
            module=environment.get("STRONGROOM_PKCS11_MODULE") or _MODULE,
            chain_id=_number(_need(environment, "STRONGROOM_CHAIN_ID"), "STRONGROOM_CHAIN_ID", 1),
            signer_pin=_signer_pin(environment),
            vault_pin=_vault_pin(environment),
            socket=Path(socket) if socket else None,
            health_port=_number(
                environment.get("STRONGROOM_HEALTH_PORT") or "0", "STRONGROOM_HEALTH_PORT", 0
            ),
            allowed_uids=_uids(uids, "STRONGROOM_SIGNER_ALLOWED_UIDS"),
            api_uids=_uids(
                environment.get("STRONGROOM_SIGNER_API_UIDS") or "", "STRONGROOM_SIGNER_API_UIDS"
            ),
            crash_at=environment.get("STRONGROOM_CRASH_AT"),
            signer_token=environment.get("STRONGROOM_SIGNER_TOKEN") or SIGNER_TOKEN,
            vault_token=environment.get("STRONGROOM_VAULT_TOKEN") or VAULT_TOKEN,
            softhsm_trial=environment.get("STRONGROOM_SOFTHSM_TRIAL") == "1",
        )

    def make_directory(self) -> None:
        """The signer's own folder, open to nobody else."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)

    @property
    def token_lock(self) -> Path:
        """File lock that serialises the module's initialisation."""
        return self.directory / "token.lock"


def _need(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise Unfit(f"{name} is not set")
    return value


def _signer_pin(environment: Mapping[str, str]) -> Pin:
    descriptor = environment.get("STRONGROOM_SIGNER_PIN_FD")
    if descriptor:
        return Pin(descriptors=(_number(descriptor, "STRONGROOM_SIGNER_PIN_FD", 0),))
    return Pin(files=(Path(_need(environment, "STRONGROOM_SIGNER_PIN_FILE")),))


def _vault_pin(environment: Mapping[str, str]) -> Pin | None:
    """Two officers' parts or more; None when there is none, as in the running signer."""
    files_name, descriptors_name = "STRONGROOM_VAULT_PIN_FILES", "STRONGROOM_VAULT_PIN_FDS"
    descriptors = _parts(environment, descriptors_name)
    if descriptors:
        numbers = tuple(_number(number, descriptors_name, 0) for number in descriptors)
        return Pin(descriptors=numbers)
    files = _parts(environment, files_name)
    return Pin(files=tuple(Path(name) for name in files)) if files else None


def _parts(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())
    if parts and (len(parts) < VAULT_PARTS_MIN or len(set(parts)) != len(parts)):
        raise Unfit(
            f"{name} must name two different parts or more, parted by commas: the vault token is "
            "opened by two officers"
        )
    return parts


def _uids(text: str, name: str) -> frozenset[int]:
    return frozenset(_number(uid, name, 0) for uid in text.split(",") if uid)


def _number(text: str, name: str, minimum: int) -> int:
    if not text.strip().isdigit() or int(text) < minimum:
        raise Unfit(f"{name} must be a whole number from {minimum}, not {text[:40]!r}")
    return int(text)
