"""`strongroom webhooks`: how an organisation's endpoints stand, what was sent, sending it again."""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import StrongroomError
from strongroom.webhooks import service as webhooks
from strongroom.webhooks.types import EndpointView, TryView

LOG_LINES = 50


def run(args: list[str]) -> int:
    """0 when it was done; 1 with a sentence when not, or when a listed endpoint does not stand."""
    given = _parser().parse_args(args)
    try:
        url = Config.from_environment().require_database_url()
        database = Database(url, clock=SystemClock(), pool_size=1, application_name="webhooks")
        try:
            with database.unit(given.organisation, system("webhooks command")) as uow:
                return _act(uow, given)
        finally:
            database.close()
    except StrongroomError as error:
        print(f"strongroom webhooks: {error.message}", file=sys.stderr)
        return 1


def _act(uow: UnitOfWork, given: argparse.Namespace) -> int:
    if given.verb == "list":
        return _list(webhooks.endpoints(uow), as_json=given.json)
    if given.verb == "log":
        rows = webhooks.tries(uow, given.endpoint, limit=LOG_LINES)
        _print_rows(rows, _try_line, as_json=given.json)
    elif given.verb == "replay":
        count = webhooks.replay(uow, given.endpoint, since=given.since, until=given.until)
        print(f"{count} events are sent again")
    elif given.verb == "test":
        webhooks.send_test(uow, given.endpoint)
        print("an event webhook.test is on its way; `strongroom webhooks log` shows how it went")
    elif given.verb == "enable":
        found = webhooks.enable(uow, given.endpoint)
        print(f"enabled; {found.pending} events wait for it and are sent now")
    else:
        webhooks.disable(uow, given.endpoint, given.why)
        print("disabled")
    return 0


def _list(found: list[EndpointView], *, as_json: bool) -> int:
    _print_rows(found, _endpoint_line, as_json=as_json)
    return int(any(one.state != "enabled" or one.failures for one in found))


def _endpoint_line(one: EndpointView) -> str:
    state: str = one.state
    if one.failing_since is not None:
        state += f", failing since {one.failing_since:%Y-%m-%d %H:%M} ({one.failures} in a row)"
    what = f"{', '.join(one.types)}; {one.pending} wait"
    return f"{one.id}  {one.url}  {one.label}\n    {state}; {what}; {one.reason}"


def _try_line(one: TryView) -> str:
    took = f"{one.milliseconds} ms"
    return f"{one.at:%Y-%m-%d %H:%M:%S}  {one.type:<28}  {one.event_id}  {took:>9}  {one.outcome}"


def _print_rows(rows: list[Any], line: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    print("\n".join(map(line, rows)) or "Nothing yet.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom webhooks",
        description="An organisation's webhooks, by the database of STRONGROOM_DATABASE_URL "
        "(strongroom_worker). They are added and their secrets changed over the API only.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, what in (
        ("list", "every endpoint and how it stands; 1 if one fails or is disabled"),
        ("log", f"the last {LOG_LINES} tries"),
        ("replay", "send again what happened in a time, under the same ids"),
        ("test", "send an event webhook.test"),
        ("enable", "send again, beginning with what waits"),
        ("disable", "send nothing more until it is enabled"),
    ):
        verb = verbs.add_parser(name, help=what, description=what)
        verb.add_argument("organisation", type=UUID, metavar="ORGANISATION", help="its id")
        if name != "list":
            verb.add_argument("endpoint", type=UUID, metavar="WEBHOOK", help="its id")
        if name in ("list", "log"):
            verb.add_argument("--json", action="store_true", help="print it as JSON")
        if name == "replay":
            verb.add_argument("--since", type=_moment, required=True, metavar="TIME")
            verb.add_argument("--until", type=_moment, metavar="TIME", help="else: now")
        if name == "disable":
            verb.add_argument("--why", default="As the operator asked.", help="kept beside it")
    return parser


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        message = f"{text} names no time zone; write 2026-05-01T09:00Z"
        raise argparse.ArgumentTypeError(message)
    return found
