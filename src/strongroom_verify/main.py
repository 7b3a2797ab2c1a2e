"""`strongroom-verify BUNDLE`: the command that an auditor runs, offline. The other one is
`strongroom-verify safe-hash`.
"""

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from strongroom_verify import safe_hash
from strongroom_verify.findings import Outcome
from strongroom_verify.verify import Report, verify

_WIDTH = 96
_COLOURS = {"PASS": "32", "FAIL": "31", "NOT CHECKED": "33"}


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns 0 when the bundle is accepted, 1 when not, 2 for wrong usage."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["safe-hash"]:
        return safe_hash.main(given[1:])
    options = _parser().parse_args(given)
    try:
        report = verify(options.bundle, _log_key(options.log_key))
    except OSError as error:
        print(f"strongroom-verify: cannot read {options.bundle}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"strongroom-verify: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(as_json(options.bundle, report), indent=2, ensure_ascii=False))
    else:
        print(as_text(options.bundle, report, colour=sys.stdout.isatty()))
    return 0 if report.accepted else 1


def as_json(bundle: Path, report: Report) -> dict[str, Any]:
    """The report for programs."""
    checks = {
        outcome.check: {
            "state": outcome.state,
            "sentence": outcome.sentence,
            "where": outcome.where or None,
        }
        for outcome in report.outcomes
    }
    return {"bundle": str(bundle), "accepted": report.accepted, "checks": checks, **report.facts}


def as_text(bundle: Path, report: Report, *, colour: bool) -> str:
    """The report for people: what it is, a line a check, the verdict."""
    lines = [f"Strongroom export {bundle.name}"]
    facts = report.facts
    if facts:
        lines += [
            f"  organisation  {facts['organisation']}",
            f"  export        {facts['export']}  of {facts['created_at']}",
            f"  log           {facts['log']['origin']}  size {facts['log']['size']}",
            f"  log root      {facts['log']['root']}",
        ]
        lines += [f"  token         {name}  {at}" for name, at in facts["tokens"].items()]
    lines.append("")
    for outcome in report.outcomes:
        lines += _outcome_lines(outcome, colour=colour)
    lines += ["", _verdict(report, colour=colour)]
    return "\n".join(lines)


def _outcome_lines(outcome: Outcome, *, colour: bool) -> list[str]:
    text = f"{outcome.where}: {outcome.sentence}" if outcome.where else outcome.sentence
    wrapped = textwrap.wrap(text, _WIDTH - 30, break_long_words=False, break_on_hyphens=False)
    state = _paint(f"{outcome.state:<11}", _COLOURS[outcome.state], colour=colour)
    head = f"  {outcome.check:<13} {state}  {wrapped[0]}"
    return [head, *(" " * 29 + line for line in wrapped[1:])]


def _verdict(report: Report, *, colour: bool) -> str:
    if report.accepted:
        return _paint("ACCEPTED", "1;32", colour=colour)
    failed = [outcome for outcome in report.outcomes if outcome.state == "FAIL"]
    if failed:
        return _paint(f"REFUSED: {failed[0].where}", "1;31", colour=colour)
    return _paint("NOT PROVEN: give the log's public key with --log-key", "1;33", colour=colour)


def _paint(text: str, code: str, *, colour: bool) -> str:
    return f"\033[{code}m{text}\033[0m" if colour else text


def _log_key(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("--log-key must be the 32 bytes of an Ed25519 public key, in hex")
    return key


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom-verify",
        description="Check an export of Strongroom offline, trusting nobody but the log's key.",
        epilog="Ends with 0 when the bundle is accepted, 1 when it is not, 2 for wrong usage. "
        "Another command, `strongroom-verify safe-hash --help`, reads Safe transactions.",
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the export's zip file")
    parser.add_argument(
        "--log-key",
        metavar="HEX",
        help="Ed25519 public key of the log as the custodian published it; without it nothing "
        "says who signed, and the bundle is not accepted",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
