"""`strongroom-verify safe-hash`: what a Safe transaction does and the three digests of it, offline.

Compare the digests with those that the hardware wallet shows before you sign.
"""

import argparse
import json
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom_verify.errors import Malformed
from strongroom_verify.safe_calls import ZERO, Asset, Call, Reader
from strongroom_verify.typed_data import Message, address, checksum, number, octets, parse

_WIDTH = 96
FILE_BYTES_MAX = 1 << 20
_REFUND = ("safeTxGas", "baseGas", "gasPrice")
_OTHERS = {
    "Announce": "Announces that the vault's people leave: both guards go once the delay is over.",
    "Cancel": "Cancels the announced exit.",
    "Unfreeze": "Ends the freeze of the vault.",
}


@dataclass
class Report:
    """What one signature would be for. `refused`: why nobody should sign it, or empty."""

    message: Message
    safe: bytes
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: str = ""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        message = self.message
        digests = {
            "domain_hash": message.domain_hash,
            "message_hash": message.message_hash,
            "digest": message.digest,
        }
        return {
            "type": message.kind,
            "chain_id": message.chain_id,
            "safe": checksum(self.safe),
            "nonce": message.values.get("nonce"),
            "accepted": not self.refused,
            "refused": self.refused or None,
            "lines": self.lines,
            "warnings": self.warnings,
            **{
                name: None if self.refused else "0x" + made().hex()
                for name, made in digests.items()
            },
        }


def examine(message: Message, reader: Reader | None = None) -> Report:
    """Decode what would be signed; what cannot be decoded is in `refused`."""
    if message.kind != "SafeTx":
        report = Report(message, message.values["safe"], [_OTHERS[message.kind]])
        report.lines += [
            f"{name}: {value}" for name, value in message.values.items() if name != "safe"
        ]
        return report
    report, values = Report(message, message.contract), message.values
    if any(values[name] for name in _REFUND) or (
        (values["gasToken"], values["refundReceiver"]) != (ZERO, ZERO)
    ):
        report.refused = "Its refund fields are not zero: the executor could be paid by the Safe."
        return report
    call = Call(values["to"], values["value"], values["data"], values["operation"])
    try:
        found = (reader or Reader(message.contract)).read(call)
    except Malformed as error:
        report.refused = f"It cannot be decoded: {error}."
        return report
    report.lines, report.warnings = found.lines, found.warnings
    return report


def main(arguments: list[str] | None = None) -> int:
    """Run the command. 0: decoded; 1: refused; 2: wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        message = _message(options)
        safe = message.contract if message.kind == "SafeTx" else message.values["safe"]
        report = examine(message, _reader(options, safe))
    except (OSError, Malformed) as error:
        print(f"strongroom-verify safe-hash: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print(as_text(report, colour=sys.stdout.isatty()))
    return 1 if report.refused else 0


def as_text(report: Report, *, colour: bool) -> str:
    """For people: what it is, what it does, what to compare."""
    facts, message = report.as_json(), report.message
    title = "Safe transaction" if message.kind == "SafeTx" else f"{message.kind} of a vault"
    lines = [_paint(title, "1", colour=colour), f"  chain          {message.chain_id}"]
    lines.append(f"  Safe           {facts['safe']}")
    if message.kind == "SafeTx":
        lines.append(f"  nonce          {facts['nonce']}")
    else:
        lines.append(f"  contract       {checksum(message.contract)}")
    if report.refused:
        verdict = _wrap("", f"REFUSED. {report.refused} Do not sign this.")
        return "\n".join([*lines, "", *(_paint(line, "1;31", colour=colour) for line in verdict)])
    lines += ["", "What it does"]
    for place, line in enumerate(report.lines, start=1):
        lines += _wrap(f"  {place:>2}. ", line)
    for warning in report.warnings:
        lines += [_paint(line, "33", colour=colour) for line in _wrap("  !   ", warning)]
    lines += ["", "Compare with what your device shows"]
    digest = "Safe tx hash" if message.kind == "SafeTx" else "digest"
    for name, key in (
        ("domain hash", "domain_hash"),
        ("message hash", "message_hash"),
        (digest, "digest"),
    ):
        lines.append(f"  {name:<14} {facts[key]}")
    return "\n".join(lines)


def _message(options: argparse.Namespace) -> Message:
    if options.file is not None:
        return parse(_read(options.file))
    missing = [name for name in ("chain", "safe", "to", "nonce") if getattr(options, name) is None]
    if missing:
        raise Malformed(f"give --file, or also --{', --'.join(missing)}")
    values = {
        "to": address(options.to, "--to"),
        "value": number(options.value, "--value"),
        "data": octets(options.data, "--data"),
        "operation": number(options.operation, "--operation", 8),
        **dict.fromkeys(_REFUND, 0),
        "gasToken": ZERO,
        "refundReceiver": ZERO,
        "nonce": number(options.nonce, "--nonce"),
    }
    chain, safe = number(options.chain, "--chain"), address(options.safe, "--safe")
    return Message("SafeTx", "", chain, safe, values)


def _reader(options: argparse.Namespace, safe: bytes) -> Reader:
    assets = dict(_asset(text) for text in options.asset)
    batches = frozenset(address(text, "--multi-send") for text in options.multi_send)
    change = None if options.change is None else _change(options.change)
    return Reader(safe, assets, batches, change)


def _asset(text: str) -> tuple[bytes, Asset]:
    """The contract and how it is written, of a text such as 0x…=USDC/6 or native=ETH/18."""
    token, _, name = text.partition("=")
    symbol, _, decimals = name.partition("/")
    if not (symbol.isascii() and symbol.isprintable() and decimals):
        raise Malformed(f"--asset {text!r} must look like 0x…=USDC/6 or native=ETH/18")
    contract = ZERO if token == "native" else address(token, "--asset")
    return contract, Asset(symbol, number(decimals, "--asset", 6))


def _change(path: Path) -> Call:
    """JSON {to, value, data, operation}: what an announcement announces."""
    try:
        document = json.loads(_read(path))
        return Call(
            address(document["to"], "to"),
            number(document["value"], "value"),
            octets(document["data"], "data"),
            number(document["operation"], "operation", 8),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed("--change is not JSON with to, value, data and operation") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise Malformed(f"{path.name} is larger than any transaction")
    return raw


def _wrap(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _paint(text: str, code: str, *, colour: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if colour else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom-verify safe-hash",
        description="Say what a Safe transaction does, and compute the three digests that a "
        "device shows, offline and without any code of the service.",
        epilog="Ends with 0 when it is decoded, 1 when it is refused, 2 for wrong usage.",
    )
    add = parser.add_argument
    add("--file", type=Path, metavar="JSON", help="the typed data that a wallet is asked to sign")
    add("--chain", metavar="ID", help="chain id, where no file is given")
    add("--safe", metavar="ADDRESS", help="the vault")
    add("--to", metavar="ADDRESS")
    add("--value", metavar="WEI", default="0")
    add("--data", metavar="HEX", default="0x")
    add("--operation", choices=("0", "1"), default="0", help="1 = delegatecall")
    add("--nonce", metavar="NUMBER")
    add(
        "--asset",
        metavar="TOKEN=SYMBOL/DECIMALS",
        action="append",
        default=[],
        help="how to write an asset, such as 0x…=USDC/6 or native=ETH/18; again for others",
    )
    add("--change", type=Path, metavar="JSON", help="what an announcement announces")
    add("--multi-send", metavar="ADDRESS", action="append", default=[],
        help="another MultiSendCallOnly than Safe's and Strongroom's own")  # fmt: skip
    add("--json", action="store_true", help="print the report as JSON")
    return parser
