"""The table of what runs: one entry a process, with its command, environment and probe.

Only what differs between processes stands here; change a line to change a process.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.cli.dev.anvil import CHAIN_ID, anvil_binary, anvil_program, node_url
from strongroom.cli.dev.ports import Ports
from strongroom.cli.dev.postgres import EmbeddedPostgres, postgres_programs
from strongroom.cli.dev.probes import LOOPBACK, http_ok, unix_socket_accepts
from strongroom.cli.dev.program import Program
from strongroom.cli.dev.softhsm import SoftToken, softhsm_module
from strongroom.cli.dev.state import State
from strongroom.cli.dev.valkey import valkey_binary, valkey_program, valkey_url

DATABASE = "strongroom"
SOCKET_PATH_MAX = 107
RELAY_FUNDS_WEI = 10**21

# name, database role, word of `strongroom`; all start side by side once the signer answers.
SERVICES = (
    ("api", "strongroom_api", "api"),
    ("indexer", "strongroom_indexer", "indexer"),
    ("relay", "strongroom_relay", "relay"),
    ("screener", "strongroom_screener", "screener"),
    ("worker", "strongroom_worker", "worker"),
    ("beat", "strongroom_worker", "beat"),
)


@dataclass(frozen=True)
class Table:
    """Everything that depends on where the repository, the state and the ports are."""

    root: Path
    state: State
    ports: Ports
    crashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def postgres(self) -> EmbeddedPostgres:
        """Return the database's server."""
        return EmbeddedPostgres(self.state.path("postgres"), self._log("postgres"))

    @property
    def token(self) -> SoftToken:
        """Return the soft token."""
        return SoftToken(self.state.path("tokens"))

    @property
    def webhook_key_file(self) -> Path:
        """From what it holds webhooks' secrets are made."""
        return self.state.secrets / "webhook.key"

    @property
    def signer_socket(self) -> Path:
        """Return where the signer listens; a unix socket's path has a small limit."""
        path = self.state.path("signer", "signer.sock")
        if len(str(path)) <= SOCKET_PATH_MAX:
            return path
        return self.postgres.socket_folder / "signer.sock"

    def check_parts(self) -> None:
        """Raise ProgramFailed for a part that is missing, before anything is made."""
        postgres_programs()
        valkey_binary()
        anvil_binary(self.root)
        softhsm_module()

    def parts(self) -> list[Program]:
        """Return the engines that are not ours."""
        return [
            self.postgres.program(),
            valkey_program(self.state.path("valkey"), self._log("valkey"), self.ports.of("valkey")),
            anvil_program(
                self.root,
                self._log("anvil"),
                self.ports.of("anvil"),
                state=self.state.path("anvil", "state.json"),
            ),
        ]

    def migrate(self) -> Program:
        """Return the command that makes the database, its roles and its tables."""
        return self._command("migrate", "strongroom", "db", "migrate")

    def schema_fingerprint(self) -> str:
        """Return what changes when a migration is added, so that it runs at the next start."""
        folder = self.root / "src" / "strongroom" / "db"
        return fingerprint(sorted([*folder.rglob("*.sql"), *folder.rglob("versions/*.py")]))

    def contracts_fingerprint(self) -> str:
        """Return what changes when the platform's contracts do."""
        return fingerprint([self.root / "src" / "strongroom_protocol" / "artifacts.json"])

    def screener_key(self) -> Program:
        """Return the command that makes the screener's key and prints its public half."""
        return self._command("screener-key", "strongroom", "screener", "key")

    @property
    def screener_public_file(self) -> Path:
        """The screener's public key, kept by the ceremony: logs may be thrown away."""
        return self.state.path("screener.pub")

    def screener_public(self) -> str:
        """Return the screener's public key, 64 hex digits; empty before it was made."""
        file = self.screener_public_file
        return file.read_text().strip() if file.exists() else ""

    def ceremony(self, officers: list[str], screener_key: str) -> Program:
        """Return the command that makes both tokens and the signer's keys."""
        words = [word for officer in officers for word in ("--officer", officer)]
        words += ["--officer-quorum", str(len(officers)), "--screener-key", screener_key]
        words += ["--cooling-seconds", "0", "--loosening-seconds", "0", "--json"]
        return self._command("ceremony", "strongroom-signer", "ceremony", "init", *words)

    def deploy(self) -> Program:
        """Return the command that deploys the contracts and gives the relay gas money."""
        funds = ("--fund-relay-wei", str(RELAY_FUNDS_WEI))
        return self._command("deploy", "strongroom", "deploy", *funds)

    def signer(self) -> Program:
        """Return the signer; it alone gets the PIN, and never the vault's."""
        port = self.ports.of("signer")
        return Program(
            name="signer",
            argv=(executable("strongroom-signer"), "serve"),
            log=self._log("signer"),
            environment={**self.signer_environment(), "STRONGROOM_HEALTH_PORT": str(port)},
            ready=unix_socket_accepts(self.signer_socket),
            port=port,
            crash_at=self.crashes.get("signer"),
        )

    def services(self) -> list[Program]:
        """Return the service's own processes."""
        return [self._service(*row) for row in SERVICES]

    def first_day(self) -> Program:
        """Return the program that plays the first day, as a client would."""
        return Program(
            name="first-day",
            argv=(sys.executable, "-m", "first_day"),
            log=self._log("first-day"),
            environment=self.people_environment(),
            folder=self.root,
        )

    def service_environment(self, role: str) -> Mapping[str, str]:
        """Return what `strongroom.config` reads in a process of this database role."""
        return {
            "STRONGROOM_DATABASE_URL": self.postgres.url(role, DATABASE),
            "STRONGROOM_REDIS_URL": valkey_url(self.ports.of("valkey")),
            "STRONGROOM_RPC_URLS": node_url(self.ports.of("anvil")),
            "STRONGROOM_CHAIN_ID": str(CHAIN_ID),
            "STRONGROOM_CONFIRMATIONS": "1",
            "STRONGROOM_START_HEIGHT": "0",
            "STRONGROOM_SIGNER_SOCKET": str(self.signer_socket),
            "STRONGROOM_SCREENER_KEY_FILE": str(self.state.secrets / "screener.key"),
            "STRONGROOM_SCREENER_PUBLIC_KEY": self.screener_public(),
            "STRONGROOM_OPERATOR_TOKEN_FILE": str(self.state.secrets / "operator-token"),
            "STRONGROOM_CUSTODY_OFFICERS": ",".join(self.officers()),
            "STRONGROOM_CUSTODY_QUORUM": str(len(self.officers()) or 1),
            "STRONGROOM_WEBHOOK_KEY_FILE": str(self.webhook_key_file),
            "STRONGROOM_WEBHOOK_NETWORKS": f"{LOOPBACK}/32",
            "STRONGROOM_EXPORT_DIR": str(self.state.path("exports")),
            "STRONGROOM_API_HOST": LOOPBACK,
            "STRONGROOM_API_PORT": str(self.ports.of("api")),
            "STRONGROOM_LOG_JSON": "1",
        }

    def signer_environment(self) -> Mapping[str, str]:
        """Return what the signer reads: tokens, its own PIN, its journal; no database."""
        return {
            **self.token.environment(),
            "STRONGROOM_SIGNER_DIR": str(self.state.path("signer")),
            "STRONGROOM_SIGNER_PIN_FILE": str(self.state.secrets / "signer-pin"),
            "STRONGROOM_SIGNER_SOCKET": str(self.signer_socket),
            "STRONGROOM_CHAIN_ID": str(CHAIN_ID),
        }

    def ceremony_environment(self) -> Mapping[str, str]:
        """Return the signer's, with the vault token's PIN: for the ceremony only."""
        parts = [str(self.state.secrets / f"vault-pin-{one}") for one in ("a", "b")]
        return {**self.signer_environment(), "STRONGROOM_VAULT_PIN_FILES": ",".join(parts)}

    def people_environment(self) -> Mapping[str, str]:
        """Return what people outside the service know: the API, a node, their own keys.

        The ceremony's variables are there for the officers, who run its commands.
        """
        return {
            **self.ceremony_environment(),
            "PYTHONPATH": str(self.root / "scripts"),
            "STRONGROOM_API_URL": self.api_url,
            "STRONGROOM_RPC_URLS": node_url(self.ports.of("anvil")),
            "STRONGROOM_OPERATOR_TOKEN_FILE": str(self.state.secrets / "operator-token"),
            "STRONGROOM_PEOPLE_DIR": str(self.people),
            "STRONGROOM_PIDS_FILE": str(self.state.pids),
            "STRONGROOM_BIN_DIR": str(Path(sys.executable).parent),
        }

    @property
    def api_url(self) -> str:
        """Return the API's address; the console is on the same."""
        return f"http://{LOOPBACK}:{self.ports.of('api')}"

    @property
    def people(self) -> Path:
        """Return the folder of the keys of people outside the service."""
        return self.state.path("people")

    def officers(self) -> list[str]:
        """Return the custody officers' addresses, once `people.make_officers` made them."""
        listed = self.people / "officers.txt"
        return listed.read_text().split() if listed.exists() else []

    def _service(self, name: str, role: str, word: str) -> Program:
        port = self.ports.of(name)
        environment = dict(self.service_environment(role))
        # The API answers for its health on its own port; the others have one for that.
        environment["STRONGROOM_HEALTH_PORT"] = "0" if name == "api" else str(port)
        return Program(
            name=name,
            argv=(executable("strongroom"), word),
            log=self._log(name),
            environment=environment,
            ready=http_ok(port, "/healthz"),
            port=port,
            crash_at=self.crashes.get(name),
        )

    def _command(self, name: str, script: str, *words: str) -> Program:
        environment = {
            **self.service_environment("strongroom_relay"),
            **self.ceremony_environment(),
            "STRONGROOM_OWNER_DATABASE_URL": self.postgres.url(database=DATABASE),
            "STRONGROOM_DEPLOYER_KEY_FILE": str(self.state.secrets / "deployer.key"),
        }
        argv = (executable(script), *words)
        return Program(name=name, argv=argv, log=self._log(name), environment=environment)

    def _log(self, name: str) -> Path:
        return self.state.logs / f"{name}.log"


def fingerprint(files: Sequence[Path]) -> str:
    """Return a short hash of the files' contents, in this order."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def executable(name: str) -> str:
    """Return a console script of the environment that we run in."""
    return os.fspath(Path(sys.executable).parent / name)
