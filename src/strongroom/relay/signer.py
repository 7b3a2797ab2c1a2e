"""The OutgoingSigner that asks strongroom-signer: by `relay` for the relay's own key, by
`spending_payment` and `gas_topup` for the hot keys of organisations, by `leaf_sweep` for a deposit
address's own.
"""

from collections.abc import Mapping
from typing import Any, Final

from strongroom.kit.check import check
from strongroom.relay.types import AttemptKind, Fees, OutgoingView, SignedAttempt
from strongroom.signing.client import SignerClient
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.hashing import keccak256

_NOTHING: Final[Mapping[str, Mapping[str, Any]]] = {
    "gas_topup": {"to": {"cancel": True}, "units": "0"},
    "leaf_sweep": {"item": None},
}
"""What is asked for in the place of such a transaction to cancel it."""


class SocketSigner:
    """Forwards the payload as it stands: whether it may be signed is the signer's to say."""

    def __init__(self, client: SignerClient) -> None:
        """`client` reaches the signer."""
        self._client = client

    def sign(
        self, outgoing: OutgoingView, attempt: int, kind: AttemptKind, fees: Fees
    ) -> SignedAttempt:
        """One attempt, idempotent by (ref, attempt). Raises SignerRefused, SignerUnavailable."""
        asked = {"attempt": attempt, "fees": fees.fields()}
        cancel = kind == "cancel"
        if outgoing.purpose == "hot_payment":
            what = {"kind": "cancel" if cancel else "payment", "dry_run": False}
            answer = self._client.spending_payment({**outgoing.payload, **asked, **what})
        elif outgoing.purpose in ("gas_topup", "leaf_sweep"):
            fields = {**outgoing.payload, **(_NOTHING[outgoing.purpose] if cancel else {})}
            fields |= {"ref": to_hex(outgoing.ref)}
            answer = self._client.call(outgoing.purpose, {**fields, **asked})
        else:
            fields = {"purpose": "cancel"} if cancel else dict(outgoing.payload)
            named = {"purpose": outgoing.purpose, "ref": to_hex(outgoing.ref)}
            answer = self._client.relay({**named, **fields, **asked})
        signed = SignedAttempt(
            sender=parse_address(answer["from"]),
            nonce=int(answer["nonce"])
            if isinstance(answer["nonce"], int)
            else from_decimal(answer["nonce"], 64, field="nonce"),
            raw=from_hex(answer["raw"], field="raw"),
            hash=from_hex(answer["hash"], 32, field="hash"),
        )
        check(keccak256(signed.raw) == signed.hash, "a transaction's hash is keccak of its bytes")
        return signed
