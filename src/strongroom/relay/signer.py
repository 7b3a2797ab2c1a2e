"""The OutgoingSigner that asks strongroom-signer: by `relay` for the relay's own key, and by
`spending_payment` for the hot keys of organisations.
"""

from strongroom.kit.check import check
from strongroom.relay.types import AttemptKind, Fees, OutgoingView, SignedAttempt
from strongroom.signing.client import SignerClient
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.encoding import from_decimal, from_hex, to_hex
from strongroom_protocol.hashing import keccak256


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
        if outgoing.purpose == "hot_payment":
            what = {"kind": "cancel" if kind == "cancel" else "payment", "dry_run": False}
            answer = self._client.spending_payment({**outgoing.payload, **asked, **what})
        else:
            fields = {"purpose": "cancel"} if kind == "cancel" else outgoing.payload
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
