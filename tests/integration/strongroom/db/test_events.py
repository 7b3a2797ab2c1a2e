"""What happened is kept once, in its subject's order, and only for who listens (P4, P10)."""

from uuid import UUID

import psycopg
import pytest

from strongroom.db import events, retry
from strongroom.db.events import Event
from strongroom.kit.ids import HOUSE
from tests.factories.books import ACTOR, make_organisation


@pytest.fixture
def listening(connect) -> UUID:
    organisation = make_organisation(connect.found)
    with connect("strongroom_api").unit(organisation, ACTOR) as uow:
        uow.execute("INSERT INTO event_listener VALUES (%s, now())", (organisation,))
    return organisation


def _event(organisation: UUID, key: str, kind: str, subject: str = "deposit:1", **more) -> Event:
    return Event(organisation, key, kind, subject, {"units": "7"}, **more)


def _rows(connect, organisation: UUID) -> list[tuple]:
    with connect("strongroom_api").read(organisation, ACTOR) as uow:
        return uow.execute(
            "SELECT subject, number, type, retracts, id FROM event ORDER BY subject, number"
        ).fetchall()


def test_events_are_numbered_in_their_subjects_order_over_units_and_batches(connect, listening):
    indexer = connect("strongroom_indexer", pool_size=1)
    for n in range(2):
        with indexer.unit(None, ACTOR) as uow:
            events.announce(
                uow,
                [
                    _event(listening, f"a{n}", "deposit.seen"),
                    _event(listening, f"b{n}", "deposit.seen", "deposit:2"),
                    _event(listening, f"c{n}", "deposit.confirmed"),
                ],
            )
    found = [(subject, number, kind) for subject, number, kind, *_ in _rows(connect, listening)]
    assert found == [
        ("deposit:1", 1, "deposit.seen"),
        ("deposit:1", 2, "deposit.confirmed"),
        ("deposit:1", 3, "deposit.seen"),
        ("deposit:1", 4, "deposit.confirmed"),
        ("deposit:2", 1, "deposit.seen"),
        ("deposit:2", 2, "deposit.seen"),
    ]


def test_a_key_makes_an_event_once_and_one_message_carries_a_units_events(connect, listening):
    worker = connect("strongroom_worker", pool_size=1)
    for keys in ("ab", "ab", "bcd"):
        with worker.unit(listening, ACTOR, request_id=f"r-{keys}") as uow:
            events.announce(uow, [_event(listening, key, "deposit.seen") for key in keys])
    rows = _rows(connect, listening)
    assert [number for _, number, *_ in rows] == [1, 2, 3, 4]
    with worker.read(listening, ACTOR) as uow:
        sent = uow.execute(
            "SELECT topic, request_id, payload FROM outbox ORDER BY request_id"
        ).fetchall()
    ids = [str(row[-1]) for row in rows]
    assert [(topic, trace) for topic, trace, _ in sent] == [
        ("webhooks.event", "r-ab"),
        ("webhooks.event", "r-bcd"),
    ]
    assert [set(payload["event_ids"]) for *_, payload in sent] == [set(ids[:2]), set(ids[2:])]


def test_what_did_not_last_is_taken_back_by_its_ids_and_only_once(connect, listening):
    worker = connect("strongroom_worker", pool_size=1)
    taken = ("deposit.seen", "deposit.confirmed")
    kinds = ("seen", "confirmed", "finalized", "reversed", "seen", "reversed")
    for n, kind in enumerate(kinds):
        with worker.unit(listening, ACTOR) as uow:
            back = taken if kind == "reversed" else ()
            events.announce(uow, [_event(listening, f"{n}", f"deposit.{kind}", takes_back=back)])
    rows = _rows(connect, listening)
    ids = [row[-1] for row in rows]
    retracted = [row[3] for row in rows]
    assert retracted == [[], [], [], ids[:2], [], [ids[4]]]


def test_nothing_is_kept_for_an_organisation_that_does_not_listen(connect, listening):
    deaf = make_organisation(connect.found)
    with connect("strongroom_relay").unit(None, ACTOR) as uow:
        events.announce(
            uow, [_event(deaf, "a", "deposit.seen"), _event(HOUSE, "a", "chain.halted")]
        )
        assert uow.execute("SELECT count(*) FROM event").fetchone() == (0,)
        assert uow.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
        events.announce(uow, [_event(listening, "a", "deposit.seen")])
        assert len(events.listening(uow, [_event(deaf, "b", "deposit.seen")])) == 0
    assert _rows(connect, deaf) == []
    assert len(_rows(connect, listening)) == 1


def test_an_event_is_never_rewritten(connect, listening):
    with connect("strongroom_worker").unit(listening, ACTOR) as uow:
        events.announce(uow, [_event(listening, "a", "deposit.seen")])
    with psycopg.connect(connect.found.conninfo(), autocommit=True) as superuser:
        for statement in ("UPDATE event SET number = 9", "DELETE FROM event"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                superuser.execute(statement)


def test_an_event_of_a_unit_that_fails_never_was(connect, listening):
    def work(uow) -> None:
        events.announce(uow, [_event(listening, "a", "deposit.seen")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        retry.run(connect("strongroom_worker"), listening, ACTOR, work)
    assert _rows(connect, listening) == []
