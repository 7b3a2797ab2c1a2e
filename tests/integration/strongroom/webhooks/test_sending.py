"""Signed, in order, at least once, again for days; a dead endpoint holds up nobody (P10)."""

import base64
import hashlib
import hmac
import time
from uuid import UUID

from strongroom.webhooks import rules
from strongroom.webhooks import service as webhooks
from tests.factories.receiver import receiving, silent
from tests.integration.strongroom.webhooks.conftest import SECRETS, TESTER

DAY = 86_400


def _signature(secret: str, received) -> str:
    """By hand, after the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    named = received.headers["webhook-id"], received.headers["webhook-timestamp"]
    signed = f"{named[0]}.{named[1]}.".encode() + received.body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def test_what_happened_arrives_signed_in_order_and_once(post, receiver):
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen", "deposit.confirmed")
    post.later(1)
    post.happen("deposit.credited")
    post.plan()
    post.send()
    assert receiver.types == ["deposit.seen", "deposit.confirmed", "deposit.credited"]
    first = receiver.received[0]
    assert first.headers["webhook-signature"] == _signature(SECRETS.shown(endpoint.id, 1), first)
    assert first.headers["webhook-timestamp"] == str(int(post.clock.now().timestamp()))
    assert first.headers["webhook-id"] == first.document["id"]
    assert [one.document["sequence"] for one in receiver.received] == [1, 2, 3]
    assert first.document["data"] == {"units": "7"}
    assert first.document["subject"] == "deposit:1"
    for _ in range(3):
        post.later(DAY)
        with post.worker.unit(post.organisation, TESTER) as uow:
            webhooks.plan(uow, [UUID(one.headers["webhook-id"]) for one in receiver.received])
        post.send()
    assert len(receiver.received) == 3
    assert post.see(endpoint).pending == 0


def test_a_filter_lets_through_what_it_names(post):
    with receiving() as exact, receiving() as area, receiving() as other:
        post.endpoint(exact.url, "deposit.credited")
        post.endpoint(area.url, "deposit.*")
        post.endpoint(other.url, "withdrawal.*", "alert.opened")
        post.happen("deposit.seen", "deposit.credited")
        post.plan()
        post.send()
        assert (exact.types, len(area.types), other.types) == (["deposit.credited"], 2, [])


def test_a_reversal_names_the_events_that_it_takes_back(post, receiver):
    post.endpoint(receiver.url)
    for kind in ("deposit.seen", "deposit.credited"):
        post.happen(kind)
        post.later(1)
    post.happen("deposit.reversed", takes_back=("deposit.seen", "deposit.credited"))
    post.plan()
    post.send()
    documents = [one.document for one in receiver.received]
    assert documents[2]["retracts"] == [documents[0]["id"], documents[1]["id"]]
    assert documents[0]["retracts"] == []


def test_a_refused_event_comes_again_for_three_days_and_is_then_given_up(post, receiver):
    receiver.answer = lambda _: 500
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()
    began = post.clock.now()
    for wanted in range(1, 11):
        post.send()
        assert len(receiver.received) == wanted
        post.send()
        assert len(receiver.received) == wanted, "not before its time"
        if wanted < 10:
            post.later(rules.SCHEDULE_SECONDS[wanted - 1] + rules.REST_SECONDS_MAX)
    assert post.states(endpoint) == [("deposit.seen", "given_up", 10)]
    assert 3 <= (post.clock.now() - began).total_seconds() / DAY < 4
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert len({one.body for one in receiver.received}) == 1
    assert post.log(endpoint) == [(500, "Answered 500.")] * 10


def test_an_event_that_is_refused_does_not_hold_up_the_next(post, receiver):
    receiver.answer = lambda n: 400 if n == 0 else 200
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen", "deposit.confirmed")
    post.plan()
    post.send()
    assert post.states(endpoint) == [
        ("deposit.seen", "pending", 1),
        ("deposit.confirmed", "delivered", 0),
    ]
    assert post.see(endpoint).failures == 0


def test_an_endpoint_that_is_away_rests_and_its_other_events_wait_untried(post, receiver):
    receiver.answer = lambda _: 503
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen", "deposit.confirmed", "deposit.credited")
    post.plan()
    post.send()
    assert [tries for _, _, tries in post.states(endpoint)] == [1, 0, 0]
    post.send()
    assert len(receiver.received) == 1
    receiver.answer = lambda _: 200
    post.later(3)
    post.send()
    assert receiver.types[1:] == ["deposit.confirmed", "deposit.credited"]
    post.later(300)
    post.send()
    assert receiver.types[-1] == "deposit.seen"


def test_dead_endpoints_never_hold_up_one_that_answers(post, receiver):
    """Nineteen silent ones, more than there are slots: four seconds each, were they waited for."""
    post.timeout_seconds = 4.0
    sound = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()
    post.send()
    with silent() as nowhere:
        dead = [post.endpoint(nowhere) for _ in range(19)]
        post.happen("deposit.confirmed")
        post.plan()
        started = time.monotonic()
        post.courier("ailing", slots=4).step()
        post.courier("sound", slots=1).step()
        receiver.wait(2, 3)
        assert time.monotonic() - started < 3
        assert {post.see(one).succeeded_at for one in dead} == {None}
    assert post.see(sound).failures == 0
