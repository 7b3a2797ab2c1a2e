"""`strongroom indexer`: follow the chains; say where it stands, what was believed; read again."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Final

from strongroom.bootstrap.indexer import build
from strongroom.cli import indexer_commands as commands
from strongroom.config import Config
from strongroom.kit import log
from strongroom.kit.errors import StrongroomError

_COMMANDS: Final[Mapping[str | None, Callable[[Config, argparse.Namespace], int]]] = {
    "status": commands.status,
    "resume": commands.resume,
    "rescan": commands.rescan,
    "believed": commands.believed,
    "check": commands.check,
}


def run(args: list[str]) -> int:
    """Run the indexer, or one of its commands; 0 when it went well, 1 when not."""
    options = _parser().parse_args(args)
    try:
        config = Config.from_environment()
        return _COMMANDS.get(options.command, _serve)(config, options)
    except StrongroomError as error:
        print(f"strongroom indexer: {error.message}", file=sys.stderr)
        return 1


def _serve(config: Config, _: argparse.Namespace) -> int:
    log.configure("indexer", json=config.log_json)
    process = build(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process.run(stop)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom indexer", description="Follow the chains; without a command, serve."
    )
    commands = parser.add_subparsers(dest="command")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_text)
        made.add_argument("--chain", type=int, help="its number, where several are configured")
        return made

    add("status", "where each chain's indexer stands, and its nodes; 1 when one is halted")
    resume = add("resume", "let a halted indexer go on")
    resume.add_argument("--reason", required=True, help="what was found out; kept in the log")
    resume.add_argument(
        "--agreed",
        type=int,
        metavar="HEIGHT",
        help="the last block that all nodes agree on: what is above it is taken back, final or not",
    )
    rescan = add("rescan", "read final blocks again, and book what was missed")
    rescan.add_argument("--from", type=int, required=True, dest="first", metavar="HEIGHT")
    rescan.add_argument("--to", type=int, required=True, dest="last", metavar="HEIGHT")
    rescan.add_argument("--address", help="only for this watched address")
    rescan.add_argument("--no-wait", action="store_true", help="ask for it, and do not watch it")
    then = add("believed", "blocks, transfers and balances as they were believed at a moment")
    then.add_argument("--at", required=True, help="for example 2026-03-01T12:00:00Z")
    then.add_argument("--below", type=int, metavar="HEIGHT", help="older rows")
    check = add("check", "books beside chain for one address, with where a difference began")
    check.add_argument("--address", required=True)
    check.add_argument("--height", type=int, help="a final block; the newest one if not given")
    return parser
