"""`strongroom vault queue`: dead numbers, conflicts, gaps, stale signatures, and who signs what."""

import argparse
import json
from typing import Any
from uuid import UUID

from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.withdrawals import queue
from strongroom.withdrawals.queue_doctor import Diagnosis


def run_queue(args: list[str]) -> int:
    """Print the diagnosis. 0 when nothing is wrong, 1 when something is."""
    options = argparse.ArgumentParser(
        prog="strongroom vault queue",
        description="What waits for which number of a vault, what is wrong, who signs to mend it. "
        "Reads the database of STRONGROOM_DATABASE_URL.",
    )
    options.add_argument("organisation", type=UUID, metavar="ORGANISATION", help="its id")
    options.add_argument("--json", action="store_true", help="print it as JSON")
    given = options.parse_args(args)
    url = Config.from_environment().require_database_url()
    database = Database(url, clock=SystemClock(), pool_size=1, application_name="vault queue")
    try:
        with database.read(given.organisation, system("vault queue")) as uow:
            found = queue.doctor(uow)
    finally:
        database.close()
    print(json.dumps(as_document(found), indent=2) if given.json else as_text(found))
    return 1 if found.complaints else 0


def as_document(found: Diagnosis) -> dict[str, Any]:
    """For programs; the same as the API's answer."""
    return {
        "next_nonce": found.next_nonce,
        "known_from": found.known_from,
        "entries": [
            {
                "name": one.name,
                "kind": one.kind,
                "nonce": one.nonce,
                "state": one.state,
                "signed": list(one.signed),
                "stale": list(one.stale),
            }
            for one in found.entries
        ],
        "complaints": [
            {
                "finding": one.finding,
                "nonce": one.nonce,
                "names": list(one.names),
                "sentence": one.sentence,
            }
            for one in found.complaints
        ],
        "people": list(found.people),
        "resign": [
            {"name": one.name, "kind": one.kind, "nonce": one.nonce, "people": list(one.people)}
            for one in found.resign
        ],
    }


def as_text(found: Diagnosis) -> str:
    """For people: a line an entry, then what is wrong, then who signs what."""
    lines = [f"The next number is {found.next_nonce}: {found.known_from}.", ""]
    lines += [
        f"  {one.nonce:>4}  {one.kind:<9}  {one.state:<17}  {one.name}; signed by "
        f"{', '.join(one.signed) or 'nobody'}"
        for one in found.entries
    ] or ["  Nothing waits."]
    lines += ["", *(f"! {one.sentence}" for one in found.complaints)]
    if found.resign:
        lines += [f"The fewest who can give what is missing: {', '.join(found.people)}."]
        lines += [
            f"  {', '.join(one.people)} sign the {one.kind} {one.name} (number {one.nonce})"
            for one in found.resign
        ]
    elif not found.complaints:
        lines += ["Nothing is wrong."]
    return "\n".join(lines)
