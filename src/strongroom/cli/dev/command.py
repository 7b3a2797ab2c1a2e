"""`strongroom dev`: the whole of Strongroom on one machine, on embedded parts."""

import argparse
import os
import signal
import time
from pathlib import Path

from strongroom.cli.dev import screen
from strongroom.cli.dev.people import make_officers, make_secret, write_private
from strongroom.cli.dev.ports import DEFAULT_BASE, LAST_BASE, Ports
from strongroom.cli.dev.program import ProgramFailed, last_lines
from strongroom.cli.dev.state import State
from strongroom.cli.dev.supervisor import Interrupted, Supervisor
from strongroom.cli.dev.table import Table

DEFAULT_STATE = Path(".strongroom")
FIRST_DAY = "first-day"


def run(arguments: list[str]) -> int:
    """Run `strongroom dev …`; return 0, 1 for a failure that is said, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    state = State(options.state)
    try:
        if options.verb == "kill":
            return _kill(state, options.name)
        return _up(options, state)
    except ProgramFailed as error:
        screen.fail(str(error))
        return 1
    except Interrupted:
        screen.say("\nStopped; nothing is left running.")
        return 0 if state.made and not options.once else 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="Start Strongroom on embedded parts, play the first day, and stay up.",
    )
    parser.add_argument("--once", action="store_true", help="play the first day, stop, and exit")
    parser.add_argument("--fresh", action="store_true", help="forget the state and begin again")
    parser.add_argument(
        "--port-base",
        type=_port_base,
        default=DEFAULT_BASE,
        metavar="N",
        help=f"first of nine loopback ports (default {DEFAULT_BASE})",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=DEFAULT_STATE,
        metavar="DIR",
        help=f"folder of everything that is kept (default {DEFAULT_STATE})",
    )
    parser.add_argument(
        "--no-first-day", action="store_true", help="start everything, but play nothing"
    )
    parser.add_argument(
        "--crash",
        action="append",
        default=[],
        metavar="NAME=POINT:N",
        help="let a process kill itself at the Nth pass of a named crash point, once",
    )
    parser.set_defaults(verb="up", name="")
    verbs = parser.add_subparsers(dest="verb", metavar="", required=False)
    kill = verbs.add_parser("kill", help="kill -9 one process; the supervisor brings it back")
    kill.add_argument("name", help="api, indexer, relay, … as listed in STATE/pids.json")
    return parser


def _port_base(word: str) -> int:
    if not word.isdecimal() or not 1024 <= int(word) <= LAST_BASE:
        message = f"{word} is not a port from 1024 to {LAST_BASE} (nine in a row are taken)"
        raise argparse.ArgumentTypeError(message)
    return int(word)


def _crashes(words: list[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for name, _, point in pairs:
        if ":" not in point:
            message = f"--crash {name} names no point; for example --crash relay=commit.after:3"
            raise ProgramFailed(message)
    return {name: point for name, _, point in pairs}


def _up(options: argparse.Namespace, state: State) -> int:
    begun = time.monotonic()
    table = Table(_repository(), state, Ports(options.port_base), _crashes(options.crash))
    screen.heading("Strongroom")
    table.check_parts()
    state.open(fresh=options.fresh)
    table.ports.check_free()
    with Supervisor(state.pids, state.write_pids, screen.warn) as supervisor:
        _start(supervisor, table)
        code = _play(supervisor, table) if not options.no_first_day else 0
        if options.once or code != 0:
            screen.say(f"  ended after {time.monotonic() - begun:.1f} s")
            return code
        _tell_where(table, time.monotonic() - begun)
        supervisor.watch()
    return 0


def _start(supervisor: Supervisor, table: Table) -> None:
    state = table.state
    with screen.step("parts", "PostgreSQL 18, Valkey 9, Anvil"):
        table.postgres.prepare()
        table.token.prepare()
        supervisor.start(table.parts())
    if not state.made:
        with screen.step("ceremony", "tokens and the signer's keys"):
            _ceremony(supervisor, table)
    if not state.marked(migrated := f"migrated-{table.schema_fingerprint()}"):
        with screen.step("migrate", "database, roles, tables"):
            supervisor.command(table.migrate())
        state.mark(migrated)
    with screen.step("signer", "opens its token"):
        supervisor.start([table.signer()])
    if not state.marked(deployed := f"deployed-{table.contracts_fingerprint()}"):
        with screen.step("deploy", "contracts, gas money for the relay"):
            supervisor.command(table.deploy())
        state.mark(deployed)
    make_secret(table.webhook_key_file, 32)
    services = table.services()
    with screen.step("services", ", ".join(program.name for program in services)):
        supervisor.start(services)
    state.finish()


def _ceremony(supervisor: Supervisor, table: Table) -> None:
    from strongroom.cli.dev.anvil import DEPLOYER_KEY  # noqa: PLC0415 - wanted once

    state = table.state
    make_secret(state.secrets / "operator-token")
    write_private(state.secrets / "deployer.key", DEPLOYER_KEY + "\n")
    officers = make_officers(table.people)
    supervisor.command(making := table.screener_key())
    public = making.log.read_text().split()[-1].removeprefix("0x")
    write_private(table.screener_public_file, public + "\n")
    supervisor.command(table.ceremony(officers, table.screener_public()))


def _play(supervisor: Supervisor, table: Table) -> int:
    if table.state.marked(FIRST_DAY):
        screen.say("  · first day  was played in this state; `scripts/run --fresh` plays it again")
        return 0
    screen.say()
    code = supervisor.run(table.first_day(), terminal=True)
    if code == 0:
        table.state.mark(FIRST_DAY)
        return 0
    screen.fail(f"the first day failed (exit code {code}); the step that failed is named above.")
    for program in table.services():
        screen.say(last_lines(program.log, count=3))
    return 1


def _tell_where(table: Table, seconds: float) -> None:
    screen.say()
    screen.heading(f"Strongroom is up ({seconds:.1f} s). Ctrl-C ends it.")
    screen.table(
        [
            ("console", table.api_url + "/console"),
            ("API", table.api_url + "/docs"),
            ("chain", f"http://127.0.0.1:{table.ports.of('anvil')}  (chain 31337)"),
            ("logs", f"{table.state.logs}/*.log"),
            ("keys", f"{table.people}  (people's own; the service never reads them)"),
        ]
    )


def _kill(state: State, name: str) -> int:
    alive = state.read_pids()
    if name not in alive:
        running = ", ".join(sorted(alive)) or "nothing"
        screen.fail(f"no process {name!r} runs on {state.folder}; running: {running}")
        return 1
    os.kill(alive[name], signal.SIGKILL)
    screen.say(f"killed {name} (process {alive[name]}); the supervisor brings it back")
    return 0


def _repository() -> Path:
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (folder / "pyproject.toml").exists() and (folder / "contracts").is_dir():
            return folder
    message = "the repository was not found: run this inside a clone of Strongroom."
    raise ProgramFailed(message)
