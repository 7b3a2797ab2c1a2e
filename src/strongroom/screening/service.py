"""Screening's door: ask about an address, read the answer, import lists.

Asking, reading and finishing join the caller's unit and leave no record of their own; importing a
list is a unit's whole work and leaves one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired, TypedDict, Unpack, cast
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from strongroom.auditlog import service as auditlog
from strongroom.db import arrays
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.screening import repository, rules
from strongroom.screening.alerts import alerts, close_alert, move_alert, open_alert
from strongroom.screening.errors import (
    ListInvalid,
    PayerIsSomebody,
    ReferenceDiffers,
    RequestUnknown,
)
from strongroom.screening.models import (
    ScreeningAcceptance,
    ScreeningListVersion,
    ScreeningRequest,
    ScreeningVerdict,
)
from strongroom.screening.types import (
    DepositFacts,
    Direction,
    ListForm,
    ListVersion,
    RefusedLine,
    ScreeningState,
    ScreeningView,
)
from strongroom_protocol.encoding import to_hex

__all__ = [
    "Question",
    "accept_nobodys",
    "alerts",
    "clearance",
    "close_alert",
    "finish",
    "finish_all",
    "import_list",
    "lists",
    "move_alert",
    "open_alert",
    "request",
    "requests",
]

_FACTS: Final = ("subject", "intent", "deposit", "topic", "payload")
_REASON_QUEUED = "Waiting for the screener; the money is held until it answers."
_REASON_EXPIRED = "The clearance has expired; the screener is asked again and the money is held."


class Question(TypedDict):
    """What `request` is asked; `topic` is told of each answer with `payload`."""

    organisation_id: UUID
    direction: Direction
    subject: bytes
    reference: str
    topic: str
    payload: Mapping[str, Any]
    intent: NotRequired[bytes | None]
    deposit: NotRequired[DepositFacts | None]


def request(uow: UnitOfWork, **question: Unpack[Question]) -> UUID:
    """Ask about `subject` (20 bytes): who paid ("in"), or who will be paid ("out").

    Each answer is told to `topic` with `payload`; the handler must be repeatable and read
    `clearance` again. The same reference gives the same id. Raises ReferenceDiffers when the
    reference was used for other facts.
    """
    return requests(uow, [question])[0]


def requests(uow: UnitOfWork, questions: Sequence[Question]) -> list[UUID]:
    """Many such questions by one statement; one id a question, in their order."""
    if not questions:
        return []
    rows = [_row(uow, question) for question in questions]
    made = repository.add_requests(uow, rows)
    return [row["id"] if row["id"] in made else _asked_before(uow, row) for row in rows]


def _row(uow: UnitOfWork, question: Question) -> dict[str, Any]:
    direction, subject = question["direction"], question["subject"]
    intent, deposit = question.get("intent"), question.get("deposit")
    check(len(subject) == 20, "a screening subject is an address of 20 bytes")
    check(
        (direction == "in") == (deposit is not None) and (direction == "out") == bool(intent),
        'an "in" request has a deposit, an "out" request an intent',
    )
    return {
        "organisation_id": question["organisation_id"],
        "direction": direction,
        "reference": question["reference"],
        "subject": subject,
        "intent": intent,
        "deposit": None if deposit is None else _deposit_json(deposit),
        "topic": question["topic"],
        "payload": dict(question["payload"]),
        "id": uow.new_id(),
        "requested_at": uow.now,
        "request_trace": uow.request_id,
    }


def _asked_before(uow: UnitOfWork, row: Mapping[str, Any]) -> UUID:
    key = {name: row[name] for name in ("organisation_id", "direction", "reference")}
    found = uow.session.scalars(select(ScreeningRequest).filter_by(**key)).one()
    if any(getattr(found, name) != row[name] for name in _FACTS):
        raise ReferenceDiffers(
            f"The reference {row['reference']} was screened before for another address or another "
            "movement; use a new reference."
        )
    return found.id


def clearance(uow: UnitOfWork, request_id: UUID) -> ScreeningView:
    """The latest answer, with the signed clearance when it is CLEAR. Raises RequestUnknown.

    EXPIRED when the clearance's time is over: the screener renews it by itself.
    """
    found = _request(uow, request_id)
    verdict = uow.session.get(ScreeningVerdict, (found.organisation_id, found.id, found.revision))
    state = found.state
    outdated = (found.list_version or 0) < repository.newest_version(uow)
    if state == "CLEAR" and outdated and found.finished_at is None:
        state = "QUEUED"  # a newer list is in; the screener will say so in a moment
    elif state == "CLEAR" and (found.valid_until is None or found.valid_until <= uow.now):
        state = "EXPIRED"
    clear = verdict if state == "CLEAR" else None
    told = {"QUEUED": _REASON_QUEUED, "EXPIRED": _REASON_EXPIRED}
    return ScreeningView(
        request_id=found.id,
        state=cast("ScreeningState", state),
        direction=cast("Direction", found.direction),
        subject=found.subject,
        reference=found.reference,
        list_version=found.list_version,
        judged_at=found.judged_at,
        valid_until=found.valid_until,
        document=clear.document if clear else None,
        signature=clear.signature if clear else None,
        reason=told.get(state) or (verdict.reason if verdict else _REASON_QUEUED),
    )


def accept_nobodys(uow: UnitOfWork, request_id: UUID, why: str) -> None:
    """Compliance takes money that nobody paid: the screener clears it in a moment, and says by
    whose word. Repeatable; the first reason stays. Raises RequestUnknown, PayerIsSomebody.
    """
    found = _request(uow, request_id)
    if found.direction != "in" or found.subject != rules.ZERO_ADDRESS:
        raise PayerIsSomebody(
            "Somebody paid this money, so the lists judge it and no person's word clears it; look "
            "at what screening says."
        )
    by = f"{uow.actor.kind}:{uow.actor.id}"
    kept = {"organisation_id": found.organisation_id, "request_id": found.id, "why": why}
    insertion = insert(ScreeningAcceptance).values(**kept, accepted_by=by, at=uow.now)
    uow.session.execute(insertion.on_conflict_do_nothing())
    auditlog.append(uow, "screening.nobodys_accepted", str(found.id), {"why": why, "by": by})


def finish(uow: UnitOfWork, request_id: UUID) -> None:
    """Say that the money is final: new lists do not ask again. Raises RequestUnknown."""
    found = _request(uow, request_id)
    if found.finished_at is None:
        found.finished_at = uow.now


def finish_all(uow: UnitOfWork, request_ids: Sequence[UUID]) -> None:
    """The same of many, by one statement; unknown ones are left out."""
    if request_ids:
        uow.execute(
            "UPDATE screening_request SET finished_at = %s WHERE id = ANY(%s::uuid[])"
            " AND finished_at IS NULL",
            (uow.now, arrays.uuids(request_ids)),
        )


def import_list(
    uow: UnitOfWork,
    *,
    name: str,
    source: str,
    content: bytes,
    form: ListForm = "plain",
    overflow: bytes = b"",
) -> ListVersion:
    """Make `content` the list `name`: a new version, and everything not yet final is asked again.

    `overflow`: OFAC's SDN_COMMENTS.CSV, for the form "ofac_sdn". The very same content again gives
    the version that it made. Raises ListInvalid, also for a list without any address: an empty
    list would clear everybody.
    """
    parsed = (
        rules.parse_plain(content) if form == "plain" else rules.parse_ofac_sdn(content, overflow)
    )
    if not parsed.entries:
        raise ListInvalid(
            f"The list {name} holds no address, so it would clear everybody. Check the file and "
            f"its form; {len(parsed.refused)} lines were refused."
        )
    repository.wait_for_imports(uow)
    content_hash = hashlib.sha256(content + overflow).digest()
    latest = _latest(uow, name)
    if latest is not None and (latest.content_hash, latest.form) == (content_hash, form):
        return _list_view(latest)
    version = repository.newest_version(uow) + 1
    changes = _changes(repository.entries_of(uow, name), parsed.entries, name, version)
    row = ScreeningListVersion(
        version=version,
        list_name=name,
        source=source,
        form=form,
        content_hash=content_hash,
        total=len(parsed.entries),
        added=sum(change.listed for change in changes),
        removed=sum(not change.listed for change in changes),
        refused=[
            {"line": line.line, "text": line.text, "why": line.why}
            for line in parsed.refused[: rules.REFUSED_KEPT_MAX]
        ],
        imported_by=f"{uow.actor.kind}:{uow.actor.id}",
        imported_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    repository.add_changes(uow, changes)
    body = {
        "version": version,
        "source": source,
        "form": form,
        "content_hash": to_hex(content_hash),
        "total": row.total,
        "added": row.added,
        "removed": row.removed,
        "refused": len(parsed.refused),
    }
    auditlog.append(uow, "screening.list_imported", name, body)
    return _list_view(row)


def lists(uow: UnitOfWork) -> list[ListVersion]:
    """The newest version of each list, by name."""
    newest = select(func.max(ScreeningListVersion.version)).group_by(ScreeningListVersion.list_name)
    rows = uow.session.scalars(
        select(ScreeningListVersion)
        .where(ScreeningListVersion.version.in_(newest))
        .order_by(ScreeningListVersion.list_name)
    )
    return [_list_view(row) for row in rows]


def _changes(
    before: Mapping[bytes, str], after: Mapping[bytes, str], name: str, version: int
) -> list[repository.EntryChange]:
    """What differs: gone, new, or listed under another label."""
    gone = [
        repository.EntryChange(version, name, address, False, before[address])
        for address in sorted(before.keys() - after.keys())
    ]
    new = [
        repository.EntryChange(version, name, address, True, label)
        for address, label in sorted(after.items())
        if before.get(address) != label
    ]
    return gone + new


def _request(uow: UnitOfWork, request_id: UUID) -> ScreeningRequest:
    query = select(ScreeningRequest).where(ScreeningRequest.id == request_id)
    if uow.organisation_id is not None:
        query = query.where(ScreeningRequest.organisation_id == uow.organisation_id)
    found = uow.session.scalars(query).one_or_none()
    if found is None:
        raise RequestUnknown(f"There is no screening request {request_id} here.")
    return found


def _latest(uow: UnitOfWork, name: str) -> ScreeningListVersion | None:
    return uow.session.scalars(
        select(ScreeningListVersion)
        .filter_by(list_name=name)
        .order_by(ScreeningListVersion.version.desc())
        .limit(1)
    ).one_or_none()


def _list_view(row: ScreeningListVersion) -> ListVersion:
    return ListVersion(
        name=row.list_name,
        version=row.version,
        source=row.source,
        form=cast("ListForm", row.form),
        content_hash=row.content_hash,
        total=row.total,
        added=row.added,
        removed=row.removed,
        refused=tuple(RefusedLine(**line) for line in row.refused),
        imported_by=row.imported_by,
        imported_at=row.imported_at,
    )


def _deposit_json(deposit: DepositFacts) -> dict[str, Any]:
    return {
        "chain_id": deposit.chain_id,
        "tx_hash": to_hex(deposit.tx_hash),
        "log_index": deposit.log_index,
        "token": None if deposit.token is None else to_hex(deposit.token),
        "address": to_hex(deposit.address),
        "units": str(deposit.units),
    }
