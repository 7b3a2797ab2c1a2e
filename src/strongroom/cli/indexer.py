"""`strongroom indexer`: follow the chain; say where it stands; let a halted one go on."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from strongroom.bootstrap.indexer import build
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.indexer import service
from strongroom.kit import log
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import StrongroomError


def run(args: list[str]) -> int:
    """Run the indexer, or one of its commands; 0 when it went well, 1 when not."""
    options = _parser().parse_args(args)
    config = Config.from_environment()
    try:
        if options.command == "status":
            return _status(config)
        if options.command == "resume":
            return _resume(config, options.reason)
        return _serve(config)
    except StrongroomError as error:
        print(f"strongroom indexer: {error.message}", file=sys.stderr)
        return 1


def _serve(config: Config) -> int:
    log.configure("indexer", json=config.log_json)
    process = build(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process.run(stop)
    return 0


def _status(config: Config) -> int:
    with _database(config) as database, database.read(None, system("indexer-command")) as uow:
        cursor = service.status(uow, config.chain().chain_id)
    print(
        f"chain {cursor.chain_id}: read up to block {cursor.height} (0x{cursor.block_hash.hex()})"
    )
    print(f"  booked up to {cursor.confirmed_height}, safe {cursor.safe_height}, ", end="")
    print(f"final {cursor.finalized_height}, balances read at {cursor.balances_height}")
    print(f"  started at {cursor.start_height}, epoch {cursor.epoch}, {cursor.updated_at:%c} UTC")
    if cursor.halted_reason is not None:
        print(f"  HALTED: {cursor.halted_reason}")
        return 1
    return 0


def _resume(config: Config, reason: str) -> int:
    with _database(config) as database, database.unit(None, system("indexer-command")) as uow:
        cursor = service.resume(uow, config.chain().chain_id, reason)
    print(f"chain {cursor.chain_id}: goes on above block {cursor.height}")
    return 0


@contextmanager
def _database(config: Config) -> Iterator[Database]:
    database = Database(
        config.require_database_url(),
        clock=SystemClock(),
        pool_size=1,
        application_name="strongroom-indexer-command",
    )
    try:
        yield database
    finally:
        database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom indexer", description="Follow the chain; without a command, serve."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("status", help="where the indexer stands; 1 when it is halted")
    resume = commands.add_parser("resume", help="let a halted indexer go on")
    resume.add_argument("--reason", required=True, help="what was found out; kept in the log")
    return parser
