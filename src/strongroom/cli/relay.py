"""`strongroom relay`: send what is signed, dispatch the outbox, sequence and sign the log; `relay
queue` says what waits for what, and what to do about it.
"""

import argparse
import json
import signal
import sys
import threading
from typing import Any

from strongroom.bootstrap.relay import build
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit import log
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import StrongroomError
from strongroom.relay.queue import Queued, purses, queue
from strongroom.relay.types import PurseView
from strongroom_protocol.addresses import Address, checksum


def run(args: list[str]) -> int:
    """Run until the process is told to end, or print the queue; 0 when all is well, 1 when not."""
    options = _parser().parse_args(args)
    config = Config.from_environment()
    try:
        if options.command == "queue":
            return _queue(config, options.chain, as_json=options.json)
        return _serve(config)
    except StrongroomError as error:
        print(f"strongroom relay: {error.message}", file=sys.stderr)
        return 1


def _serve(config: Config) -> int:
    log.configure("relay", json=config.log_json)
    process = build(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    process.run(stop)
    return 0


def _queue(config: Config, chain: int | None, *, as_json: bool) -> int:
    chain_id = config.chain(chain).chain_id
    database = Database(
        config.require_database_url(),
        clock=SystemClock(),
        pool_size=1,
        application_name="strongroom-relay-command",
    )
    try:
        with database.read(None, system("relay-command")) as uow:
            rows, keys = queue(uow, chain_id), purses(uow, chain_id)
    finally:
        database.close()
    if as_json:
        shown = {"queue": [_row(row) for row in rows], "purses": [_purse(key) for key in keys]}
        print(json.dumps({"chain_id": chain_id, **shown}))
    else:
        print(f"chain {chain_id}: {len(rows)} transactions are not over")
        for row in rows:
            _print_row(row)
        for key in keys:
            told = f"{key.balance_wei} wei, about {key.transactions_left} transactions"
            print(f"key {checksum(Address(key.address))}: {told}, {key.state}")
    return int(any(row.advice.stuck for row in rows) or any(key.state == "dry" for key in keys))


def _print_row(row: Queued) -> None:
    one = row.outgoing
    place = "no nonce yet" if one.nonce is None else f"nonce {one.nonce}"
    mark = "STUCK " if row.advice.stuck else ""
    print(f"  {mark}{one.id} {one.purpose} {one.state}, {place}, {row.age_seconds} s old, ", end="")
    print(f"{row.attempts} attempts signed")
    print(f"    waits for: {row.advice.waits_for}")
    print(f"    what to do: {row.advice.what_to_do}")


def _row(row: Queued) -> dict[str, Any]:
    one, advice = row.outgoing, row.advice
    return {
        "id": str(one.id),
        "organisation_id": str(one.organisation_id),
        "purpose": one.purpose,
        "state": one.state,
        "sender": None if one.sender is None else checksum(Address(one.sender)),
        "nonce": one.nonce,
        "gap": advice.gap,
        "age_seconds": row.age_seconds,
        "attempts": row.attempts,
        "waits_for": advice.waits_for,
        "what_to_do": advice.what_to_do,
        "stuck": advice.stuck,
    }


def _purse(key: PurseView) -> dict[str, Any]:
    return {
        "address": checksum(Address(key.address)),
        "balance_wei": str(key.balance_wei),
        "transactions_left": key.transactions_left,
        "state": key.state,
        "since": key.since.isoformat(),
        "checked_at": key.checked_at.isoformat(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom relay",
        description="Send what is signed; without a command, serve. STRONGROOM_… variables "
        "configure it.",
    )
    commands = parser.add_subparsers(dest="command")
    shown = commands.add_parser(
        "queue", help="what waits for what, and what to do; 1 when something is stuck"
    )
    shown.add_argument("--chain", type=int, help="chain id; may be left out when there is one")
    shown.add_argument("--json", action="store_true", help="for programs")
    return parser
