"""`strongroom hd`: deposit addresses from an account's xpub, with nothing running."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from strongroom_protocol.addresses import checksum
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hd import addresses

LINES_A_WRITE = 1_000


def run(args: list[str]) -> int:
    """Runs the command line; 0, or 1 for an xpub that is none, or 2 for wrong usage."""
    command = typer.main.get_command(_application())
    try:
        command.main(args=args, prog_name="strongroom hd")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _application() -> typer.Typer:
    application = typer.Typer(add_completion=False, help="Hierarchical deterministic addresses.")
    application.callback()(_group)
    application.command("addresses")(_print_addresses)
    return application


def _group() -> None:
    """Hierarchical deterministic addresses, from public keys only."""


def _print_addresses(
    xpub: Annotated[str, typer.Option(help="The account's xpub, m/44'/60'/account'; keep it.")],
    start: Annotated[int, typer.Option(min=0, help="First index.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="How many.")] = 10,
) -> None:
    """Print `index address` lines for …/0/index."""
    try:
        lines = _lines(xpub, start, count)
        while part := list(islice(lines, LINES_A_WRITE)):
            sys.stdout.writelines(part)
        sys.stdout.flush()
    except ProtocolError as error:
        print(f"strongroom hd: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _lines(xpub: str, start: int, count: int) -> Iterator[str]:
    for index, address in enumerate(addresses(xpub, start, count), start):
        yield f"{index} {checksum(address)}\n"
