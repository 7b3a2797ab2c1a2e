"""`status`: public facts only; no receipt, no key use."""

from __future__ import annotations

from typing import Any

from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import to_hex
from strongroom_signer.authority.organisations import find
from strongroom_signer.house import House


def status(house: House, _body: dict[str, Any], _trace: str) -> dict[str, Any]:
    """Epoch, chain, keys, officers, log, journal, pools and organisations."""
    keys = house.config.keys
    return {
        "epoch": house.journal.epoch,
        "chain_id": house.config.chain_id,
        "kind": house.config.kind,
        "trial": house.trial,
        "keys": {
            "permit": checksum(keys.permit),
            "relay": checksum(keys.relay),
            "attest": checksum(keys.attest),
            "orders": checksum(keys.orders),
        },
        "officers": [checksum(officer) for officer in house.config.officers],
        "officer_quorum": house.config.officer_quorum,
        "permit_keys": [checksum(key) for key in house.keyring.permit_keys()],
        "log": {"origin": house.config.origin, "public_key": to_hex(keys.log)},
        "journal": {"size": house.journal.size, "head": to_hex(house.journal.head)},
        "pool": _pool_left(house),
        "organisations": _organisations(house),
    }


def _pool_left(house: House) -> dict[str, int]:
    """Account index → leaves whose address was not given out yet."""
    accounts = house.pool.accounts()
    for ref, index in house.journal.all("SELECT organisation, account_index FROM organisation"):
        # A provenance's identity is the organisation and an index of eight bytes.
        ((given,),) = house.journal.all(
            "SELECT count(*) FROM request WHERE op = 'provenance' AND identity BETWEEN ? AND ?",
            ref,
            ref + b"\xff" * 8,
        )
        accounts[index] = accounts.get(index, 0) - given
    return {str(index): left for index, left in accounts.items()}


def _organisations(house: House) -> list[dict[str, Any]]:
    found = []
    for (ref,) in house.journal.all("SELECT organisation FROM organisation ORDER BY at"):
        organisation = find(house, bytes(ref))
        found.append(
            {
                "organisation": to_hex(organisation.ref),
                "policy_version": organisation.bundle.version,
                "suspended": organisation.suspended,
            }
        )
    return found
