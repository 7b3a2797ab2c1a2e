"""`strongroom deploy`: the platform's contracts at their CREATE2 addresses; again changes nothing.

Reads STRONGROOM_DEPLOYER_KEY_FILE beside the usual variables; the database role is the relay's.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from strongroom.bootstrap.deploy import Report, deploy
from strongroom.config import Config
from strongroom.kit import log
from strongroom.kit.errors import StrongroomError
from strongroom_protocol.addresses import checksum
from strongroom_protocol.errors import ProtocolError


def run(args: list[str]) -> int:
    """Deploy; 0 when everything stands where it must, 1 with a sentence when not."""
    options = _parser().parse_args(args)
    config = Config.from_environment()
    log.configure("deploy", json=config.log_json)
    key_file = os.environ.get("STRONGROOM_DEPLOYER_KEY_FILE")
    if not key_file:
        print("STRONGROOM_DEPLOYER_KEY_FILE is not set: name the file with the hex key of the")
        print("account that pays for the deployment.")
        return 2
    try:
        report = deploy(
            config,
            Path(key_file),
            fund_relay_wei=options.fund_relay_wei,
            chain_id=options.chain,
            progress=(lambda _: None) if options.json else print,
        )
    except (StrongroomError, ProtocolError) as error:
        print(f"strongroom deploy: {error}", file=sys.stderr)
        return 1
    print(json.dumps(_as_json(report), indent=2) if options.json else _as_text(report))
    return 0


def _as_text(report: Report) -> str:
    return (
        f"relay {checksum(report.platform.relay)} has {report.relay_balance_wei} wei"
        f" ({report.relay_funded_wei} sent now)\n"
        f"permits are signed by {checksum(report.platform.permit_signer)}"
    )


def _as_json(report: Report) -> dict[str, object]:
    platform = report.platform
    return {
        "chain_id": platform.chain_id,
        "relay": checksum(platform.relay),
        "permit_signer": checksum(platform.permit_signer),
        "store_epoch": platform.store_epoch,
        "contracts": {placed.name: checksum(placed.address) for placed in report.contracts},
        "made": [placed.name for placed in report.contracts if placed.made],
        "relay_balance_wei": str(report.relay_balance_wei),
        "relay_funded_wei": str(report.relay_funded_wei),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom deploy", description="Deploy the platform's contracts; idempotent."
    )
    parser.add_argument(
        "--fund-relay-wei",
        type=int,
        default=0,
        metavar="WEI",
        help="send the relay's key what it lacks of this much gas money (development)",
    )
    parser.add_argument("--chain", type=int, metavar="N", help="which one, if several are set up")
    parser.add_argument("--json", action="store_true", help="print the addresses as JSON only")
    return parser
