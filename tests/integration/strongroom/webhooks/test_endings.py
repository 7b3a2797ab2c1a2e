"""An endpoint that stays dead is switched off and people are told; what was missed is replayed."""

import pytest

from strongroom.screening import service as screening
from strongroom.webhooks import service as webhooks
from strongroom.webhooks.errors import (
    EndpointInvalid,
    EndpointLimit,
    EndpointRemoved,
    EndpointUnknown,
    ReplayTooLarge,
)
from strongroom.webhooks.service import Changes
from tests.factories.books import make_organisation
from tests.integration.strongroom.webhooks.conftest import GUARD, SECRETS, TESTER
from tests.integration.strongroom.webhooks.test_sending import DAY, _signature


def _alerts(post) -> list[tuple[str, str]]:
    with post.api.read(post.organisation, TESTER) as uow:
        return [
            (one.kind, one.detail["reason"]) for one in screening.alerts(uow, post.organisation)
        ]


def test_five_days_without_a_success_switch_an_endpoint_off_and_people_are_told(post, receiver):
    receiver.answer = lambda _: 500
    endpoint = post.endpoint(receiver.url)
    for day in range(6):
        post.happen("deposit.seen", subject=f"deposit:{day}")
        post.plan()
        post.send()
        assert post.see(endpoint).state == ("enabled" if day < 5 else "disabled"), day
        post.later(DAY)
    came = len(receiver.received)
    post.happen("deposit.seen", subject="deposit:9")
    post.plan()
    post.send()
    assert len(receiver.received) == came
    ((kind, reason),) = _alerts(post)
    assert (kind, reason) == ("webhook.disabled", post.see(endpoint).reason)
    assert reason == "No message was taken for 5 days. Answered 500."


def test_one_success_in_five_days_keeps_it_on(post, receiver):
    receiver.answer = lambda n: 200 if n == 3 else 500
    endpoint = post.endpoint(receiver.url)
    for day in range(6):
        post.happen("deposit.seen", subject=f"deposit:{day}")
        post.plan()
        post.send()
        post.later(DAY)
    assert post.see(endpoint).state == "enabled"
    assert _alerts(post) == []


def test_gone_means_no_more(post, receiver):
    receiver.answer = lambda _: 410
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()
    post.send()
    assert post.see(endpoint).state == "disabled"
    assert [kind for kind, _ in _alerts(post)] == ["webhook.disabled"]


def test_what_waited_is_sent_once_it_is_enabled_and_what_was_missed_by_a_replay(post, receiver):
    receiver.answer = lambda _: 410
    endpoint = post.endpoint(receiver.url, "deposit.*")
    began = post.clock.now()
    post.happen("deposit.seen")
    post.plan()
    post.send()
    post.later(60)
    post.happen("deposit.confirmed", "withdrawal.mined")
    post.plan()
    receiver.answer = lambda _: 200
    with post.api.unit(post.organisation, TESTER) as uow:
        webhooks.enable(uow, endpoint.id)
    post.later(60)
    post.send()
    assert receiver.types == ["deposit.seen", "deposit.seen"]
    with post.api.unit(post.organisation, TESTER) as uow:
        assert webhooks.replay(uow, endpoint.id, since=began) == 2
    post.send()
    assert receiver.types[2:] == ["deposit.seen", "deposit.confirmed"]
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert ids[0] == ids[1] == ids[2]
    with post.api.unit(post.organisation, TESTER) as uow:
        named = [webhooks.happened(uow)[0].id]
        assert webhooks.replay(uow, endpoint.id, since=began, event_ids=named) <= 1
        assert webhooks.replay(uow, endpoint.id, since=post.clock.now()) == 0


def test_a_replay_is_bounded(post, receiver, monkeypatch):
    monkeypatch.setattr("strongroom.webhooks.rules.REPLAY_MAX", 1)
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen", "deposit.confirmed")
    with (
        pytest.raises(ReplayTooLarge),
        post.api.unit(post.organisation, TESTER) as uow,
    ):
        webhooks.replay(uow, endpoint.id, since=uow.now)


def test_after_a_rotation_both_secrets_sign_until_the_overlap_ends(post, receiver):
    endpoint = post.endpoint(receiver.url)
    with post.api.unit(post.organisation, TESTER) as uow:
        assert webhooks.rotate(uow, endpoint.id, 24).secret_version == 2
    for subject in ("deposit:1", "deposit:2"):
        post.happen("deposit.seen", subject=subject)
        post.plan()
        post.send()
        post.later(DAY)
    old, new = (SECRETS.shown(endpoint.id, version) for version in (1, 2))
    during, after = receiver.received
    assert during.headers["webhook-signature"].split() == [
        _signature(new, during),
        _signature(old, during),
    ]
    assert after.headers["webhook-signature"].split() == [_signature(new, after)]


def test_a_test_goes_to_its_own_endpoint_whatever_is_asked_for(post, receiver):
    asked = post.endpoint(receiver.url, "withdrawal.finalized")
    other = post.endpoint(receiver.url, "*")
    with post.api.unit(post.organisation, TESTER) as uow:
        webhooks.send_test(uow, asked.id)
    post.plan()
    post.send()
    assert receiver.types == ["webhook.test"]
    assert receiver.received[0].document["data"]["webhook_id"] == str(asked.id)
    assert post.states(other) == []


def test_a_removed_endpoint_stays_so_and_keeps_its_log(post, receiver):
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()
    post.send()
    with post.api.unit(post.organisation, TESTER) as uow:
        webhooks.remove(uow, endpoint.id)
        assert webhooks.endpoints(uow) == []
    for act in (webhooks.enable, webhooks.remove, webhooks.send_test):
        with pytest.raises(EndpointRemoved), post.api.unit(post.organisation, TESTER) as uow:
            act(uow, endpoint.id)
    assert post.log(endpoint) == [(204, "Answered 204.")]


def test_an_endpoint_is_refused_that_could_never_be_used(post, receiver):
    for url, types in (
        (receiver.url, ("deposit.credit",)),
        (receiver.url, ()),
        ("http://10.0.0.1/", ("*",)),
        ("https://user:word@example.org/", ("*",)),
    ):
        with pytest.raises(EndpointInvalid), post.api.unit(post.organisation, TESTER) as uow:
            webhooks.add(uow, GUARD, url=url, label="", types=types)
    endpoint = post.endpoint(receiver.url)
    for _ in range(19):
        post.endpoint(receiver.url)
    with pytest.raises(EndpointLimit):
        post.endpoint(receiver.url)
    with post.api.unit(post.organisation, TESTER) as uow:
        found = webhooks.change(uow, GUARD, endpoint.id, Changes(label="b", types=("alert.*",)))
    assert (found.url, found.label, found.types) == (receiver.url, "b", ("alert.*",))


def test_an_organisation_sees_its_own_webhooks_only(post, receiver, connect):
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    stranger = make_organisation(connect.found)
    with post.api.unit(stranger, TESTER) as uow:
        assert (webhooks.endpoints(uow), webhooks.happened(uow)) == ([], [])
        for look in (webhooks.get, webhooks.deliveries, webhooks.tries, webhooks.enable):
            with pytest.raises(EndpointUnknown):
                look(uow, endpoint.id)
