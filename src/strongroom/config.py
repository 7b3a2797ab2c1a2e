"""What a process is told by its environment: every `STRONGROOM_…` variable is read here.

Secrets are never values here, only paths of files that the process may read. Chains come from the
file that STRONGROOM_CHAINS names (decision 0012), or one chain from the variables themselves.
"""

import ipaddress
import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from strongroom.kit.errors import Invalid
from strongroom_protocol.amounts import Asset, AssetInvalid

DEFAULT_API_PORT = 8420
DEFAULT_NATIVE_ASSET: Final = "ETH/18"
BALANCE_SWEEP_SECONDS: Final = 600
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ConfigurationInvalid(Invalid):
    """A variable is missing or cannot be read; the message names it and says what it holds."""

    code = "config.invalid"


@dataclass(frozen=True)
class ChainConfig:
    """One chain: its nodes, its signer, and when its blocks count. URLs may hold secret keys."""

    chain_id: int
    rpc_urls: tuple[str, ...] = field(repr=False)
    """http or https, the preferred one first; the order in which they are asked."""
    rpc_agree: int
    """How many of them must name a block before it is believed."""
    ws_urls: tuple[str, ...] = field(repr=False)
    """ws or wss, for hints of new heads only; none: the nodes are polled."""
    private_rpc_urls: tuple[str, ...] = field(repr=False)
    """Where transactions are sent first; the others follow after private_seconds."""
    private_seconds: int
    signer_socket: Path
    """Of the signer that is sealed for this chain."""
    confirmations: int
    """Depth at which a block is booked; 1 = as soon as it is there."""
    finality_depth: int
    """0: final is what the nodes' tag says. Else blocks this far below the head, no tag asked."""
    start_height: int
    """The block above which a chain seen for the first time is read."""
    native_asset: str
    """The coin's code in the books, no other chain's: so two chains' books never mix."""
    set_code: bool
    """Whether the chain has EIP-7702; without it sweeps go by the gas station."""
    gas_low_transactions: int
    """An alert below so many transactions that a key of ours can still pay for."""
    gas_full_transactions: int
    """A top-up brings a key to so many."""
    balance_sweep_seconds: int = BALANCE_SWEEP_SECONDS
    """Every watched address's balance is compared with the books once in this time."""

    def __post_init__(self) -> None:
        """Check: raises ConfigurationInvalid."""
        there = len(set(self.rpc_urls))
        if self.rpc_agree > max(there, 1):
            raise ConfigurationInvalid(
                f"STRONGROOM_RPC_AGREE (rpc_agree) of chain {self.chain_id} is {self.rpc_agree}, "
                f"but STRONGROOM_RPC_URLS names {there} nodes"
            )
        try:
            Asset(self.native_asset)
        except AssetInvalid as error:
            raise ConfigurationInvalid(f"Chain {self.chain_id}, native_asset: {error}") from error
        if self.gas_full_transactions < self.gas_low_transactions:
            raise ConfigurationInvalid(
                f"Chain {self.chain_id}: GAS_FULL_TRANSACTIONS is below GAS_LOW_TRANSACTIONS, so a "
                "top-up would leave its alert standing; raise it"
            )


@dataclass(frozen=True)
class Config:
    """One process's settings. URLs are SQLAlchemy / redis / http URLs; ports 0 mean "none"."""

    database_url: str = field(repr=False)
    owner_database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    chains: tuple[ChainConfig, ...]
    """At least one; the first one's signer also signs the log's checkpoints."""
    custody_officers: tuple[str, ...]
    custody_quorum: int
    screener_key_file: Path | None
    screener_public_key: bytes | None
    api_host: str
    api_port: int
    health_port: int
    export_dir: Path
    operator_token_file: Path | None
    webhook_key_file: Path | None
    """From what it holds every webhook's secret is made; the API and the workers read it."""
    webhook_networks: tuple[Network, ...]
    """Where webhooks may go though it is not public."""
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
            chains=_chains(read),
            custody_officers=read.words("CUSTODY_OFFICERS"),
            custody_quorum=read.number("CUSTODY_QUORUM", 2, minimum=1),
            screener_key_file=read.path("SCREENER_KEY_FILE"),
            screener_public_key=read.key("SCREENER_PUBLIC_KEY"),
            api_host=read.text("API_HOST", "127.0.0.1"),
            api_port=read.number("API_PORT", DEFAULT_API_PORT, minimum=1),
            health_port=read.number("HEALTH_PORT", 0, minimum=0),
            export_dir=Path(read.text("EXPORT_DIR", "exports")),
            operator_token_file=read.path("OPERATOR_TOKEN_FILE"),
            webhook_key_file=read.path("WEBHOOK_KEY_FILE"),
            webhook_networks=read.networks("WEBHOOK_NETWORKS"),
            log_json=read.text("LOG_JSON", "1") != "0",
            seed=read.number("SEED", 0, minimum=0) if read.has("SEED") else None,
        )

    def chain(self, chain_id: int | None = None) -> ChainConfig:
        """The chain of this number, or the only one. Raises ConfigurationInvalid."""
        if chain_id is None and len(self.chains) == 1:
            return self.chains[0]
        for chain in self.chains:
            if chain.chain_id == chain_id:
                return chain
        known = ", ".join(str(chain.chain_id) for chain in self.chains)
        asked = "Which chain?" if chain_id is None else f"Chain {chain_id} is not configured."
        raise ConfigurationInvalid(f"{asked} This process is set to: {known}.")

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

    def path(self, name: str) -> Path | None:
        return Path(self.text(name, "")) if self.has(name) else None

    def key(self, name: str) -> bytes | None:
        text = self.text(name, "").removeprefix("0x")
        if text and not re.fullmatch(r"[0-9a-f]{64}", text):
            raise ConfigurationInvalid(f"STRONGROOM_{name} must be 64 lower-case hex digits")
        return bytes.fromhex(text) if text else None

    def networks(self, name: str) -> tuple[Network, ...]:
        try:
            return tuple(ipaddress.ip_network(word) for word in self.words(name))
        except ValueError as error:
            raise ConfigurationInvalid(
                f"STRONGROOM_{name}: {error}. Give networks such as 10.1.0.0/16,fd00::/8"
            ) from error

    def number(self, name: str, default: int, *, minimum: int) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal() or int(text) < minimum:
            message = (
                f"STRONGROOM_{name} is {text!r}; it must be a whole number of at least {minimum}"
            )
            raise ConfigurationInvalid(message)
        return int(text)


def _chains(read: _Reader) -> tuple[ChainConfig, ...]:
    file = read.path("CHAINS")
    if file is None:
        return (_chain(read),)
    given = [name for name in _CHAIN_VARIABLES if read.has(name)]
    if given:
        raise ConfigurationInvalid(
            f"STRONGROOM_CHAINS names a file, and STRONGROOM_{given[0]} is set, too. Say it in the "
            "file, for the chain that it is meant for."
        )
    try:
        tables = tomllib.loads(file.read_text("utf-8")).get("chain", [])
        chains = tuple(_chain(_Reader(_variables(table))) for table in tables)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationInvalid(
            f"STRONGROOM_CHAINS names {file}, which can't be read as chains: {error}. It is TOML "
            "with one [[chain]] a chain; decision 0012 shows one."
        ) from error
    _check_apart(file, chains)
    return chains


def _check_apart(file: Path, chains: tuple[ChainConfig, ...]) -> None:
    if not chains:
        raise ConfigurationInvalid(f"{file} names no chain: write one [[chain]] at least.")
    for what, values in (
        ("chain_id", [chain.chain_id for chain in chains]),
        ("native_asset", [chain.native_asset for chain in chains]),
        ("signer_socket", [chain.signer_socket for chain in chains]),
    ):
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            raise ConfigurationInvalid(
                f"{file} gives {what} {value} to {times} chains. Each chain has its own: a signer "
                "is sealed for one chain, and the books tell chains apart by their coin."
            )


_CHAIN_VARIABLES: Final = (
    "CHAIN_ID",
    "RPC_URLS",
    "RPC_AGREE",
    "WS_URLS",
    "PRIVATE_RPC_URLS",
    "PRIVATE_SECONDS",
    "SIGNER_SOCKET",
    "CONFIRMATIONS",
    "FINALITY_DEPTH",
    "START_HEIGHT",
    "NATIVE_ASSET",
    "SET_CODE",
    "GAS_LOW_TRANSACTIONS",
    "GAS_FULL_TRANSACTIONS",
    "BALANCE_SWEEP_SECONDS",
)


def _variables(table: Mapping[str, Any]) -> dict[str, str]:
    """A chain's table as the variables that would say the same. Raises ConfigurationInvalid."""
    found = {}
    for key, value in table.items():
        if key.upper() not in _CHAIN_VARIABLES:
            raise ConfigurationInvalid(
                f"{key!r} is nothing that a chain has; known are "
                + ", ".join(name.lower() for name in _CHAIN_VARIABLES)
            )
        words = value if isinstance(value, list) else [value]
        found[f"STRONGROOM_{key.upper()}"] = ",".join(map(_word, words))
    if "STRONGROOM_CHAIN_ID" not in found:
        raise ConfigurationInvalid("A [[chain]] lacks its chain_id.")
    return found


def _word(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _chain(read: _Reader) -> ChainConfig:
    urls = read.words("RPC_URLS")
    low = read.number("GAS_LOW_TRANSACTIONS", 50, minimum=0)
    return ChainConfig(
        chain_id=read.number("CHAIN_ID", 31337, minimum=1),
        rpc_urls=urls,
        rpc_agree=read.number("RPC_AGREE", len(set(urls)) // 2 + 1, minimum=1),
        ws_urls=read.words("WS_URLS"),
        private_rpc_urls=read.words("PRIVATE_RPC_URLS"),
        private_seconds=read.number("PRIVATE_SECONDS", 30, minimum=0),
        signer_socket=Path(read.text("SIGNER_SOCKET", "signer.sock")),
        confirmations=read.number("CONFIRMATIONS", 1, minimum=1),
        finality_depth=read.number("FINALITY_DEPTH", 0, minimum=0),
        start_height=read.number("START_HEIGHT", 0, minimum=0),
        native_asset=read.text("NATIVE_ASSET", DEFAULT_NATIVE_ASSET),
        set_code=read.number("SET_CODE", 1, minimum=0) != 0,
        gas_low_transactions=low,
        gas_full_transactions=read.number("GAS_FULL_TRANSACTIONS", 4 * low, minimum=0),
        balance_sweep_seconds=read.number(
            "BALANCE_SWEEP_SECONDS", BALANCE_SWEEP_SECONDS, minimum=0
        ),
    )
