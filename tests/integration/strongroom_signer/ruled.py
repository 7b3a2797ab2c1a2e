"""An organisation whose rules ask for rates, deputies, hours and what was paid before."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import DAY, Company
from tests.integration.strongroom_signer.spending import hot_address, key_entry

Body = dict[str, Any]
SOURCES = {
    name: Ed25519PrivateKey.from_private_bytes(keccak256(name.encode()))
    for name in ("east", "west", "north", "stranger")
}
AGE_SECONDS = 600
# 1.00 USD for one TUSD.
PRICE = 100 * 10**18
PAY: Body = {"id": "pay", "verdict": "allow", "when": {}}
MEDICINE: Body = {"role": "approver", "department": "medicine", "minimum": 1}


def denies(**when: Any) -> Body:
    """A rule that denies what meets these conditions."""
    return {"id": "no", "verdict": "deny", "when": when}


def over(per: str = "initiator", **measure: Any) -> Body:
    """A condition of a day, beyond which a rule matches."""
    return {"assets": ["TUSD/6"], "over": [{"window_seconds": DAY, "per": per, **measure}]}


def asks(*groups: Body) -> Body:
    """A rule that asks for these groups."""
    return {"id": "ask", "verdict": "approvals", "when": {}, "approvals": [list(groups)]}


def ruled(desk: Desk, *rules: Body, **changes: Any) -> Company:
    """Founded with these rules after PAY, three sources of rates and one hot key of one approver;
    approver p2 is of medicine.
    """
    company = desk.company(founded=False)
    people = [dict(one) for one in company.bundle["people"]]
    people[-1]["department"] = "medicine"
    company.bundle |= {
        "people": people,
        "spending": [key_entry(hot_address(company))],
        "rates": {
            "currency": "USD/2",
            "sources": [{"name": name, "key": _public(name)} for name in ("east", "north", "west")],
            "age_seconds": AGE_SECONDS,
            "deviation_bps": 100,
        },
        "rules": [PAY, *rules],
        **changes,
    }
    desk.get("policy_first", company.policy_first())
    return company


def rate(company: Company, source: str, by: str | None = None, **changes: Any) -> Body:
    """What a source says a TUSD costs now, signed."""
    document = {
        "type": "strongroom.rate/1",
        "source": source,
        "asset": "TUSD/6",
        "currency": "USD/2",
        "price": str(PRICE),
        "at": company.now,
        **changes,
    }
    signature = SOURCES[by or source].sign(canonical_bytes(document))
    return {"document": document, "signature": to_hex(signature)}


def rates(company: Company, **changes: Any) -> list[Body]:
    """Two that agree."""
    return [rate(company, one, **changes) for one in ("east", "west")]


def _public(name: str) -> str:
    return to_hex(SOURCES[name].public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
