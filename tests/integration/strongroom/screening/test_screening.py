"""P7: screening fails closed. Anything but CLEAR holds the money, and every answer is kept."""

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.kit.errors import StrongroomError
from strongroom.screening import repository, service
from strongroom.screening.errors import ListInvalid, ReferenceDiffers, RequestUnknown
from strongroom.screening.screener import ACTOR
from strongroom_protocol.evidence import EvidenceRefused, open_clearance
from tests.integration.strongroom.screening.conftest import (
    DEPOSIT,
    INNOCENT,
    LISTED,
    OFFICER,
    ONE,
    TWO,
    Room,
    text,
)


def test_without_any_list_the_answer_is_an_error_and_the_money_is_held(room: Room) -> None:
    request = room.ask(INNOCENT)
    assert room.answer(request).state == "QUEUED"
    screener = room.screener()
    assert screener.step()
    found = room.answer(request)
    assert (found.state, found.document, found.signature) == ("ERROR", None, None)
    with pytest.raises(RuntimeError, match="No list"):
        screener.check_lists()
    assert not screener.step(), "without a list nothing is asked again"


def test_the_first_list_answers_what_was_held_for_want_of_one(room: Room) -> None:
    request = room.ask(INNOCENT)
    screener = room.screener()
    screener.step()
    room.import_list(text(LISTED))
    while screener.step():
        pass
    assert room.answer(request).state == "CLEAR"


def test_a_clear_answer_carries_a_clearance_that_the_signer_accepts(room: Room) -> None:
    room.import_list(text(LISTED))
    request = room.ask(INNOCENT)
    room.screener().step()
    found = room.answer(request)
    assert found.state == "CLEAR"
    assert found.document is not None
    assert found.signature is not None
    now = int(room.clock.now().timestamp())
    public = room.key.public_key().public_bytes_raw()
    cleared = open_clearance(
        found.document, found.signature, public, organisation=str(ONE), now=now
    )
    assert cleared.subject == INNOCENT
    assert cleared.deposit is not None
    assert cleared.deposit.units == DEPOSIT.units
    assert cleared.list_version == 1
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(EvidenceRefused):
        open_clearance(found.document, found.signature, stranger, organisation=str(ONE), now=now)


def test_a_listed_payer_is_a_hit_without_a_clearance_and_opens_one_alert(room: Room) -> None:
    room.import_list(text(LISTED))
    request = room.ask(LISTED)
    screener = room.screener()
    screener.step()
    found = room.answer(request)
    assert (found.state, found.document, found.signature) == ("HIT", None, None)
    room.import_list(text(LISTED, bytes([0x67]) * 20))
    while screener.step():
        pass
    assert room.answer(request).list_version == 2
    with room.api.read(ONE, OFFICER) as uow:
        (alert,) = service.alerts(uow, ONE)
    assert (alert.kind, alert.state) == ("screening.hit", "OPEN")
    with room.api.read(TWO, OFFICER) as uow:
        assert service.alerts(uow, ONE) == []


def test_a_destination_is_cleared_for_one_intent_only(room: Room) -> None:
    room.import_list(text(LISTED))
    intent = bytes([9]) * 32
    asked = {
        "organisation_id": ONE,
        "direction": "out",
        "reference": "w1",
        "topic": "withdrawals.advance",
        "payload": {"withdrawal_id": "w1"},
        "intent": intent,
    }
    with room.api.unit(ONE, OFFICER) as uow:
        request = service.request(uow, subject=INNOCENT, **asked)  # type: ignore[arg-type]
        refused = service.request(uow, subject=LISTED, **asked | {"reference": "w2"})  # type: ignore[arg-type]
    room.screener().step()
    found = room.answer(request)
    assert found.document is not None
    assert found.document["intent"] == "0x" + intent.hex()
    assert room.answer(refused).state == "HIT"


def test_the_zero_address_is_unsupported_and_holds(room: Room) -> None:
    room.import_list(text(LISTED))
    request = room.ask(bytes(20))
    room.screener().step()
    found = room.answer(request)
    assert (found.state, found.document) == ("UNSUPPORTED", None)


def test_each_answer_tells_its_topic_in_the_same_unit(room: Room) -> None:
    room.import_list(text(LISTED))
    request = room.ask(INNOCENT)
    room.screener().step()
    told = room.rows("SELECT organisation_id, topic, key, payload FROM outbox")
    assert told == [(ONE, "deposits.settle", f"{request}:1", {"deposit_id": "d1"})]


def test_a_new_list_asks_again_what_is_not_final_and_only_that(room: Room) -> None:
    room.import_list(text(LISTED))
    open_one, final = room.ask(INNOCENT, "open"), room.ask(INNOCENT, "final")
    screener = room.screener()
    screener.step()
    with room.indexer.unit(None, OFFICER) as uow:
        service.finish(uow, final)
    room.import_list(text(LISTED, INNOCENT))
    while screener.step():
        pass
    assert room.answer(open_one).state == "HIT"
    assert room.answer(final).state == "CLEAR"
    history = room.rows("SELECT revision, state FROM screening_verdict ORDER BY 1, 2")
    assert history == [(1, "CLEAR"), (1, "CLEAR"), (2, "HIT")]


def test_a_removal_from_the_list_is_asked_again_too(room: Room) -> None:
    room.import_list(text(LISTED, INNOCENT))
    request = room.ask(INNOCENT)
    screener = room.screener()
    screener.step()
    assert room.answer(request).state == "HIT"
    version = room.import_list(text(LISTED))
    assert (version.added, version.removed, version.total) == (0, 1, 1)
    while screener.step():
        pass
    assert room.answer(request).state == "CLEAR"
    assert len(room.rows("SELECT 1 FROM screening_entry WHERE valid_to = 2")) == 1


def test_an_address_on_two_lists_stays_a_hit_when_it_leaves_one(room: Room) -> None:
    room.import_list(text(LISTED), name="one")
    room.import_list(text(LISTED), name="two")
    room.import_list(text(INNOCENT), name="two")
    request = room.ask(LISTED)
    room.screener().step()
    assert room.answer(request).state == "HIT"


def test_a_clearance_expires_and_is_renewed_in_time(room: Room) -> None:
    room.import_list(text(LISTED))
    request = room.ask(INNOCENT)
    screener = room.screener()
    screener.step()
    room.clock.advance(24 * 3600)
    found = room.answer(request)
    assert (found.state, found.document) == ("EXPIRED", None)
    while screener.step():
        pass
    assert room.answer(request).state == "CLEAR"


def test_a_screener_that_died_is_replaced_and_its_late_answer_is_dropped(room: Room) -> None:
    """P10: the lease ends by itself; the attempt fences the one who had it."""
    room.import_list(text(LISTED))
    room.ask(INNOCENT)
    late = room.screener()
    late.refresh()
    with room.screener_database.unit(None, ACTOR) as uow:
        claimed = repository.claim(uow, 30, 10)
    assert not room.screener().step(), "somebody holds the lease"
    room.clock.advance(31)
    assert room.screener().step()
    late._answer(claimed[0])
    assert room.rows("SELECT revision, state FROM screening_verdict") == [(1, "CLEAR")]


def test_a_late_answer_is_dropped_while_another_screener_is_at_it(room: Room) -> None:
    room.import_list(text(LISTED))
    room.ask(INNOCENT)
    screener = room.screener()
    screener.refresh()
    claims = []
    for _ in range(2):
        with room.screener_database.unit(None, ACTOR) as uow:
            claims += repository.claim(uow, 30, 10)
        room.clock.advance(31)
    assert [claim.attempt for claim in claims] == [1, 2]
    screener._answer(claims[0])
    assert room.rows("SELECT state FROM screening_request") == [("QUEUED",)]
    screener._answer(claims[1])
    assert room.rows("SELECT state, revision FROM screening_request") == [("CLEAR", 1)]


def test_the_same_reference_is_one_request_and_other_facts_are_refused(room: Room) -> None:
    first = room.ask(INNOCENT)
    assert room.ask(INNOCENT) == first
    with pytest.raises(ReferenceDiffers):
        room.ask(LISTED)
    assert room.ask(INNOCENT, organisation=TWO) != first


def test_another_organisations_request_is_not_there(room: Room) -> None:
    request = room.ask(INNOCENT)
    with pytest.raises(RequestUnknown):
        room.answer(request, TWO)


def test_an_empty_list_would_clear_everybody_and_is_refused(room: Room) -> None:
    room.import_list(text(LISTED))
    with pytest.raises(ListInvalid):
        room.import_list(b"# nothing\nnot an address\n")
    assert len(room.rows("SELECT 1 FROM screening_list_version")) == 1


def test_the_same_content_again_makes_no_version(room: Room) -> None:
    first = room.import_list(text(LISTED))
    assert room.import_list(text(LISTED)) == first
    other = room.import_list(text(LISTED) + b"0x12\n", name="other")
    assert (other.version, len(other.refused)) == (2, 1)
    with room.api.read(None, OFFICER) as uow:
        assert [found.name for found in service.lists(uow)] == ["ofac-eth", "other"]


@pytest.mark.parametrize(
    "table",
    ["screening_list_version", "screening_entry_change", "screening_verdict", "alert_transition"],
)
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_lists_and_answers_are_never_rewritten_even_by_their_owner(
    room: Room, table: str, verb: str
) -> None:
    with (
        psycopg.connect(room.database.conninfo()) as connection,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        connection.execute(verb.format(table).encode())


@pytest.mark.parametrize("role", ["strongroom_api", "strongroom_indexer", "strongroom_worker"])
def test_only_the_screener_may_answer(room: Room, role: str) -> None:
    room.ask(LISTED)
    with psycopg.connect(room.database.conninfo(role)) as connection:
        connection.execute("SELECT set_config('strongroom.org', %s, false)", (str(ONE),))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE screening_request SET state = 'CLEAR'")


def test_alerts_move_by_people_with_a_reason_and_a_history(room: Room) -> None:
    with room.indexer.unit(None, OFFICER) as uow:
        alert = service.open_alert(
            uow,
            organisation_id=ONE,
            kind="reconciliation.difference",
            subject="TUSD/6",
            reference="31337:7",
            detail={"difference": "1"},
        )
    with room.api.unit(ONE, OFFICER) as uow:
        until = room.clock.now().replace(hour=12)
        snoozed = service.move_alert(uow, alert, "SNOOZED", "asked the bank", until)
        assert snoozed.snoozed_until == until
    room.clock.advance(1)
    with room.api.unit(ONE, OFFICER) as uow:
        service.move_alert(uow, alert, "CLOSED", "explained")
    with pytest.raises(StrongroomError, match="at its end"), room.api.unit(ONE, OFFICER) as uow:
        service.move_alert(uow, alert, "OPEN", "again")
    moves = room.rows("SELECT from_state, to_state, actor FROM alert_transition ORDER BY at")
    assert moves == [("OPEN", "SNOOZED", "person:carla"), ("SNOOZED", "CLOSED", "person:carla")]
