"""Group commit: a command is a whole unit of work, in a batch or alone."""

import json
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from strongroom.db.database import Database
from strongroom.db.errors import CommitUnknown, DatabaseUnavailable, IdempotencyConflict
from strongroom.ledger.commands import OutboxRow
from strongroom.ledger.encoding import CommandUnwritable
from strongroom.ledger.errors import PostingRefused
from strongroom.ledger.writer import PostingWriter, WriterBusy
from tests.factories.books import ACTOR, make_books


@pytest.fixture
def writer(books):
    made = PostingWriter(books.database)
    made.start()
    yield made
    made.stop()


def _count(books, table: str) -> int:
    with books.database.read(books.organisation, ACTOR) as uow:
        return uow.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def _records(books) -> int:
    with books.connect("strongroom_relay", pool_size=1).read(None, ACTOR) as uow:
        return uow.execute("SELECT count(*) FROM log_pending").fetchone()[0]


def test_a_command_leaves_everything_or_nothing(books, writer):
    books.fund("client:a", 100)
    before = _records(books)
    command = books.command("one", ("client:a", "client:b", 60))
    object.__setattr__(command, "outbox", (OutboxRow("webhooks.send", "one", {"n": 1}),))
    stored = writer.submit(command).result(10)
    assert (stored.status, json.loads(stored.body)) == (201, {"key": "one"})
    with pytest.raises(PostingRefused) as refused:
        writer.submit(books.command("two", ("client:a", "client:b", 60))).result(10)
    assert refused.value.code == "ledger.insufficient_funds"
    assert books.balance("client:b").posted == 60
    assert (_count(books, "idempotency"), _count(books, "outbox")) == (1, 1)
    assert _records(books) - before == 1
    books.assert_sound()


def test_same_key_and_body_give_the_identical_answer_other_body_is_refused(books, writer):
    books.fund("client:a", 100)
    command = books.command("k", ("client:a", "client:b", 60))
    other = books.command("k", ("client:a", "client:b", 61), body_hash=b"x" * 32)
    first = [writer.submit(command) for _ in range(5)]
    clash = writer.submit(other)
    answers = {future.result(10) for future in first}
    assert answers == {writer.submit(command).result(10)}
    for future in (clash, writer.submit(other)):
        with pytest.raises(IdempotencyConflict):
            future.result(10)
    assert books.balance("client:b").posted == 60


def test_a_refused_command_leaves_its_key_free(books, writer):
    command = books.command("k", ("client:a", "client:b", 60))
    with pytest.raises(PostingRefused):
        writer.submit(command).result(10)
    books.fund("client:a", 100)
    assert writer.submit(command).result(10).status == 201


def test_a_full_batch_of_several_organisations_is_one_commit(books, connect, writer):
    others = [books, *(make_books(connect) for _ in range(3))]
    for one in others:
        one.fund("client:a", 1_000)
    futures = [
        writer.submit(one.command(f"{n}", ("client:a", "client:b", 1)))
        for n in range(100)
        for one in others
    ]
    wait(futures, 30)
    assert {future.result().status for future in futures} == {201}
    assert [one.balance("client:b").posted for one in others] == [100] * 4
    books.assert_sound()


@pytest.mark.parametrize("committed", [True, False])
def test_after_an_unknown_commit_the_same_batch_is_sent_again(books, committed, monkeypatch):
    """The connection breaks in the commit; whether it took effect or not, the end is the same."""
    books.fund("client:a", 100)
    whole = Database.unit
    broken: list[int] = []

    @contextmanager
    def unit(self, *args, **named):
        if broken:
            with whole(self, *args, **named) as uow:
                yield uow
            return
        broken.append(1)
        if committed:
            with whole(self, *args, **named) as uow:
                yield uow
        else:
            with suppress(ZeroDivisionError), whole(self, *args, **named) as uow:
                yield uow
                raise ZeroDivisionError
        raise CommitUnknown("the connection broke")

    monkeypatch.setattr(Database, "unit", unit)
    writer = PostingWriter(books.database)
    writer.start()
    futures = [writer.submit(books.command(f"{n}", ("client:a", "client:b", 1))) for n in range(20)]
    assert {future.result(10).status for future in futures} == {201}
    writer.stop()
    monkeypatch.undo()
    assert broken
    assert books.balance("client:b").posted == 20
    books.assert_sound()


def test_a_stopped_writer_says_so_and_finishes_what_it_took(books):
    books.fund("client:a", 100)
    writer = PostingWriter(books.database)
    with pytest.raises(WriterBusy):
        writer.check()
    writer.start()
    writer.check()
    futures = [writer.submit(books.command(f"{n}", ("client:a", "client:b", 1))) for n in range(50)]
    writer.stop()
    assert {future.result(0).status for future in futures} == {201}
    with pytest.raises(WriterBusy):
        writer.submit(books.command("late", ("client:a", "client:b", 1))).result(1)


def test_without_a_database_the_caller_hears_it(books, writer, monkeypatch):
    @contextmanager
    def unit(*_args, **_named):
        raise DatabaseUnavailable("away")
        yield

    monkeypatch.setattr(Database, "unit", unit)
    with pytest.raises(DatabaseUnavailable):
        writer.submit(books.command("k", ("client:a", "client:b", 1))).result(10)


UNWRITABLE: dict[str, dict[str, Any]] = {
    "a lone surrogate in the key": {"key": "transfer:\ud800"},
    "a lone surrogate in the memo": {"memo": {"reference": "\udfff"}},
    "a zero byte in the memo": {"memo": {"reference": "a\0b"}},
    "a zero byte in the key": {"key": "transfer:\0"},
    "a kind that is no text": {"kind": 7},
}


@pytest.mark.parametrize("fault", UNWRITABLE)
def test_a_record_that_can_not_be_encoded_fails_alone(books, writer, fault):
    books.fund("client:a", 100)
    bad = books.command("bad", ("client:a", "client:b", 1))
    object.__setattr__(bad, "posting", replace(bad.posting, **UNWRITABLE[fault]))
    good = [books.command(f"{n}", ("client:a", "client:b", 1)) for n in range(6)]
    futures = [writer.submit(one) for one in (*good[:3], bad, *good[3:])]
    failed = futures.pop(3)
    with pytest.raises(CommandUnwritable):
        failed.result(10)
    assert {future.result(10).status for future in futures} == {201}
    assert books.balance("client:b").posted == 6
    books.assert_sound()


def test_an_answer_that_can_not_be_encoded_fails_alone(books, writer):
    books.fund("client:a", 100)
    bad = replace(books.command("bad", ("client:a", "client:b", 1)), answer={"note": "\ud800"})
    with pytest.raises(CommandUnwritable):
        writer.submit(bad).result(10)


def test_what_postgres_does_not_take_fails_alone_too(books):
    """A key over its length is seen by nobody before the INSERT: the batch is halved to find it."""
    books.fund("client:a", 100)
    writer = PostingWriter(books.database)
    good = [books.command(f"{n}", ("client:a", "client:b", 1)) for n in range(9)]
    bad = books.command("k" * 150, ("client:a", "client:b", 1))
    object.__setattr__(bad, "posting", replace(bad.posting, key="transfer:" + "k" * 200))
    futures = [writer.submit(one) for one in (*good[:4], bad, *good[4:])]
    writer.start()  # all of it waits, so it is one batch
    failed = futures.pop(4)
    with pytest.raises(psycopg.errors.CheckViolation):
        failed.result(10)
    assert {future.result(10).status for future in futures} == {201}
    writer.stop()
    assert books.balance("client:b").posted == 9
    books.assert_sound()
