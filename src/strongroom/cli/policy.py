"""`strongroom policy`: templates, validation and differences with nothing running; a draft's
rehearsal and the versions from the database.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.progress import Progress

from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.clock import SystemClock
from strongroom.kit.errors import StrongroomError
from strongroom.policy import drafts, service
from strongroom.policy.compiler import SOURCE_TYPE, compile_source
from strongroom.policy.context import Context
from strongroom.policy.enforcement import against_the_chain, claims
from strongroom.policy.findings import Finding
from strongroom.policy.powers import powers
from strongroom.policy.reading import read_moment, read_number
from strongroom.policy.rehearsal import Rehearsal, rehearse
from strongroom.policy.sources import TEMPLATES, template
from strongroom.policy.validation import check_bundle
from strongroom.policy.words import Section, diff_words, policy_words
from strongroom.withdrawals import past
from strongroom_protocol.authority import Bundle, parse_bundle
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.errors import ProtocolError

WIDTH = 96


class WrongUse(StrongroomError):
    """The command line can't be followed."""

    code = "cli.wrong_use"


def run(args: list[str]) -> int:
    """0 when it went well (validate: nothing stands in the way), 1 when not, 2 for wrong usage."""
    options = _parser().parse_args(args)
    command = {
        "template": _template,
        "validate": _validate,
        "rehearse": _rehearse,
        "diff": _diff,
        "show": _show,
    }[options.command]
    try:
        return command(options)
    except (OSError, StrongroomError, ProtocolError) as error:
        print(f"strongroom policy: {error}", file=sys.stderr)
        return 1


def _template(options: argparse.Namespace) -> int:
    print(json.dumps(template(options.name), indent=2, ensure_ascii=False))
    return 0


def _validate(options: argparse.Namespace) -> int:
    """Say everything that is wrong, and in words what the document means."""
    now = _now()
    bundle, findings = _compiled(_document(options.file), options.active, now)
    _print_findings(findings)
    if bundle is None:
        return 1
    _print_sections(policy_words(bundle))
    _print_list("What people could do together", [one.words for one in powers(bundle, now)])
    _print_list("What the signer and the chain enforce", [one.words for one in claims(bundle)])
    _print_list("The chain beside the rules", against_the_chain(bundle, now))
    return 1 if any(one.severity == "error" for one in findings) else 0


def _diff(options: argparse.Namespace) -> int:
    """Two files, or two versions of an organisation's policy."""
    before, after = (_bundle(one, options.organisation) for one in (options.before, options.after))
    sections = diff_words(before, after)
    _print_sections(sections)
    if not sections:
        print("Nothing changes.")
    return 0


def _show(options: argparse.Namespace) -> int:
    """A file, a version, or a draft, in words."""
    bundle = _bundle(options.what, options.organisation)
    _print_sections(policy_words(bundle))
    _print_list("What the signer and the chain enforce", [one.words for one in claims(bundle)])
    _print_list("The chain beside the rules", against_the_chain(bundle, _now()))
    return 0


def _rehearse(options: argparse.Namespace) -> int:
    """Judge a period's orders under a draft (its id, or a source document's file)."""
    begins, ends = read_moment(options.begins), read_moment(options.until)
    with _unit(options.organisation) as uow:
        now = int(uow.now.timestamp())
        before = service.active(uow, UUID(options.organisation)).bundle
        after = _draft(uow, options.draft, now)
        moments = (datetime.fromtimestamp(one, UTC) for one in (begins, ends))
        payments = past.between(uow, *moments)
    prices = _prices(after, options.price)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def tell(done: int, of: int, what: str) -> None:
            bar.update(task, completed=done, total=of, description=what)

        found = rehearse(
            before, after, payments, begins=begins, now=now, prices=prices, progress=tell
        )
    _print_rehearsal(found)
    return 0


# --- what is shown ----------------------------------------------------------------------------


def _print_rehearsal(found: Rehearsal) -> None:
    orders = "1 order" if found.looked_at == 1 else f"{found.looked_at} orders"
    print(f"{orders} looked at, {len(found.changed)} judged otherwise.")
    if not found.whole:
        print("The period has more orders than one rehearsal looks at; take a shorter one.")
    _print_list("Judged otherwise", [one.words for one in found.changed])
    _print_list("What people could do together", [one.words for one in found.powers])
    stuck = [one.words for one in found.deadlocks]
    _print_list("What could never be approved", stuck or ["Nothing, not even without any one."])
    _print_list("Assumed", found.assumptions)


def _print_findings(findings: Sequence[Finding]) -> None:
    for one in findings:
        print(f"{one.severity.upper():7}  {one.code}  at {one.path}")
        print(_folded(one.words, " " * 9, " " * 9))
    if not findings:
        print("Nothing is wrong.")


def _print_sections(sections: Sequence[Section]) -> None:
    for section in sections:
        _print_list(section.title, section.lines)


def _print_list(title: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"\n{title}")
    for line in lines:
        print(_folded(line, "  - ", "    "))


def _folded(line: str, first: str, later: str) -> str:
    """Lines of WIDTH; ids and addresses stay in one piece, to be copied."""
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
        break_long_words=False,
    )


# --- what is read -----------------------------------------------------------------------------


def _compiled(document: Any, active: Path | None, now: int) -> tuple[Bundle | None, list[Finding]]:
    context = Context()
    if active is not None:
        before = parse_bundle(_document(active))
        context = Context(
            organisation=before.organisation,
            chain_id=before.chain_id,
            version=before.version + 1,
            account=before.document()["account"],
            guard=before.control.guard,
            active=before,
        )
    made = compile_source(document, context)
    findings = list(made.findings)
    if made.bundle is not None:
        findings += check_bundle(made.bundle, now)
    return made.bundle, findings


def _bundle(what: str, organisation: str | None) -> Bundle:
    """A file's bundle (signed form or source), a version's, or a draft's."""
    path = Path(what)
    if path.exists():
        return _of_document(_document(path), what, _now())
    with _unit(organisation) as uow:
        if what.isdigit():
            return service.at_version(uow, UUID(organisation), int(what)).bundle
        return _draft(uow, what, int(uow.now.timestamp()))


def _draft(uow: UnitOfWork, what: str, now: int) -> Bundle:
    if Path(what).exists():
        made = drafts.compose(_document(Path(what)), drafts.context(uow, drafts.Told()), now)
        if made.bundle is None:
            _print_findings(made.findings)
            raise WrongUse(f"{what} can't be compiled; mend what is said above.")
        return made.bundle
    return drafts.bundle_of(drafts.get(uow, _uuid(what, "no file and no id of a draft")))


def _of_document(document: Any, what: str, now: int) -> Bundle:
    if isinstance(document, dict) and document.get("type") != SOURCE_TYPE:
        return parse_bundle(document)
    bundle, findings = _compiled(document, None, now)
    if bundle is None:
        _print_findings(findings)
        raise WrongUse(f"{what} can't be compiled; mend what is said above.")
    return bundle


def _document(path: Path) -> Any:
    return parse_json(path.read_bytes())


def _prices(bundle: Bundle, told: Sequence[str]) -> dict[str, int | None]:
    """`ETH/18=3,500.00`, in the currency of the draft's rates."""
    found: dict[str, int | None] = {}
    for one in told:
        asset, _, price = one.partition("=")
        if bundle.rates is None:
            raise WrongUse("The draft asks for no values, so a price says nothing.")
        found[asset] = read_number(price, bundle.rates.currency)
    return found


def _now() -> int:
    return int(SystemClock().now().timestamp())


def _uuid(text: str | None, what: str) -> UUID:
    try:
        return UUID(text or "")
    except ValueError as error:
        raise WrongUse(f"{text!r} is {what}.") from error


@contextmanager
def _unit(organisation: str | None) -> Iterator[UnitOfWork]:
    """A read-only unit of that organisation, by the process's own role."""
    own = _uuid(organisation, "no organisation: give --organisation with its id")
    database = Database(
        Config.from_environment().require_database_url(),
        clock=SystemClock(),
        pool_size=1,
        application_name="strongroom-policy",
    )
    try:
        with database.read(own, system("strongroom policy")) as uow:
            yield uow
    finally:
        database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom policy", description="Policies as documents: begin, check, rehearse, read."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    begin = commands.add_parser("template", help="print a source document to begin with; offline")
    begin.add_argument("name", choices=TEMPLATES)
    check = commands.add_parser("validate", help="say what is wrong and what it means; offline")
    check.add_argument("file", type=Path, help="a source document")
    check.add_argument("--active", type=Path, help="the active bundle, whose next version it is")
    past_ones = commands.add_parser("rehearse", help="judge a period's orders under a draft")
    past_ones.add_argument("draft", help="a draft's id, or a source document's file")
    past_ones.add_argument("--from", dest="begins", required=True, help="like 2026-11-01")
    past_ones.add_argument("--until", required=True, help="like 2026-12-01")
    past_ones.add_argument("--organisation", required=True, help="its id")
    past_ones.add_argument(
        "--price", action="append", default=[], help="assume it, like ETH/18=3,500.00"
    )
    change = commands.add_parser("diff", help="what one policy changes of another; files: offline")
    change.add_argument("before", help="a file, a version, or a draft's id")
    change.add_argument("after", help="the same")
    read = commands.add_parser("show", help="a policy in words; a file: offline")
    read.add_argument("what", help="a file, a version, or a draft's id")
    for one in (change, read):
        one.add_argument("--organisation", help="its id, for versions and drafts")
    return parser
