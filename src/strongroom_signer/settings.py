"""What the environment tells the signer: paths, the module, the chain. No secret among it:
PINs come from files that only the signer's user can read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from strongroom_signer.errors import Unfit

SIGNER_TOKEN, VAULT_TOKEN = "strongroom-signer", "strongroom-vault"
_MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are. `vault_pin_file` is known to the ceremony only."""

    directory: Path
    module: str
    chain_id: int
    signer_pin_file: Path
    vault_pin_file: Path | None = None
    socket: Path | None = None
    health_port: int = 0
    allowed_uids: frozenset[int] = frozenset()
    api_uids: frozenset[int] = frozenset()
    crash_at: str | None = None
    signer_token: str = SIGNER_TOKEN
    vault_token: str = VAULT_TOKEN

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises Unfit, naming the variable that is missing or wrong."""
        vault_pin = environment.get("STRONGROOM_VAULT_PIN_FILE")
        socket = environment.get("STRONGROOM_SIGNER_SOCKET")
        uids = environment.get("STRONGROOM_SIGNER_ALLOWED_UIDS") or str(os.getuid())
        return cls(
            directory=Path(_need(environment, "STRONGROOM_SIGNER_DIR")),
            module=environment.get("STRONGROOM_PKCS11_MODULE") or _MODULE,
            chain_id=_number(_need(environment, "STRONGROOM_CHAIN_ID"), "STRONGROOM_CHAIN_ID", 1),
            signer_pin_file=Path(_need(environment, "STRONGROOM_SIGNER_PIN_FILE")),
            vault_pin_file=Path(vault_pin) if vault_pin else None,
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


def _uids(text: str, name: str) -> frozenset[int]:
    return frozenset(_number(uid, name, 0) for uid in text.split(",") if uid)


def _number(text: str, name: str, minimum: int) -> int:
    if not text.strip().isdigit() or int(text) < minimum:
        raise Unfit(f"{name} must be a whole number from {minimum}, not {text[:40]!r}")
    return int(text)
