"""`strongroom vault …`: look at any Safe, take one in, leave with one. A node is all it needs."""

import argparse
import importlib
import json
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strongroom.chain.node import Node
from strongroom.kit.errors import Invalid, StrongroomError
from strongroom.vaults.adoption import adoption
from strongroom.vaults.configuration import Configuration, Questions, examine
from strongroom.vaults.health import Health, judge
from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.controls import read_vault
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.safe import domain, safe_tx_hash
from strongroom_protocol.typed_data import as_json

UNSEEN = (
    "Not checked here, because no reading of the present state shows it: owners or modules that a "
    "delegatecall of the past wrote beside the lists, and allowances of tokens that the Safe once "
    "gave. Look through its SafeMultiSigTransaction events for operation 1, and through the "
    "tokens' Approval events of this owner; in doubt make a new Safe and move the money there."
)
COLOURS = {"good": "32", "attention": "33", "bad": "31"}
SUBCOMMANDS = {
    "inspect": ("strongroom.cli.vault", "ten health checks of any Safe, and what must change"),
    "adopt": ("strongroom.cli.vault", "what an existing Safe's owners sign to come under guard"),
    "queue": ("strongroom.cli.vault_queue", "what waits for which number, and what is wrong"),
    "changes": ("strongroom.cli.vault_changes", "what the policy wants changed: propose, sign"),
    "leave": ("strongroom.cli.vault_leave", "leave the custodian with the people's own keys"),
}


def run(args: list[str]) -> int:
    """One of SUBCOMMANDS. 0 when it could be done, 1 with a sentence when not, 2 wrong usage."""
    if not args or args[0] not in SUBCOMMANDS:
        told = [f"  {name:<9} {what}" for name, (_, what) in SUBCOMMANDS.items()]
        print("usage: strongroom vault COMMAND [ARG ...]\n\n" + "\n".join(told))
        return 0 if args[:1] in (["-h"], ["--help"]) else 2
    module = importlib.import_module(SUBCOMMANDS[args[0]][0])
    command: Callable[[list[str]], int] = getattr(module, f"run_{args[0]}")
    try:
        return command(args[1:])
    except (StrongroomError, ProtocolError, OSError) as error:
        print(f"strongroom vault {args[0]}: {error}", file=sys.stderr)
        return 1


def run_inspect(args: list[str]) -> int:
    """Score a Safe. 0 when nothing blocks it, 1 when something does."""
    options = parser("inspect", "Ten health checks of a Safe, read from a node at one block.")
    options.add_argument(
        "--token",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a token to ask the guard of",
    )
    options.add_argument("--json", action="store_true", help="print the findings as JSON")
    given = options.parse_args(args)
    tokens = frozenset(parse_address(one) for one in given.token)
    with connected(given) as node:
        found = look(node, given, Questions(tokens=tokens))
    health = judge(found, Deployment(node.chain_id, ZERO))
    if given.json:
        print(json.dumps(as_document(found, health), indent=2))
    else:
        print(as_text(found, health, colour=sys.stdout.isatty()))
    return 1 if health.blockers else 0


def run_adopt(args: list[str]) -> int:
    """Print the typed data of the batch; the owners sign and send it as any Safe transaction."""
    options = parser("adopt", "What an existing Safe's owners sign to put it under guard.")
    options.add_argument("--bundle", type=Path, required=True, metavar="JSON",
                         help="the founding bundle, or its member `vault`")  # fmt: skip
    given = options.parse_args(args)
    document = json.loads(given.bundle.read_text("utf-8"))
    vault = read_vault(document.get("vault", document), "vault")
    with connected(given) as node:
        found = look(node, given, Questions())
    if vault.adopted != found.address:
        raise Invalid(f"The bundle's vault.adopted must be {checksum(found.address)}.")
    tx = adoption(found, vault, Deployment(node.chain_id, ZERO))
    print(json.dumps(as_json(tx.typed(domain(node.chain_id, found.address))), indent=2))
    digest = safe_tx_hash(node.chain_id, found.address, tx)
    print(f"Safe transaction hash: {to_hex(digest)}", file=sys.stderr)
    print(
        "Check it with `strongroom-verify safe-hash --file FILE` before signing.", file=sys.stderr
    )
    return 0


def parser(name: str, what: str) -> argparse.ArgumentParser:
    """The options that every subcommand has."""
    options = argparse.ArgumentParser(prog=f"strongroom vault {name}", description=what)
    options.add_argument("address", type=parse_address, metavar="ADDRESS", help="the Safe")
    options.add_argument(
        "--node",
        default=os.environ.get("STRONGROOM_RPC_URLS"),
        metavar="URL",
        help="JSON-RPC of a node (else STRONGROOM_RPC_URLS)",
    )
    options.add_argument("--block", default="latest", help="a height or a tag (default: latest)")
    return options


def connected(given: argparse.Namespace) -> Node:
    """The node, set to the chain that it serves. Raises NodeUnavailable."""
    node = Node([url for url in (given.node or "").split(",") if url], 0)
    node.chain_id = int(node.request("eth_chainId"), 16)
    return node


def look(node: Node, given: argparse.Namespace, questions: Questions) -> Configuration:
    """The Safe as it stands at the block asked for."""
    block = int(given.block) if given.block.isdecimal() else given.block
    exit_module = Deployment(node.chain_id, ZERO).exit
    return examine(node, given.address, exit_module=exit_module, block=block, questions=questions)


def as_document(found: Configuration, health: Health) -> dict[str, Any]:
    """For programs."""
    return {
        "address": checksum(found.address),
        "block": {"height": found.height, "hash": to_hex(found.block_hash)},
        "owners": [checksum(one) for one in found.owners],
        "threshold": found.threshold,
        "nonce": found.nonce,
        "guarded": health.guarded,
        "score": health.score,
        "checks": [
            {
                "name": one.name,
                "state": one.state,
                "points": one.points,
                "sentence": one.sentence,
                "remedy": one.remedy or None,
                "blocks": one.blocks,
            }
            for one in health.checks
        ],
    }


def as_text(found: Configuration, health: Health, *, colour: bool) -> str:
    """For people: a line a check, the score, what is to be done."""
    lines = [
        f"Safe {checksum(found.address)}, version {found.version}, nonce {found.nonce}",
        f"at block {found.height} ({to_hex(found.block_hash)})",
        "",
    ]
    for number, one in enumerate(health.checks, start=1):
        state = _paint(f"{one.state:<9}", COLOURS[one.state], colour=colour)
        lines.append(f"  {number:>2}  {one.name:<17}  {state}  {one.points:>2}  {one.sentence}")
        if one.remedy:
            lines.append(f"{'':>40}{one.remedy}")
    lines += ["", f"Score {health.score} of 100. {_verdict(health)}"]
    if not health.guarded:
        lines += ["", *textwrap.wrap(UNSEEN, 96)]
    return "\n".join(lines)


def _verdict(health: Health) -> str:
    if health.blockers:
        names = ", ".join(one.name for one in health.blockers)
        what = "It stands under guard, and this is wrong" if health.guarded else "Change first"
        return f"{what}: {names}."
    if health.guarded:
        return "It stands under Strongroom's guard."
    return "It can be taken in: see `strongroom vault adopt`."


def _paint(text: str, code: str, *, colour: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if colour else text
