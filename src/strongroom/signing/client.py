"""The signer's unix socket: one connection a call, one method an operation.

A call acts outside the database: never make one inside a unit of work. Frames are those of
strongroom_protocol.wire; every failure leaves as SignerRefused or SignerUnavailable.
"""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from strongroom.kit.log import request_id
from strongroom.signing.errors import SignerRefused, SignerUnavailable
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body

TIMEOUT_SECONDS: Final = 15.0
"""Longer than the slowest operation, a sweep of hundreds of leaf keys on one token."""

Body = Mapping[str, Any]


class SignerClient:
    """Thread-safe: each call has a socket of its own."""

    def __init__(self, socket_path: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Nothing is opened before the first call."""
        self._path = socket_path
        self._timeout_seconds = timeout_seconds

    def status(self) -> dict[str, Any]:
        """Epoch, chain id, public keys, journal, pool, organisations."""
        return self.call("status", {})

    def check(self) -> None:
        """A health check: raises when the signer does not answer."""
        self.status()

    def policy_first(self, body: Body) -> dict[str, Any]:
        """Register an organisation by its genesis and first bundle."""
        return self.call("policy_first", body)

    def policy_update(self, body: Body) -> dict[str, Any]:
        """Replace the active bundle by one that its administrators signed."""
        return self.call("policy_update", body)

    def suspend(self, body: Body) -> dict[str, Any]:
        """Stop everything of an organisation, on one administrator's word."""
        return self.call("suspend", body)

    def revoke(self, body: Body) -> dict[str, Any]:
        """End one person's key, on one administrator's word."""
        return self.call("revoke", body)

    def release_sweep(self, body: Body) -> dict[str, Any]:
        """Let what a sweep never moved be swept again, on the administrators' word."""
        return self.call("release_sweep", body)

    def manifest_extend(self, body: Body) -> dict[str, Any]:
        """Take over a refilled address pool, on the custody officers' word."""
        return self.call("manifest_extend", body)

    def provenance(self, body: Body) -> dict[str, Any]:
        """Whose deposit address it is, signed by the attest key."""
        return self.call("provenance", body)

    def vault_permit(self, body: Body) -> dict[str, Any]:
        """The Permit for one Safe transaction, or its dry verdict."""
        return self.call("vault_permit", body)

    def spending_payment(self, body: Body) -> dict[str, Any]:
        """One signed attempt of a hot key's payment, or its dry verdict; by (intent, attempt)."""
        return self.call("spending_payment", body)

    def relay(self, body: Body) -> dict[str, Any]:
        """One signed attempt of an outgoing transaction; idempotent by (ref, attempt)."""
        return self.call("relay", body)

    def checkpoint(self, body: Body) -> dict[str, Any]:
        """A signed note over the audit log's size and root."""
        return self.call("checkpoint", body)

    def call(self, operation: str, body: Body) -> dict[str, Any]:
        """One request and its answer. Raises SignerRefused, SignerUnavailable."""
        try:
            message = frame({"op": operation, "trace": request_id.get(), "body": dict(body)})
        except ProtocolError as error:
            # What has no canonical form, such as a fraction, can never be asked: no retry mends it.
            raise SignerRefused(
                "signer.request_malformed", f"This can't be asked of the signer: {error}."
            ) from error
        try:
            answer = self._exchange(message)
        except (OSError, ProtocolError) as error:
            raise SignerUnavailable(
                f"The signer does not answer at its socket ({error}). Nothing was lost; what needs "
                "a signature waits. Start strongroom-signer, or look at its log."
            ) from error
        return _result(answer)

    def _exchange(self, message: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self._timeout_seconds)
            connection.connect(str(self._path))
            connection.sendall(message)
            length = body_length(_receive(connection, HEADER_BYTES))
            return parse_body(_receive(connection, length))


def _receive(connection: socket.socket, length: int) -> bytes:
    """Exactly so many bytes; raises ConnectionError when the other side hangs up."""
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise ConnectionError("the connection was closed before the answer was whole")
        parts += part
    return bytes(parts)


def _result(answer: Mapping[str, Any]) -> dict[str, Any]:
    if answer.get("ok") is True and isinstance(answer.get("body"), dict):
        body: dict[str, Any] = answer["body"]
        return body
    message = str(answer.get("message", "The signer's answer can't be understood."))
    if answer.get("retryable") is True:
        raise SignerUnavailable(message, detail={"signer_code": str(answer.get("code"))})
    raise SignerRefused(str(answer.get("code", "signer.unknown")), message)
