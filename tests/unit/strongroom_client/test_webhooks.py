"""A message is believed only if it is signed, whole and fresh."""

import pytest

from strongroom_client import WebhookInvalid, verify_webhook

# The example of the Standard Webhooks specification and of its reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = 1614265330
HEADERS = {
    "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def verified(secret=SECRET, body=BODY, at=AT, **changed):
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changed.items()}
    return verify_webhook(secret, headers, body, now=lambda: at)


def test_the_specifications_own_example_is_believed() -> None:
    assert verified() == {"test": 2432232314}
    assert verified(at=AT + 300) == verified(at=AT - 300) == verified()


def test_one_of_several_signatures_is_enough() -> None:
    other = "v1," + "A" * 43 + "="
    both = f"{other} {HEADERS['webhook-signature']} v2,x"
    assert verified(webhook_signature=both) == verified()


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b" "},
        {"webhook_signature": "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook_signature": HEADERS["webhook-signature"].replace("v1", "v2")},
        {"webhook_signature": "ü"},
        {"webhook_signature": ""},
        {"Webhook_Id": "msg_another"},
        {"secret": "whsec_" + "A" * 32},
        {"secret": "whsec_$"},
        {"at": AT + 301},
        {"at": AT - 301},
        {"webhook_timestamp": str(AT + 1)},
        {"webhook_timestamp": "soon"},
        {"webhook_timestamp": f"+{AT}"},
    ],
)
def test_whatever_else_is_not_believed(changed) -> None:
    with pytest.raises(WebhookInvalid):
        verified(**changed)


def test_a_missing_header_is_named() -> None:
    with pytest.raises(WebhookInvalid, match="webhook-id"):
        verify_webhook(SECRET, {}, BODY)
