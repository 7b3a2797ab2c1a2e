"""Source documents of policy, filled in as an organisation would: keys, contracts, a date."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.policy.compiler import compile_source
from strongroom.policy.context import Compiled, Context
from strongroom.policy.sources import BLANK, template
from strongroom_protocol.bundle import Bundle
from tests.factories.house import person

TOKEN = person("a token's contract").address
BOOK = (
    {"name": "Supplier", "address": person("supplier").address, "tags": ["suppliers"]},
    {"name": "Landlord", "address": person("landlord").address},
)


def filled(name: str, **changes: Any) -> dict[str, Any]:
    """A template without blanks, and with two entries in its address book."""
    document = template(name)
    for one in document["people"]:
        if one["address"] is not None:
            one["address"] = person(one["id"]).address
    for asset in document["assets"]:
        if asset["contract"] is not None:
            asset["contract"] = TOKEN
    for source in document.get("rates", {}).get("sources", ()):
        seed = hashlib.sha256(source["name"].encode()).digest()
        key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        source["key"] = "0x" + key.hex()
    assert document["valid_until"].startswith(BLANK)
    document |= {"valid_until": "2027-02-20", "address_book": [dict(entry) for entry in BOOK]}
    return document | changes


def compiled(source: dict[str, Any], **context: Any) -> Compiled:
    return compile_source(source, Context(**context))


def bundle_of(source: dict[str, Any], **context: Any) -> Bundle:
    made = compiled(source, **context)
    assert made.bundle is not None, made.findings
    return made.bundle
