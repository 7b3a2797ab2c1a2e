"""`strongroom vault leave ADDRESS STEP`: the people's exit, with a node and their own keys only.

    announce   the threshold signs; a delay of seven days begins
    cancel     n - k + 1 owners sign: they stay
    unfreeze   the threshold signs: a freeze of the guard ends
    end        anybody, once the delay is over: both guards go
    pay        the threshold signs a payment of the Safe, once it has no guard any more

Without a signature a step prints what to sign (typed data, for `sign` or for any wallet).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from strongroom.bootstrap.deploy import Deployer, read_key
from strongroom.chain.node import Node
from strongroom.cli.vault import connected, look, parser
from strongroom.kit.errors import Conflict, Invalid
from strongroom.vaults.configuration import Configuration, Questions, moment
from strongroom.vaults.leaving import Paper, leave_calldata, paper, payment_paper
from strongroom_protocol.addresses import ZERO, Address, checksum, parse_address
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.signatures import Signature
from strongroom_protocol.typed_data import as_json

STEPS = ("status", "announce", "cancel", "unfreeze", "end", "pay")


def run_leave(args: list[str]) -> int:
    """Show, sign or send one step; 0 when it was done."""
    given = _parser().parse_args(args)
    with connected(given) as node:
        found = look(node, given, Questions())
        module = Deployment(node.chain_id, ZERO).exit
        if given.step == "status":
            print(_status(found, module))
            return 0
        if given.step == "end":
            _check_end(found)
            _send(node, given, module, leave_calldata(found.address))
            print("Both guards are gone: the Safe is its people's alone. Move the money now.")
            return 0
        sheet = _paper(found, given, node.chain_id, module)
        if given.key_file:
            digest = sheet.structure.digest_in(sheet.domain)
            print(_signed(read_key(given.key_file), digest))
            return 0
        if not given.signature:
            print(json.dumps(as_json(sheet.structure.typed(sheet.domain)), indent=2))
            print(f"{sheet.required} owners must sign this.", file=sys.stderr)
            return 0
        signatures = [Signature.parse(from_hex(text.lower())) for text in given.signature]
        _send(node, given, sheet.to, sheet.calldata(found, signatures))
        print(f"{given.step}: done.")
        return 0


def _paper(
    found: Configuration, given: argparse.Namespace, chain_id: int, module: Address
) -> Paper:
    if given.step != "pay":
        return paper(found, given.step, chain_id, module)
    if found.guard != ZERO:
        raise Conflict("A guard still stands on it: end the exit first.")
    if given.to is None or given.units is None:
        raise Invalid("Say --to ADDRESS and --units NUMBER, and --token ADDRESS unless native.")
    return payment_paper(found, chain_id, given.token, given.to, given.units)


def _status(found: Configuration, module: Address) -> str:
    lines = [f"Safe {checksum(found.address)} at block {found.height}"]
    if module not in found.modules:
        lines.append(f"It has no exit: the module {checksum(module)} is not enabled.")
    elif found.exit_usable_from:
        told = "it can be ended now" if _over(found) else "until then it waits"
        lines.append(f"Exit {found.exit_id} may end from {moment(found.exit_usable_from)}; {told}.")
    elif found.guard == ZERO:
        lines.append("No guard stands on it: its people move its money alone.")
    else:
        lines.append(f"No exit is announced; {found.threshold} owners announce one.")
    if found.record is not None and found.record.frozen_until > found.block_time:
        lines.append(f"It is frozen until {moment(found.record.frozen_until)}.")
    if found.record is not None and found.record.exit_frozen_until > found.block_time:
        lines.append(f"The exit is held up until {moment(found.record.exit_frozen_until)}.")
    return "\n".join(lines)


def _check_end(found: Configuration) -> None:
    if not found.exit_usable_from:
        raise Conflict("No exit is announced: announce it first.")
    if not _over(found):
        raise Conflict(
            f"The exit may end from {moment(found.exit_usable_from)}; the chain's clock says "
            f"{moment(found.block_time)}."
        )


def _over(found: Configuration) -> bool:
    return found.block_time >= found.exit_usable_from


def _signed(key: PrivateKey, digest: bytes) -> str:
    made = key.sign_recoverable(digest, hasher=None)
    return to_hex(made[:64] + bytes([made[64] + 27]))


def _send(node: Node, given: argparse.Namespace, to: Address, data: bytes) -> None:
    """From the payer's account, who is anybody with gas money."""
    if given.payer_key_file is None:
        print(json.dumps({"to": checksum(to), "value": "0", "data": to_hex(data)}, indent=2))
        raise Invalid("Nothing was sent: give --payer-key-file, or send the call above yourself.")
    payer = Deployer(node, read_key(given.payer_key_file), node.chain_id)
    payer.send(to, data, 0)
    payer.wait()


def _parser() -> argparse.ArgumentParser:
    options = parser("leave", __doc__.partition("\n\n")[0])
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.epilog = __doc__.partition("\n\n")[2]
    add: Any = options.add_argument
    add("step", choices=STEPS)
    add("--key-file", type=Path, metavar="FILE", help="sign with this owner's key; print it only")
    add("--signature", action="append", default=[], metavar="HEX", help="an owner's signature")
    add("--payer-key-file", type=Path, metavar="FILE", help="the key that pays for the transaction")
    add("--to", type=parse_address, metavar="ADDRESS", help="pay: to whom")
    add("--token", type=parse_address, default=ZERO, metavar="ADDRESS", help="pay: the ERC-20")
    add("--units", type=int, metavar="NUMBER", help="pay: how much, in the smallest unit")
    return options
