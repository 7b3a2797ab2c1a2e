"""What `strongroom indexer` says and asks for; each command is one short look or one row."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from rich.console import Console
from rich.progress import Progress

from strongroom.chain.async_rpc import provider
from strongroom.chain.errors import ChainError
from strongroom.chain.node import Node
from strongroom.config import ChainConfig, Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.indexer import believed as beliefs
from strongroom.indexer import rescan as rescans
from strongroom.indexer import service
from strongroom.indexer.bisection import Inspector
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.rescan import Rescan
from strongroom.indexer.types import Cursor
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import Invalid
from strongroom.wallets import service as wallets

NODE_SECONDS: Final = 3
"""A node that does not answer `status` within this is said to be away."""
LOOK_SECONDS: Final = 0.2
RESCANS_SHOWN: Final = 5
ACTOR: Final = system("indexer-command")


class WrongWords(Invalid):
    """A word of the command line can't be read."""

    code = "indexer.wrong_words"


def status(config: Config, options: argparse.Namespace) -> int:
    """Each chain, or the one named; 1 when one of them is halted."""
    chains = config.chains if options.chain is None else (config.chain(options.chain),)
    halted = False
    with _database(config) as database:
        for chain in chains:
            with database.read(None, ACTOR) as uow:
                cursor = service.status(uow, chain.chain_id)
                watched = wallets.watched_count(uow, chain.chain_id)
                sweep = service.sweep(uow, chain.chain_id)
                asked = rescans.newest(uow, chain.chain_id, RESCANS_SHOWN)
            _print_cursor(cursor, watched)
            print(f"  {sweep.describe(database.clock.now())}")
            _print_nodes(chain, cursor)
            for one in asked:
                print(f"  {_rescan_line(one)}")
            halted |= cursor.halted_reason is not None
    return 1 if halted else 0


def resume(config: Config, options: argparse.Namespace) -> int:
    """Let a halted chain go on."""
    with _database(config) as database, database.unit(None, ACTOR) as uow:
        cursor = service.resume(
            uow,
            config.chain(options.chain).chain_id,
            options.reason,
            agreed_height=options.agreed,
        )
    if options.agreed is None:
        print(f"chain {cursor.chain_id}: goes on above block {cursor.height}")
    else:
        print(f"chain {cursor.chain_id}: takes back what is above block {options.agreed}")
    return 0


def rescan(config: Config, options: argparse.Namespace) -> int:
    """Ask for it, then show how far it is; 1 when it was refused. Ending this does not end it."""
    chain_id = config.chain(options.chain).chain_id
    address = None if options.address is None else _address(options.address)
    with _database(config) as database:
        with database.unit(None, ACTOR) as uow:
            asked = rescans.request(uow, chain_id, options.first, options.last, address)
        print(
            f"rescan {asked.id}: the indexer reads blocks {options.first} to {options.last} again"
        )
        if options.no_wait:
            return 0
        asked = _watch(database, asked.id)
    print(_rescan_line(asked))
    return 0 if asked.state == "done" else 1


def believed(config: Config, options: argparse.Namespace) -> int:
    """Print it as lines, newest first."""
    chain_id, at = config.chain(options.chain).chain_id, _moment(options.at)
    with _database(config) as database, database.read(None, ACTOR) as uow:
        found = beliefs.believed(uow, chain_id, at, below=options.below)
    head = found.head
    print(f"chain {chain_id} as it was believed at {at:%Y-%m-%d %H:%M:%S.%f} UTC")
    if head is None:
        print("  nothing of it was known")
        return 0
    print(f"  newest block {head.height} (0x{head.hash.hex()}), {head.state}{_fate(head)}")
    for block in found.blocks:
        print(f"  block {block.height} 0x{block.hash.hex()} {block.state}{_fate(block)}")
    for move in found.transfers:
        token = "coin" if move.token is None else f"token 0x{move.token.hex()}"
        print(
            f"  transfer in {move.height} of {move.units} ({token}) from 0x{move.sender.hex()} to "
            f"0x{move.recipient.hex()}, {move.state}{_fate(move)}"
        )
    for held in found.balances:
        print(f"  books: {held.code} held {held.units} of {held.asset}")
    return 0


def check(config: Config, options: argparse.Namespace) -> int:
    """Books beside chain for each asset of an address; 1 when they differ."""
    chain, address = config.chain(options.chain), _address(options.address)
    with _database(config) as database:
        with database.read(None, ACTOR) as uow:
            cursor = service.status(uow, chain.chain_id)
            height = options.height or cursor.finalized_height
            found = wallets.complete(uow, chain.chain_id, height, [address])
            coin = wallets.native_asset(uow, chain.chain_id)
            holdings = wallets.holdings(uow, chain.chain_id, coin, found)
        if not found or height > cursor.finalized_height:
            raise WrongWords(
                f"0x{address.hex()} was not matched in every block up to {height}, or that block "
                f"is not final (block {cursor.finalized_height} is). Nothing can be compared there."
            )
        thread = FetchThread(chain.rpc_urls, agree=chain.rpc_agree)
        try:
            inspector, differs = Inspector(database, thread, chain.chain_id), False
            for holding in holdings:
                sides = inspector.sides(holding, height)
                told = "equal"
                if sides.differ:
                    differs = True
                    told = inspector.range_of(holding, found[0].height, height).told
                print(
                    f"block {height} {holding.asset}: chain {sides.chain_units}, books "
                    f"{sides.ledger_units}. {told}"
                )
        finally:
            thread.stop()
    return 1 if differs else 0


def _watch(database: Database, rescan_id: UUID) -> Rescan:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        with database.read(None, ACTOR) as uow:
            asked = rescans.get(uow, rescan_id)
        task = bar.add_task("reading", total=asked.to_height - asked.from_height + 1)
        while asked.is_open:
            time.sleep(LOOK_SECONDS)
            with database.read(None, ACTOR) as uow:
                asked = rescans.get(uow, rescan_id)
            bar.update(
                task,
                completed=asked.done_height - asked.from_height + 1,
                description=f"{asked.state}, {asked.found} found",
            )
    return asked


def _print_cursor(cursor: Cursor, watched: int) -> None:
    print(
        f"chain {cursor.chain_id}: read up to block {cursor.height} (0x{cursor.block_hash.hex()})"
    )
    print(f"  booked up to {cursor.confirmed_height}, safe {cursor.safe_height}, ", end="")
    print(f"final {cursor.finalized_height}, balances read at {cursor.balances_height}")
    print(f"  started at {cursor.start_height}, epoch {cursor.epoch}, {cursor.updated_at:%c} UTC")
    print(f"  {watched} addresses watched")
    if cursor.halted_reason is not None:
        print(f"  HALTED: {cursor.halted_reason}")


def _print_nodes(chain: ChainConfig, cursor: Cursor) -> None:
    """Each node by itself: where it stands, and how far behind it we are."""
    for url in chain.rpc_urls:
        try:
            with Node([url], chain.chain_id, timeout_seconds=NODE_SECONDS) as node:
                node.check_chain()
                head = node.block_number()
        except ChainError as error:
            print(f"  node {provider(url)}: {error.message}")
        else:
            print(f"  node {provider(url)}: head {head}, {max(head - cursor.height, 0)} to be read")


def _rescan_line(asked: Rescan) -> str:
    whose = "" if asked.address is None else f" for 0x{asked.address.hex()}"
    why = "" if asked.reason is None else f": {asked.reason}"
    return (
        f"rescan {asked.id} of {asked.from_height} to {asked.to_height}{whose}: {asked.state}, "
        f"read up to {asked.done_height}, {asked.found} found{why}"
    )


def _fate(row: beliefs.BlockThen | beliefs.TransferThen) -> str:
    return "" if row.orphaned_at is None else f", given up at {row.orphaned_at:%Y-%m-%d %H:%M:%S}"


def _address(text: str) -> bytes:
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != 20:
        raise WrongWords(f"{text!r} is no address: it is 0x and 40 hex digits.")
    return address


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongWords(f"{text!r} is no moment: write 2026-03-01T12:00:00Z.") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


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
