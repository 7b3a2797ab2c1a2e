"""`strongroom-signer audit`: a report for people, and a JSON signed by the token's attest key."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strongroom_protocol.encoding import to_hex
from strongroom_protocol.token_audit import statement
from strongroom_signer.agreement import agreed_statement
from strongroom_signer.audit.at_start import own_place
from strongroom_signer.audit.run import Place, Report, audit
from strongroom_signer.clock import SystemClock
from strongroom_signer.errors import Unfit
from strongroom_signer.memory import harden_process
from strongroom_signer.settings import SIGNER_TOKEN, Settings
from strongroom_signer.token.keyring import Keyring
from strongroom_signer.token.pins import read_pin
from strongroom_signer.token.session import TokenSession


def add_parser(verbs: Any) -> None:
    """Register `audit`."""
    parser = verbs.add_parser("audit", help="attack a token; what it does not refuse is reported")
    parser.add_argument("--module", help="PKCS#11 module (else STRONGROOM_PKCS11_MODULE)")
    parser.add_argument("--token", help="label (else the signer's own token)")
    parser.add_argument(
        "--pin-file", type=Path, help="user PIN of a token that is not the signer's"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the JSON goes")


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Audit and report; whether the token withstood everything. Raises Unfit."""
    harden_process()
    with tempfile.TemporaryDirectory() as folder:
        place, chain_id = _place(arguments, environment, Path(folder))
        report = audit(place, SystemClock().now(), chain_id, at_start=False)
        document = {"report": report.document(), "signature": _signature(place, report)}
    sys.stdout.write("\n".join(report.lines()) + "\n")
    if document["signature"] is None:
        sys.stdout.write("Unsigned: the token holds no keys of a signer, or failed.\n")
    if arguments.json is not None:
        text = json.dumps(document, indent=1, sort_keys=True) + "\n"
        arguments.json.write_text(text, encoding="utf-8")
    return report.passed


def _place(
    arguments: argparse.Namespace, environment: Mapping[str, str], folder: Path
) -> tuple[Place, int]:
    """A candidate token needs no signer around it; the signer's own is found by its settings."""
    if arguments.pin_file is None:
        settings = Settings.from_environment(
            {**environment, **_named(STRONGROOM_PKCS11_MODULE=arguments.module,
                                     STRONGROOM_SIGNER_TOKEN=arguments.token)}
        )  # fmt: skip
        return own_place(settings), settings.chain_id
    module = arguments.module or environment.get("STRONGROOM_PKCS11_MODULE")
    if not module:
        raise Unfit("--module must name the PKCS#11 module of the candidate")
    pin, label = read_pin(arguments.pin_file), arguments.token or SIGNER_TOKEN
    return Place(module, label, pin, folder / "token.lock"), 1


def _named(**names: str | None) -> dict[str, str]:
    return {name: value for name, value in names.items() if value}


def _signature(place: Place, report: Report) -> str | None:
    """By the attest key of the same token: only a token that withstood can say so."""
    if not (report.ours and report.passed):
        return None
    token = TokenSession(place.module, place.label, place.pin, place.lock)
    try:
        digest = agreed_statement(report.chain_id, statement(report.document()))
        return to_hex(Keyring(token).attest(digest).to_bytes())
    finally:
        token.close()
