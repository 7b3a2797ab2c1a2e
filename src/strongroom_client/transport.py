"""One HTTP exchange: bearer token, idempotency key, bounded retries with the same key."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from strongroom_client.errors import Problem, Unreachable

RETRIES = 6
"""With the waits below, about eight seconds: longer than a process takes to come back."""
FIRST_WAIT_SECONDS = 0.125
RETRYABLE = frozenset({429, 502, 503, 504})


class Transport:
    """Sends requests to one service with one credential."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        timeout_seconds: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_seconds)
        self._sleep = sleep

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of a GET. Raises Problem, Unreachable."""
        return self._exchange("GET", path, None, parameters, {}).json()

    def get_bytes(self, path: str) -> bytes:
        """Return the body of a GET as it is. Raises Problem, Unreachable."""
        return self._exchange("GET", path, None, None, {}).content

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Any:
        """POST JSON under `key` (a new one when None). Raises Problem, Unreachable.

        Retries carry the same key, so that the service does it once, whatever gets lost.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._exchange("POST", path, body, None, headers).json()

    def _exchange(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        parameters: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        wait = FIRST_WAIT_SECONDS
        why = ""
        for _ in range(RETRIES + 1):
            try:
                response = self._http.request(
                    method, path, json=body, params=parameters, headers=dict(headers)
                )
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
            else:
                if response.status_code not in RETRYABLE:
                    return _checked(response)
                why = f"{response.status_code} {response.text[:200]}"
            self._sleep(wait)
            wait *= 2
        raise Unreachable(f"{method} {path} had no answer after {RETRIES + 1} tries ({why}).")


def _checked(response: httpx.Response) -> httpx.Response:
    """Return the response, or raise the Problem that it carries."""
    if response.is_success:
        return response
    try:
        body = response.json()
    except ValueError:
        body = {}
    raise Problem(
        status=response.status_code,
        code=str(body.get("code", "http.error")),
        detail=str(body.get("detail", response.text[:200])),
        request_id=body.get("request_id"),
        body=body,
    )
