"""`strongroom screener`: the process that judges; and its key, its lists."""

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.bootstrap.screener import build
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit import log
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import StrongroomError
from strongroom.kit.ids import HOUSE
from strongroom.screening import service
from strongroom.screening.key import make_key, public_key_hex
from strongroom.screening.types import ListVersion

_REFUSED_SHOWN = 10


def run(args: list[str]) -> int:
    """Run the screener, or one of its commands; 0 when it went well, 1 when not."""
    options = _parser().parse_args(args)
    config = Config.from_environment()
    try:
        if options.command == "key":
            return _key(config, options.file)
        if options.command == "import":
            return _import(config, options)
        if options.command == "lists":
            return _lists(config)
        return _serve(config)
    except StrongroomError as error:
        print(f"strongroom screener: {error.message}")
        return 1


def _serve(config: Config) -> int:
    log.configure("screener", json=config.log_json)
    process = build(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process.run(stop)
    return 0


def _key(config: Config, file: Path | None) -> int:
    path = file or config.screener_key_file
    if path is None:
        print("Name the key's file: strongroom screener key FILE, or set")
        print("STRONGROOM_SCREENER_KEY_FILE.")
        return 2
    found = "is in" if path.exists() else "was made in"
    key = make_key(path)
    print(f"The screener's key {found} {path}; the signer is told its public half:")
    print(public_key_hex(key))
    return 0


def _import(config: Config, options: argparse.Namespace) -> int:
    overflow = options.overflow.read_bytes() if options.overflow else b""
    actor = system("screener-command")
    with _database(config) as database, database.unit(HOUSE, actor) as uow:
        version = service.import_list(
            uow,
            name=options.name,
            source=options.source or options.list.name,
            content=options.list.read_bytes(),
            form=options.form,
            overflow=overflow,
        )
    _show(version)
    for line in version.refused[:_REFUSED_SHOWN]:
        print(f"  refused line {line.line}: {line.text!r}: {line.why}")
    if len(version.refused) > _REFUSED_SHOWN:
        print(f"  and {len(version.refused) - _REFUSED_SHOWN} more")
    return 0


def _lists(config: Config) -> int:
    actor = system("screener-command")
    with _database(config) as database, database.read(HOUSE, actor) as uow:
        found = service.lists(uow)
    for version in found:
        _show(version)
    if not found:
        print("No list was imported yet: nobody can be cleared, all money is held.")
    return 0


def _show(version: ListVersion) -> None:
    print(
        f"{version.name}  version {version.version}  {version.total} addresses  "
        f"+{version.added} -{version.removed}, {len(version.refused)} lines refused  "
        f"{version.imported_at:%Y-%m-%d %H:%M} UTC  {version.content_hash.hex()[:16]}"
    )


@contextmanager
def _database(config: Config) -> Iterator[Database]:
    database = Database(
        config.require_database_url(),
        clock=SystemClock(),
        pool_size=1,
        application_name="strongroom-screener-command",
    )
    try:
        yield database
    finally:
        database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom screener", description="Judge addresses; without a command, serve."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    key = commands.add_parser("key", help="make the key file (0600) and print its public half")
    key.add_argument("file", type=Path, nargs="?", metavar="FILE")
    load = commands.add_parser("import", help="make a file the newest version of a list")
    load.add_argument("list", type=Path, metavar="FILE")
    load.add_argument("--name", required=True, help="the list's name, such as ofac-eth")
    load.add_argument("--source", help="where the file comes from; the file's name if not given")
    load.add_argument("--form", choices=("plain", "ofac_sdn"), default="plain")
    load.add_argument("--overflow", type=Path, help="SDN_COMMENTS.CSV, for the form ofac_sdn")
    commands.add_parser("lists", help="show the newest version of each list")
    return parser
