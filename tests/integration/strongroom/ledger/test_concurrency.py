"""P4: no deadlock at 64 writers, and duplicates at the same moment are one posting."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

from strongroom.db import retry
from strongroom.db.errors import TransactionConflict
from strongroom.ledger import service
from tests.factories.books import ACTOR, Books, make_books

WRITERS = 64


def _together(work, count: int) -> list:
    barrier = threading.Barrier(count)

    def run(number: int):
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_64_writers_meet_no_deadlock_and_no_sum_is_lost(connect):
    books = make_books(connect, pool_size=WRITERS)
    books.open(codes=[f"client:{number}" for number in range(8)])
    for number in range(8):
        books.fund(f"client:{number}", 1_000)

    def write(number: int) -> int:
        chance = random.Random(number)
        taken = 0
        for step in range(6):
            pairs = [chance.sample(range(8), 2) for _ in range(3)]
            postings = [
                books.posting(f"{number}-{step}-{n}", (f"client:{a}", f"client:{b}", 1))
                for n, (a, b) in enumerate(pairs)
            ]
            taken += books.codes_of(*postings).count("posted")
        return taken

    assert sum(_together(write, WRITERS)) == WRITERS * 6 * 3
    with books.database.read(books.organisation, ACTOR) as uow:
        found = service.balances(uow, books.organisation)
    clients = [one for one in found if one.code[7:].isdigit()]
    assert sum(one.posted for one in clients) == 8 * 1_000
    books.assert_sound()


def _batch(books: Books, keys: list[int]) -> list[str]:
    """Post the batch; a lost race for a key is run again, a deadlock fails the test."""
    postings = [books.posting(f"k{key}", ("fiat:bank:main", "house:fees", 1)) for key in keys]
    for _ in range(20):
        try:
            with books.door.unit(books.organisation, ACTOR) as uow:
                return [result.outcome for result in service.post(uow, postings)]
        except TransactionConflict as conflict:
            if not isinstance(conflict.__cause__, psycopg.errors.SerializationFailure):
                raise
    raise AssertionError("twenty lost races in a row")


def test_two_batches_with_the_same_keys_in_other_order_are_one(connect):
    """House accounts are not locked, so only the sorted keys keep the two apart."""
    books = make_books(connect)
    keys = list(range(400))
    for turn in range(6):
        mine = [turn * 1_000 + key for key in keys]
        outcomes = _together(lambda n, mine=mine: _batch(books, mine if n % 2 else mine[::-1]), 4)
        for position in range(len(keys)):
            taken = [one[position if n % 2 else -1 - position] for n, one in enumerate(outcomes)]
            assert sorted(taken) == ["posted", "replayed", "replayed", "replayed"]
    assert books.balance("house:fees").posted == 6 * len(keys)


def test_duplicates_at_the_same_moment_are_one_posting(books):
    books.fund("client:a", 100)

    def write(_: int) -> str:
        posting = books.posting("same", ("client:a", "client:b", 10))

        def work(uow):
            return service.post(uow, [posting])[0].outcome

        return retry.run(books.door, books.organisation, ACTOR, work)

    assert sorted(_together(write, 12)) == ["posted"] + ["replayed"] * 11
    assert books.balance("client:b").posted == 10


def test_a_hold_that_two_resolve_at_once_is_resolved_once(books):
    books.fund("client:a", 100)
    for turn in range(5):
        hold = books.posting(f"hold-{turn}", ("client:a", "fiat:bank:main", 10), phase="hold")
        assert books.codes_of(hold) == ["posted"]

        def end(number: int, turn: int = turn) -> str:
            phase = ("post", "void")[number % 2]
            posting = books.posting(f"end-{turn}-{number}", phase=phase, refers_to=f"hold-{turn}")
            return books.codes_of(posting)[0]

        assert sorted(_together(end, 6)) == ["ledger.hold_resolved"] * 5 + ["posted"]
    books.assert_sound()
