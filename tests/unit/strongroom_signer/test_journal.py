"""The journal refuses to forget: append-only tables, a hash chain, all or nothing."""

import sqlite3
import time
from pathlib import Path

import pytest

from strongroom_signer.clock import FixedClock
from strongroom_signer.errors import Impossible, Refused, Unfit
from strongroom_signer.journal.schema import TABLES
from strongroom_signer.journal.store import (
    GAP_MARGIN,
    IDLE_MARGIN,
    MARK_BLOCK,
    RESERVE_MARGIN,
    Journal,
    Mark,
)
from strongroom_signer.journal.wal import wal_moved


class OneMark:
    """Where the token would keep it."""

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self.writes = 0

    def read(self) -> Mark | None:
        return self.mark

    def write(self, mark: Mark) -> None:
        self.mark = mark
        self.writes += 1


def opened(path: Path, marks: OneMark) -> Journal:
    journal = Journal(path / "journal.sqlite", FixedClock(1_800_000_000), marks)
    journal.begin()
    return journal


def add_receipts(journal: Journal, count: int) -> None:
    for number in range(count):
        with journal.unit():
            journal.receipt({"op": "test", "number": number})


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path / "journal.sqlite", isolation_level=None)


def test_every_table_refuses_update_and_delete(tmp_path: Path) -> None:
    opened(tmp_path, OneMark()).close()
    store = raw(tmp_path)
    names = {row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == set(TABLES)
    for table in names:
        triggers = store.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
        ).fetchone()
        assert triggers == (2,)
    for change in ("UPDATE receipt SET body = ''", "DELETE FROM receipt"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.execute(change)
    store.close()


def test_a_new_request_looks_through_no_table_that_refers_to_it(tmp_path: Path) -> None:
    """SQLite searches every child of a deferred reference whenever a parent is added."""
    opened(tmp_path, OneMark()).close()
    store = raw(tmp_path)
    for table in TABLES:
        for reference in store.execute(f"PRAGMA foreign_key_list({table})").fetchall():
            if reference[2] == "request":
                found = store.execute(
                    f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {reference[3]} = x'00'"
                ).fetchall()
                assert "USING" in found[0][3], (table, found)
    store.close()


def test_a_changed_receipt_breaks_the_chain(tmp_path: Path) -> None:
    marks = OneMark()
    journal = opened(tmp_path, marks)
    add_receipts(journal, 3)
    journal.verify_chain()
    journal.close()
    store = raw(tmp_path)
    store.execute("DROP TRIGGER receipt_no_update")
    store.execute("UPDATE receipt SET body = replace(body, '\"number\":1', '\"number\":9')")
    store.close()
    again = Journal(tmp_path / "journal.sqlite", FixedClock(1_800_000_000), marks)
    with pytest.raises(Unfit, match="receipt 3 does not fit"):
        again.verify_chain()
    again.close()


def test_a_unit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path, OneMark())
    size, head = journal.size, journal.head

    def fail() -> None:
        with journal.unit():
            journal.add("list_version", 7, 0)
            journal.receipt({"op": "test"})
            raise Refused("some_reason", "and nothing stays")

    with pytest.raises(Refused):
        fail()
    assert (journal.size, journal.head) == (size, head)
    assert journal.one("SELECT 1 FROM list_version") is None
    journal.close()


def fail_within(journal: Journal, *, nested: bool = False) -> None:
    """A unit that is refused after it wrote a row and a receipt."""
    with journal.unit():
        journal.add("list_version", 70 + nested, 0)
        journal.receipt({"op": "test"})
        if nested:
            fail_within(journal)
        raise Refused("some_reason", "and nothing stays")


def test_a_unit_within_a_unit_falls_alone(tmp_path: Path) -> None:
    marks = OneMark()
    journal = opened(tmp_path, marks)
    with journal.unit():
        journal.add("list_version", 1, 0)
        journal.receipt({"op": "test", "number": 1})
        size, head = journal.size, journal.head
        for nested in (False, True):
            with pytest.raises(Refused):
                fail_within(journal, nested=nested)
            assert (journal.size, journal.head) == (size, head)
        with journal.unit():
            journal.add("list_version", 2, 0)
            journal.receipt({"op": "test", "number": 2})
    assert journal.all("SELECT version FROM list_version") == [(1,), (2,)]
    assert journal.size == size + 1
    journal.verify_chain()
    journal.close()
    opened(tmp_path, marks).close()


def test_a_unit_within_a_unit_lasts_only_if_the_outer_one_does(tmp_path: Path) -> None:
    journal = opened(tmp_path, OneMark())
    size, head = journal.size, journal.head

    def fail_late() -> None:
        with journal.unit():
            with journal.unit():
                journal.add("list_version", 1, 0)
                journal.receipt({"op": "test"})
            raise Refused("some_reason", "and nothing stays")

    with pytest.raises(Refused):
        fail_late()
    assert (journal.size, journal.head) == (size, head)
    assert journal.one("SELECT 1 FROM list_version") is None
    add_receipts(journal, 2)
    journal.verify_chain()
    journal.close()


def test_after_sqlites_own_rollback_nothing_of_the_unit_is_kept(tmp_path: Path) -> None:
    """A full disk makes SQLite roll back by itself: what comes later must not stand alone."""
    journal = opened(tmp_path, OneMark())
    size, head = journal.size, journal.head

    def lose() -> None:
        with journal.unit():
            journal.add("list_version", 1, 0)
            with pytest.raises(Refused, match="cannot be written"), journal.unit():
                journal._connection.execute("ROLLBACK")
            with pytest.raises(Refused, match="cannot be written"), journal.unit():
                journal.add("list_version", 2, 0)

    with pytest.raises(Refused, match="cannot be written") as refusal:
        lose()
    assert refusal.value.retryable
    assert (journal.size, journal.head) == (size, head)
    assert journal.all("SELECT version FROM list_version") == []
    add_receipts(journal, 1)
    journal.verify_chain()
    journal.close()


def test_a_unit_that_would_outrun_the_reserve_is_undone(tmp_path: Path) -> None:
    marks = OneMark()
    journal = opened(tmp_path, marks)

    def write(count: int) -> None:
        with journal.unit():
            for number in range(count):
                journal.receipt({"op": "test", "number": number})

    for _ in range(3 * MARK_BLOCK // RESERVE_MARGIN):
        write(RESERVE_MARGIN - 1)
        assert marks.mark is not None
        assert journal.size <= marks.mark.reserved_to
    query = """SELECT count(*) FROM receipt WHERE body LIKE '%"op":"test"%' AND seq > ?"""
    size = journal.size
    with pytest.raises(Impossible, match="reserve"):
        write(MARK_BLOCK + 1)
    assert journal.one(query, size) == (0,)
    journal.verify_chain()
    journal.close()


def test_each_unit_is_synced_but_those_that_ask_not_to_be(tmp_path: Path) -> None:
    journal = opened(tmp_path, OneMark())
    levels = []
    for number in range(12):
        with journal.unit(synced=number % 3 == 0):
            # A text of its own each time, or the answer would be the cached one.
            levels.append(journal.all(f"PRAGMA synchronous -- {number}")[0][0])
    assert levels == [2, 1, 1] * 4, "2 is FULL, 1 is NORMAL"
    with pytest.raises(Refused), journal.unit(synced=False):
        raise Refused("some_reason", "and nothing stays")
    assert journal.all("PRAGMA synchronous -- last") == [(2,)]
    journal.close()


def test_the_mark_moves_at_each_start_each_block_and_the_clean_end(tmp_path: Path) -> None:
    marks = OneMark()
    journal = opened(tmp_path, marks)
    assert marks.writes == 1
    add_receipts(journal, MARK_BLOCK)
    assert marks.writes == 2
    journal.close()
    assert marks.writes == 3
    assert marks.mark is not None
    assert marks.mark.position == journal.size


def test_the_mark_moves_early_while_nobody_waits(tmp_path: Path) -> None:
    marks = OneMark()
    journal = opened(tmp_path, marks)
    add_receipts(journal, MARK_BLOCK - IDLE_MARGIN)
    journal.idle(True)
    assert marks.writes == 1
    add_receipts(journal, 1)
    journal.idle(True)
    journal.idle(True)
    assert marks.writes == 2
    add_receipts(journal, MARK_BLOCK - RESERVE_MARGIN)
    assert marks.writes == 2
    journal.close()


def test_between_requests_the_mark_moves_only_when_little_is_left(tmp_path: Path) -> None:
    """And a unit that says how few receipts it appends may use the block to its end."""
    marks = OneMark()
    journal = opened(tmp_path, marks)
    assert marks.mark is not None
    block_end = marks.mark.reserved_to

    def fill(left: int) -> None:
        while journal.size < block_end - left:
            with journal.unit(receipts=1):
                journal.receipt({"op": "test"})
            journal.idle(False)

    fill(GAP_MARGIN)
    assert marks.writes == 1
    fill(GAP_MARGIN - 1)
    assert marks.writes == 2
    block_end = marks.mark.reserved_to
    while marks.writes == 2:
        with journal.unit(receipts=3):
            for _ in range(3):
                journal.receipt({"op": "test"})
    assert block_end - 3 < journal.size - 3 <= block_end
    journal.verify_chain()
    journal.close()


def test_what_was_reserved_holds_when_the_mark_cannot_be_renewed(tmp_path: Path) -> None:
    """A full disk for an hour, and the journal still ends within what the token knows."""
    marks = OneMark()
    journal = opened(tmp_path, marks)
    add_receipts(journal, MARK_BLOCK - IDLE_MARGIN + 1)
    journal._connection.execute("PRAGMA query_only = ON")
    journal.idle(True)
    journal._connection.execute("PRAGMA query_only = OFF")
    assert marks.writes == 1
    add_receipts(journal, MARK_BLOCK)
    assert marks.writes == 2
    assert marks.mark is not None
    assert journal.size <= marks.mark.reserved_to
    journal.close()


def test_a_journal_behind_its_mark_or_beyond_its_reserve_is_refused(tmp_path: Path) -> None:
    marks = OneMark()
    opened(tmp_path, marks).close()
    mark = marks.mark
    assert mark is not None
    for wrong in (
        Mark(mark.epoch, mark.position + 1, mark.head, mark.reserved_to),
        Mark(mark.epoch, mark.position, "00" * 32, mark.reserved_to),
        Mark(mark.epoch, mark.position, mark.head, mark.position - 1),
        Mark(mark.epoch + 1, mark.position, mark.head, mark.reserved_to),
    ):
        marks.mark = wrong
        journal = Journal(tmp_path / "journal.sqlite", FixedClock(1_800_000_000), marks)
        with pytest.raises(Unfit, match="older or foreign"):
            journal.begin()
        journal.close()
    marks.mark = None
    journal = Journal(tmp_path / "journal.sqlite", FixedClock(1_800_000_000), marks)
    with pytest.raises(Unfit, match="no mark"):
        journal.begin()
    journal.close()


def test_two_signers_never_share_a_journal(tmp_path: Path) -> None:
    first = opened(tmp_path, OneMark())
    with pytest.raises(Unfit, match="another signer"):
        opened(tmp_path, OneMark())
    first.close()


def test_a_clock_behind_the_journal_stops_the_start(tmp_path: Path) -> None:
    marks = OneMark()
    opened(tmp_path, marks).close()
    journal = Journal(tmp_path / "journal.sqlite", FixedClock(1_799_999_999), marks)
    with pytest.raises(Unfit, match="clock"):
        journal.begin()
    journal.close()


def test_what_is_remembered_is_forgotten_with_the_unit_that_is_rolled_back(tmp_path: Path) -> None:
    journal = opened(tmp_path, OneMark())
    query = "SELECT max(version) FROM list_version"

    def seen() -> object:
        return journal.remembered(("list",), lambda: journal.all(query)[0][0])

    def fail_after_reading() -> None:
        with journal.unit():
            journal.add("list_version", 7, journal.clock.now())
            assert seen() == 7
            raise Refused("test", "undone")

    assert seen() is None
    with pytest.raises(Refused):
        fail_after_reading()
    assert seen() is None
    with journal.unit():
        with pytest.raises(Refused):
            fail_after_reading()
        assert seen() is None
        journal.add("list_version", 8, journal.clock.now())
    assert seen() == 8
    journal.close()


def test_what_is_committed_moves_into_the_store_beside_its_writer(tmp_path: Path) -> None:
    journal = opened(tmp_path, OneMark())
    path, before = tmp_path / "journal.sqlite", (tmp_path / "journal.sqlite").stat().st_size
    with wal_moved(path):
        add_receipts(journal, 200)
        deadline = time.monotonic() + 20
        while path.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert path.stat().st_size > before
    journal.verify_chain()
    journal.close()
