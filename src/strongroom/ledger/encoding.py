"""A command as it will be written, encoded before it meets the others of its batch.

What can't be encoded fails alone, at the caller's, and never inside a transaction of many.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from strongroom.auditlog import record as records
from strongroom.kit.errors import Impossible, Invalid
from strongroom.ledger import rules
from strongroom.ledger.commands import OutboxRow, PostingCommand
from strongroom.ledger.types import Posting

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class CommandUnwritable(Invalid):
    """The command holds what neither JSON nor PostgreSQL can keep."""

    code = "ledger.command_unwritable"


@dataclass(frozen=True, slots=True)
class Encoded:
    """`record` is the audit record before and after its moment, `rows` what it commits to."""

    slot: tuple[UUID, str]
    posting: Posting
    request_id: str
    body_hash: bytes
    status: int
    outbox: tuple[OutboxRow, ...]
    answer: str
    rows: bytes
    record: tuple[bytes, bytes]

    @property
    def idempotency_key(self) -> str:
        """The key of its slot."""
        return self.slot[1]


def encode(command: PostingCommand) -> Encoded:
    """All of a command that its moment does not change. Raises CommandUnwritable."""
    posting = command.posting
    try:
        _check_texts(command)
        rows, rows_root = records.encode_rows([rules.row(posting)])
        record = records.around_the_moment(
            organisation_id=posting.organisation_id,
            actor=command.actor,
            request_id=command.request_id,
            action=command.action,
            subject=posting.key,
            body={"kind": posting.kind, "phase": posting.phase},
            rows_root=rows_root,
        )
        answer = answer_text(command.answer)
        answer.encode()
    except (Impossible, TypeError, ValueError) as error:
        raise CommandUnwritable(
            f"This request can't be written down: {error}. Nothing was changed; correct its text."
        ) from error
    return Encoded(
        slot=command.slot,
        posting=posting,
        request_id=command.request_id,
        body_hash=command.body_hash,
        status=command.status,
        outbox=command.outbox,
        answer=answer,
        rows=rows,
        record=record,
    )


def answer_text(answer: Mapping[str, object]) -> str:
    """The JSON text that is stored and given back."""
    return _ENCODE(dict(answer))


def _check_texts(command: PostingCommand) -> None:
    for text in _texts(command):
        if b"\0" in str.encode(text):  # a TypeError for what is no text
            raise ValueError("PostgreSQL keeps no text with a zero byte")


def _texts(command: PostingCommand) -> Iterator[str]:
    """Every text of it that goes to PostgreSQL as such."""
    posting = command.posting
    yield from (command.idempotency_key, command.request_id, posting.key, posting.kind)
    yield posting.refers_to or ""
    for leg in posting.legs:
        yield from (leg.debit, leg.credit, leg.asset)
    for name, text in posting.memo.items():
        yield from (name, text)
    for row in command.outbox:
        yield from (row.topic, row.key, answer_text(row.payload))
