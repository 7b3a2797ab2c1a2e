"""Screening verdicts as evidence: signed by the screener's key of the sealed configuration, valid
now, and never against an older list than one that was already seen.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol.evidence import Clearance, open_clearance
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.house import House
from strongroom_signer.operations.reading import signed_document


def read_clearance(house: House, organisation: Organisation, value: object, path: str) -> Clearance:
    """{document, signature} → a CLEAR verdict for this organisation. Raises EvidenceRefused,
    FieldInvalid; what it clears is compared by the caller.
    """
    document, signature = signed_document(value, path)
    return open_clearance(
        document,
        signature,
        house.config.screener_key,
        organisation=organisation.uuid,
        now=house.clock.now(),
        list_version_min=highest_list_version(house),
    )


def highest_list_version(house: House) -> int:
    """The pinned minimum, or the highest version seen in any clearance that was used."""

    def read() -> int:
        row = house.journal.one("SELECT max(version) FROM list_version")
        seen: Any = row[0] if row is not None else None
        return max(house.config.list_version_min, int(seen or 0))

    return house.journal.remembered(("list_version",), read)


def remember_list_version(house: House, clearance: Clearance) -> None:
    """Inside a unit: from now on nothing older counts."""
    if clearance.list_version > highest_list_version(house):
        house.journal.add("list_version", clearance.list_version, house.clock.now())
