"""The report of `strongroom-signer audit`: attacks on a token and its answers, signed by the
attest key that lives in the same token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strongroom_protocol.addresses import Address
from strongroom_protocol.canonical import content_hash
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.intents import Intent
from strongroom_protocol.signatures import Signature, SignatureInvalid, recover

TYPE = "strongroom.token_audit/1"


@dataclass(frozen=True)
class TokenAudit(Intent):
    """The hash of the report's canonical form, and when it was made (Unix seconds)."""

    TYPE: ClassVar[str] = "TokenAudit(bytes32 report,uint64 at)"
    report: bytes
    at: int


def statement(report: Mapping[str, Any]) -> TokenAudit:
    """What is signed about a report; raises NotCanonical, FieldInvalid."""
    if report.get("type") != TYPE or not isinstance(report.get("at"), int):
        raise FieldInvalid(f"report: must be a {TYPE} with its time")
    return TokenAudit(content_hash(report), report["at"])


def verify_audit(document: object, attest: Address, chain_id: int) -> Mapping[str, Any]:
    """The report in {report, signature}, if `attest` has signed it for that chain and no attack
    won. Raises FieldInvalid, SignatureInvalid, NotCanonical.
    """
    members = Members(document, "document", {"report", "signature"})
    report: Mapping[str, Any] = members.part("report", _object)
    signature = Signature.parse(from_hex(members.text("signature"), 65, field="signature"))
    if recover(statement(report).digest(chain_id), signature) != attest:
        raise SignatureInvalid("signature: not by the attest key of this signer, or of other words")
    rows = report.get("attacks")
    withstood = isinstance(rows, list) and bool(rows) and all(_passed(row) for row in rows)
    if report.get("passed") is not True or not withstood:
        raise FieldInvalid("report: an attack on the token won, or none was tried")
    return report


def _passed(row: object) -> bool:
    return isinstance(row, Mapping) and row.get("passed") is True


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FieldInvalid(f"{path}: must be an object")
    return value
