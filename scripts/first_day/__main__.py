"""`python -m first_day`: play the day from where it stands; exit 0, or 1 naming the step."""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from first_day import books as day_books
from first_day import deposits, organisation, proof, vault, withdrawals
from first_day.cast import Cast
from first_day.diary import DayFailed, Diary
from first_day.node import Node
from strongroom_client import StrongroomClientError

STEPS: tuple[tuple[str, Callable[[Cast], None]], ...] = (
    ("An organisation, its people and their keys", organisation.found),
    ("Key ceremony, first policy, deposit addresses", organisation.ceremony),
    ("A vault that only its people can open", vault.create),
    ("Payers outside send ETH and dollars", deposits.pay_in),
    ("Seen, confirmed, screened", deposits.screened),
    ("Swept into the vault, without gas at the addresses", deposits.swept),
    ("Three withdrawals: paid, refused, blocked", withdrawals.three),
    ("Fiat by four eyes, and a book transfer", day_books.fiat),
    ("Ledger = chain", day_books.reconcile),
    ("An export that proves itself", proof.export),
)


def main() -> int:
    """Play every step; run `--after-step` after each, with the step's number appended."""
    parser = argparse.ArgumentParser(prog="first_day", description=__doc__)
    parser.add_argument(
        "--after-step",
        metavar="COMMAND",
        default=os.environ.get("STRONGROOM_AFTER_STEP", ""),
        help="a command to run after each step (the crash test kills a process with it)",
    )
    options = parser.parse_args()
    people = Path(os.environ["STRONGROOM_PEOPLE_DIR"])
    diary = Diary(people / "day.json")
    began = time.monotonic()
    number, title = 0, "connecting"
    try:
        token = Path(os.environ["STRONGROOM_OPERATOR_TOKEN_FILE"]).read_text().strip()
        node = Node(os.environ["STRONGROOM_RPC_URLS"].split(",")[0])
        cast = Cast(diary, os.environ["STRONGROOM_API_URL"], node, people, token)
        for number, (title, play) in enumerate(STEPS, start=1):
            diary.step(number, title)
            play(cast)
            if options.after_step:
                subprocess.run([*shlex.split(options.after_step), str(number)], check=True)
    except (DayFailed, StrongroomClientError, subprocess.CalledProcessError) as error:
        sys.stdout.flush()
        print(f"\n  ✗ step {number} ({title}) failed: {error}", file=sys.stderr)
        return 1
    print(
        f"\n    The day is played and checked: {len(STEPS)} steps, "
        f"{time.monotonic() - began:.0f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
