"""Whether a message to a webhook is the service's own and fresh: Standard Webhooks 1.0, `v1`."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from strongroom_client.errors import StrongroomClientError

TOLERANCE_SECONDS: Final = 300
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class WebhookInvalid(StrongroomClientError):
    """Not from the service, changed on its way, or too old: answer 400 and do nothing."""


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_seconds: int = TOLERANCE_SECONDS,
    now: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """Return the event of a message, or raise WebhookInvalid.

    `secret` is the `whsec_…` that was shown once; `body` the bytes as they came, before any parser
    saw them. A message may come twice: drop an `id` that you have done. Order a subject's events by
    `sequence`, and undo what you did for the events that `retracts` names.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        identifier, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except KeyError as error:
        raise WebhookInvalid(f"The header {error} is missing.") from error
    except binascii.Error as error:
        raise WebhookInvalid("The secret is not the text that the service has shown.") from error
    if not _SECONDS.fullmatch(timestamp) or abs(now() - int(timestamp)) > tolerance_seconds:
        raise WebhookInvalid("The message is too old, or one of the two clocks is wrong.")
    signed = f"{identifier}.{timestamp}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # Each one is compared, whichever fits: time tells nothing.
    if True not in [hmac.compare_digest(wanted, one.encode()) for one in signatures]:
        raise WebhookInvalid("No signature fits: the message is not the service's, or was changed.")
    event: dict[str, Any] = json.loads(body)
    return event
