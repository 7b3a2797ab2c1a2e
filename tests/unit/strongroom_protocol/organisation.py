"""An organisation for tests: people with real keys, a genesis, a signed first bundle."""

from dataclasses import dataclass
from typing import Any

from coincurve import PrivateKey

from strongroom_protocol.addresses import Address, address_of_public_key, checksum
from strongroom_protocol.authority import (
    Bundle,
    Genesis,
    bundle_digest,
    organisation_ref,
    parse_bundle,
)
from strongroom_protocol.signatures import Signature

CHAIN_ID = 31337
NOW = 1_800_000_000
TOKEN = Address(bytes.fromhex("70" * 20))
PAYEE = Address(bytes.fromhex("22" * 20))
PERMIT_SIGNER = Address(b"\x0b" * 20)
OTHER_PAYEE = Address(bytes.fromhex("33" * 20))


@dataclass(frozen=True)
class Key:
    """A person's own key."""

    name: str

    @property
    def secret(self) -> PrivateKey:
        return PrivateKey(self.name.encode().rjust(32, b"\1"))

    @property
    def address(self) -> Address:
        return address_of_public_key(self.secret.public_key.format(compressed=False))

    def sign(self, digest: bytes) -> Signature:
        raw = self.secret.sign_recoverable(digest, hasher=None)
        return Signature.parse(raw[:64] + bytes([raw[64] + 27]))


ADA, BEN, CAT, DAN, EVE = (Key(name) for name in ("ada", "ben", "cat", "dan", "eve"))
APPROVERS = (BEN, CAT, DAN)


def ascending(*keys: Key) -> tuple[Address, ...]:
    return tuple(sorted(key.address for key in keys))


GENESIS = Genesis(
    "Example Hospital", CHAIN_ID, 7, ascending(ADA, EVE), 2, ascending(*APPROVERS), b"\5" * 32
)


def person(key: Key, *roles: str, department: str | None = None) -> dict[str, Any]:
    return {
        "id": key.name,
        "name": key.name.title(),
        "address": checksum(key.address),
        "roles": list(roles),
        "department": department,
    }


def document(**changes: Any) -> dict[str, Any]:
    """The first bundle's JSON, with members replaced."""
    payees = [checksum(PAYEE), checksum(OTHER_PAYEE)]
    found = {
        "type": "strongroom.policy/1",
        "organisation": "0x" + organisation_ref(GENESIS).hex(),
        "version": 1,
        "previous": "0x" + "00" * 32,
        "chain_id": CHAIN_ID,
        "people": [
            person(ADA, "administrator", "initiator", department="finance"),
            person(EVE, "administrator"),
            person(BEN, "approver", "initiator", department="finance"),
            person(CAT, "approver", department="finance"),
            person(DAN, "approver", department="medicine"),
            {
                "id": "amy",
                "name": "Amy",
                "address": None,
                "roles": ["auditor"],
                "department": None,
            },
        ],
        "administrator_quorum": 2,
        "account": {
            "index": 7,
            "manifest_root": "0x" + "11" * 32,
            "xpub_hash": "0x" + "12" * 32,
        },
        "vault": _vault(payees),
        "tokens": [
            {"asset": "ETH/18", "contract": None},
            {"asset": "TUSD/6", "contract": checksum(TOKEN)},
        ],
        "address_book": [{"address": payee, "label": "a payee"} for payee in payees],
        "limits": [
            {"asset": "ETH/18", "per_payment_units": "1000", "per_day_units": "1500"},
            {"asset": "TUSD/6", "per_payment_units": "1000000", "per_day_units": "2000000"},
        ],
        "rules": [
            {
                "id": "small",
                "verdict": "allow",
                "when": {"assets": ["TUSD/6"], "units_at_most": "500000"},
            },
            {
                "id": "large",
                "verdict": "approvals",
                "when": {"assets": ["TUSD/6"], "units_above": "500000"},
                "approvals": [[{"role": "approver", "department": "medicine", "minimum": 1}]],
            },
            {
                "id": "no-second-payee",
                "verdict": "deny",
                "when": {"destinations": [checksum(OTHER_PAYEE)], "initiators": ["ada"]},
            },
        ],
        "mandates": {"sweep": True},
        "fees": {"max_fee_per_gas_wei": "1000", "max_total_fee_wei": "1000000000"},
        "valid_until": NOW + 86_400,
    }
    return {**found, **changes}


def _vault(payees: list[str]) -> dict[str, Any]:
    return {
        "salt": "0x" + "13" * 32,
        "owners": [checksum(owner) for owner in ascending(*APPROVERS)],
        "threshold": 2,
        "permit_signer": checksum(PERMIT_SIGNER),
        "limits": [
            {"token": None, "day_units": "1500"},
            {"token": checksum(TOKEN), "day_units": "2000000"},
        ],
        "destinations": payees,
        "freezers": [],
    }


def bundle(**changes: Any) -> Bundle:
    return parse_bundle(document(**changes))


def signed_by(what: Bundle, *keys: Key) -> list[Signature]:
    return [key.sign(bundle_digest(what)) for key in keys]
