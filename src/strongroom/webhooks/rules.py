"""What is sent and how it is signed, when it is sent again, and which types there are. Pure.

The form is Standard Webhooks 1.0: https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from strongroom.webhooks.errors import EndpointInvalid
from strongroom.webhooks.types import EventView

_TYPES: Final = {
    "deposit": "seen confirmed credited quarantined finalized swept reversed",
    "withdrawal": "screening queued awaiting_approval approved binding signed broadcast mined "
    "finalized voiding rejected expired cancelled blocked failed",
    "chain": "halted",
    "alert": "opened moved",
    "webhook": "test",
}
TYPES: Final = tuple(f"{area}.{name}" for area, names in _TYPES.items() for name in names.split())
"""Every type of event; a name never changes its meaning."""
PATTERNS: Final = frozenset({"*", *TYPES, *(f"{area}.*" for area in _TYPES)})

SCHEDULE_SECONDS: Final = (
    5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600,
)  # fmt: skip
"""How long after each failed try the next follows: ten tries in three days, then it is given up."""
REST_SECONDS_MAX: Final = 300
DISABLE_AFTER_DAYS: Final = 5
DISABLE_FAILURES_MIN: Final = 5
IN_A_ROW_MAX: Final = 3
"""After so many refusals in a row the endpoint rests, even if it answers."""
OVERLOADED: Final = frozenset({429, 502, 503, 504})
GONE: Final = 410
OVERLAP_HOURS_MAX: Final = 168
ENDPOINTS_MAX: Final = 20
REPLAY_MAX: Final = 10_000


class Secrets:
    """Every endpoint's secrets, made from one key of the installation: none is ever stored."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes or more."""
        self._key = key

    def secret(self, endpoint_id: UUID, version: int) -> bytes:
        """32 bytes: HMAC-SHA256 of the endpoint and the version of its secret."""
        named = b"strongroom.webhook" + endpoint_id.bytes + version.to_bytes(4, "big")
        return hmac.digest(self._key, named, hashlib.sha256)

    def shown(self, endpoint_id: UUID, version: int) -> str:
        """As the receiver is shown it, once: `whsec_` and base64."""
        return "whsec_" + base64.b64encode(self.secret(endpoint_id, version)).decode()


def payload(event: EventView) -> bytes:
    """The body of the POST: the same bytes at each try."""
    document = {
        "id": str(event.id),
        "type": event.type,
        "timestamp": event.at.isoformat(),
        "subject": event.subject,
        "sequence": event.number,
        "retracts": [str(taken) for taken in event.retracts],
        "data": dict(event.body),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def headers(
    event_id: UUID, timestamp: int, body: bytes, secrets: Sequence[bytes]
) -> dict[str, str]:
    """The three headers of Standard Webhooks: a signature a secret, the present one first."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    signatures = [hmac.digest(secret, signed, hashlib.sha256) for secret in secrets]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            "v1," + base64.b64encode(signature).decode() for signature in signatures
        ),
    }


def check_types(types: Sequence[str]) -> None:
    """Raises EndpointInvalid for a name that would never match anything."""
    unknown = sorted(set(types) - PATTERNS)
    if unknown or not types:
        raise EndpointInvalid(
            f"There are no events of the type {', '.join(unknown) or '(none named)'}; name some of "
            f"{', '.join(TYPES)}, an area such as deposit.*, or * for all."
        )


def split_url(url: str) -> SplitResult:
    """An address that could be sent to. Raises EndpointInvalid; the guard decides on the host."""
    try:
        found = urlsplit(url)
        port_fits = found.port != 0
    except ValueError:
        found, port_fits = urlsplit(""), False
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or not port_fits or found.scheme not in ("https", "http") or not found.hostname:
        raise EndpointInvalid(
            "Give a whole https address in plain ASCII, such as https://host/path."
        )
    if found.username is not None or found.password is not None or found.fragment:
        raise EndpointInvalid(
            "Leave user, password and fragment out of the address: every message is signed."
        )
    return found


def pause_seconds(tries: int) -> int | None:
    """How long after the `tries`-th failed try the next comes; None: it was the last."""
    return SCHEDULE_SECONDS[tries - 1] if tries <= len(SCHEDULE_SECONDS) else None


def rest_seconds(failures: int) -> int:
    """How long an endpoint rests that failed so many times in a row: 2, 4, 8 … 300."""
    return min(1 << min(failures, 16), REST_SECONDS_MAX)
