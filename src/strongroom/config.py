"""What a process is told by its environment: every `STRONGROOM_…` variable is read here.

Secrets are never values here, only paths of files that the process may read.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.kit.errors import Invalid

DEFAULT_API_PORT = 8420


class ConfigurationInvalid(Invalid):
    """A variable is missing or cannot be read; the message names it and says what it holds."""

    code = "config.invalid"


@dataclass(frozen=True)
class Config:
    """One process's settings. URLs are SQLAlchemy / redis / http URLs; ports 0 mean "none"."""

    database_url: str = field(repr=False)
    owner_database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    rpc_urls: tuple[str, ...]
    rpc_agree: int
    chain_id: int
    confirmations: int
    start_height: int
    custody_officers: tuple[str, ...]
    custody_quorum: int
    signer_socket: Path
    screener_key_file: Path | None
    screener_public_key: bytes | None
    api_host: str
    api_port: int
    health_port: int
    export_dir: Path
    operator_token_file: Path | None
    log_json: bool
    seed: int | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Config":
        """Read the process's environment. Raises ConfigurationInvalid naming the variable."""
        read = _Reader(os.environ if environment is None else environment)
        return cls(
            database_url=read.text("DATABASE_URL", ""),
            owner_database_url=read.text("OWNER_DATABASE_URL", ""),
            redis_url=read.text("REDIS_URL", "redis://127.0.0.1:6379/0"),
            rpc_urls=read.words("RPC_URLS"),
            rpc_agree=read.agreeing("RPC_AGREE", read.words("RPC_URLS")),
            chain_id=read.number("CHAIN_ID", 31337, minimum=1),
            confirmations=read.number("CONFIRMATIONS", 1, minimum=1),
            start_height=read.number("START_HEIGHT", 0, minimum=0),
            custody_officers=read.words("CUSTODY_OFFICERS"),
            custody_quorum=read.number("CUSTODY_QUORUM", 2, minimum=1),
            signer_socket=Path(read.text("SIGNER_SOCKET", "signer.sock")),
            screener_key_file=read.path("SCREENER_KEY_FILE"),
            screener_public_key=read.key("SCREENER_PUBLIC_KEY"),
            api_host=read.text("API_HOST", "127.0.0.1"),
            api_port=read.number("API_PORT", DEFAULT_API_PORT, minimum=1),
            health_port=read.number("HEALTH_PORT", 0, minimum=0),
            export_dir=Path(read.text("EXPORT_DIR", "exports")),
            operator_token_file=read.path("OPERATOR_TOKEN_FILE"),
            log_json=read.text("LOG_JSON", "1") != "0",
            seed=read.number("SEED", 0, minimum=0) if read.has("SEED") else None,
        )

    def require_database_url(self) -> str:
        """Return the URL, or raise ConfigurationInvalid: a process without one cannot start."""
        if not self.database_url:
            message = (
                "STRONGROOM_DATABASE_URL is not set; give this process's own role, for example "
                "postgresql+psycopg://strongroom_api@host/strongroom"
            )
            raise ConfigurationInvalid(message)
        return self.database_url


class _Reader:
    """Reads typed values out of `STRONGROOM_…` variables, each with a sentence when it fails."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def has(self, name: str) -> bool:
        return bool(self._environment.get(f"STRONGROOM_{name}"))

    def text(self, name: str, default: str) -> str:
        return self._environment.get(f"STRONGROOM_{name}") or default

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(name, "").split(",") if word.strip())

    def agreeing(self, name: str, urls: tuple[str, ...]) -> int:
        """How many of the nodes must agree; the majority if nothing is said."""
        there = len(set(urls))
        needed = self.number(name, there // 2 + 1, minimum=1)
        if needed > max(there, 1):
            raise ConfigurationInvalid(
                f"STRONGROOM_{name} is {needed}, but STRONGROOM_RPC_URLS names {there} nodes"
            )
        return needed

    def path(self, name: str) -> Path | None:
        return Path(self.text(name, "")) if self.has(name) else None

    def key(self, name: str) -> bytes | None:
        text = self.text(name, "").removeprefix("0x")
        if text and not re.fullmatch(r"[0-9a-f]{64}", text):
            raise ConfigurationInvalid(f"STRONGROOM_{name} must be 64 lower-case hex digits")
        return bytes.fromhex(text) if text else None

    def number(self, name: str, default: int, *, minimum: int) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal() or int(text) < minimum:
            message = (
                f"STRONGROOM_{name} is {text!r}; it must be a whole number of at least {minimum}"
            )
            raise ConfigurationInvalid(message)
        return int(text)
