"""What the house itself tells of: alerts, and a chain on which nothing is booked any more."""

from datetime import timedelta

from strongroom.bootstrap.worker import Services
from strongroom.config import Config
from strongroom.screening import service as screening
from strongroom.webhooks import service as webhooks
from strongroom.workers import indexer
from tests.factories.books import make_organisation
from tests.integration.strongroom.webhooks.conftest import TESTER


def test_an_alert_is_told_when_it_opens_and_when_it_is_moved_without_what_it_says(post, receiver):
    post.endpoint(receiver.url, "alert.*")
    with post.worker.unit(post.organisation, TESTER) as uow:
        alert, _again = (
            screening.open_alert(
                uow,
                organisation_id=post.organisation,
                kind="screening.hit",
                subject="0xab",
                reference="r",
                detail={"list": "secret"},
            )
            for _ in range(2)
        )
    post.later(1)
    with post.api.unit(post.organisation, TESTER) as uow:
        screening.move_alert(uow, alert, "SNOOZED", "because", uow.now + timedelta(days=1))
    post.plan()
    post.send()
    told = {"alert_id": str(alert), "kind": "screening.hit", "subject": "0xab"}
    documents = [one.document for one in receiver.received]
    assert [(one["type"], one["sequence"], one["data"]) for one in documents] == [
        ("alert.opened", 1, told | {"state": "OPEN"}),
        ("alert.moved", 2, told | {"state": "SNOOZED"}),
    ]


def test_a_halted_chain_is_told_once_to_those_on_it_who_listen(post, receiver, connect):
    deaf = make_organisation(connect.found)
    post.endpoint(receiver.url, "chain.*")
    payload = {"chain_id": 31337, "height": 9, "reason": "A block below finality left."}
    services = Services(Config.from_environment({}), post.worker, post.clock)
    for halted in (payload, payload, payload | {"chain_id": 7}):
        with post.worker.unit(None, TESTER) as uow:
            indexer.halted(uow, halted, services)
    post.plan()
    post.send()
    (event,) = (one.document for one in receiver.received)
    assert (event["type"], event["subject"]) == ("chain.halted", "chain:31337")
    assert event["data"] == payload
    with post.api.read(deaf, TESTER) as uow:
        assert webhooks.happened(uow) == []
