"""What leaves is what Standard Webhooks says; the schedule ends; filters name what exists."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from strongroom.webhooks import rules
from strongroom.webhooks.errors import EndpointInvalid
from strongroom.webhooks.rules import Secrets
from strongroom.webhooks.types import EventView
from strongroom.withdrawals.rules import STEPS
from strongroom_client import WebhookInvalid, verify_webhook

ID = UUID(int=7)
EVENT = EventView(
    ID, "deposit.seen", "deposit:1", 3, {"units": "5", "ü": "ß"}, (UUID(int=6),),
    datetime(2026, 5, 1, tzinfo=UTC),
)  # fmt: skip


def test_the_clients_own_helper_believes_what_is_sent_under_either_secret() -> None:
    secrets = Secrets(b"k" * 32)
    body = rules.payload(EVENT)
    headers = rules.headers(ID, 1_000, body, [secrets.secret(ID, 2), secrets.secret(ID, 1)])
    for version in (1, 2):
        event = verify_webhook(secrets.shown(ID, version), headers, body, now=lambda: 1_000)
        assert event == {
            "id": str(ID),
            "type": "deposit.seen",
            "subject": "deposit:1",
            "sequence": 3,
            "retracts": [str(UUID(int=6))],
            "timestamp": "2026-05-01T00:00:00+00:00",
            "data": {"units": "5", "ü": "ß"},
        }
    with pytest.raises(WebhookInvalid):
        verify_webhook(secrets.shown(ID, 3), headers, body, now=lambda: 1_000)


def test_secrets_differ_by_installation_endpoint_and_version() -> None:
    found = {
        Secrets(key).shown(endpoint, version)
        for key in (b"a" * 32, b"b" * 32)
        for endpoint in (UUID(int=1), UUID(int=2))
        for version in (1, 2)
    }
    assert len(found) == 8
    assert {len(one) for one in found} == {6 + 44}


def test_the_schedule_is_ten_tries_in_three_days() -> None:
    pauses = [rules.pause_seconds(tries) for tries in range(1, 11)]
    assert pauses[-1] is None
    assert None not in pauses[:-1]
    assert 3 <= sum(pause or 0 for pause in pauses) / 86_400 < 4
    assert [rules.rest_seconds(failures) for failures in (1, 2, 8, 9, 10**6)] == [
        2, 4, 256, 300, 300,
    ]  # fmt: skip


def test_every_state_of_a_withdrawal_is_a_type() -> None:
    states = {f"withdrawal.{state}" for reached in STEPS.values() for state in reached}
    assert states == {one for one in rules.TYPES if one.startswith("withdrawal.")}


def test_a_filter_that_would_never_match_is_refused() -> None:
    rules.check_types(["*"])
    rules.check_types(["deposit.*", "withdrawal.mined"])
    for types in ([], ["deposit"], ["deposit.mined"], ["*", "x.*"]):
        with pytest.raises(EndpointInvalid):
            rules.check_types(types)


@pytest.mark.parametrize(
    "url",
    [
        "example.org/a", "ftp://example.org/", "https:///a", "https://u@example.org/",
        "https://u:p@example.org/", "https://example.org/#a", "https://example.org/ a",
        "https://exämple.org/", "https://example.org:99999/", "https://example.org\n/",
        "https://example.org:0/", "https://[::1/",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(EndpointInvalid):
        rules.split_url(url)
