"""`release_sweep`: what a sweep counted and never moved may be swept again.

The signer sees no chain, so the administrators' quorum says it: this sweep is over for good, and of
this address and token it moved nothing. The money can still go nowhere but to their own vault.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import SweepRelease
from strongroom_protocol.quorum import check_quorum
from strongroom_signer.authority.organisations import find
from strongroom_signer.errors import require
from strongroom_signer.house import House
from strongroom_signer.operations.reading import signatures_in


def release_sweep(house: House, body: dict[str, Any], trace: str) -> dict[str, Any]:
    """{organisation, ref, account, token, signatures} → {organisation, ref, released: true}."""
    members = Members(body, "body", {"organisation", "ref", "account", "token", "signatures"})
    organisation = find(house, members.hash32("organisation"))
    ref, account = members.hash32("ref"), members.address("account")
    token = members.address("token", zero=True)
    known = house.journal.one(
        "SELECT 1 FROM swept JOIN attempt USING (ref) WHERE ref = ? AND token = ? AND address = ?"
        " AND organisation = ? AND purpose = 'sweep'",
        ref,
        token,
        account,
        organisation.ref,
    )
    require(known is not None, "ref_unknown", "no sweep of yours under this ref took from there")
    people = organisation.people_now
    check_quorum(
        SweepRelease(organisation.ref, ref, account, token).digest(house.config.chain_id),
        signatures_in(members, "signatures"),
        people.addresses_with("administrator"),
        people.administrator_quorum,
    )
    query = "SELECT 1 FROM released WHERE ref = ? AND token = ? AND address = ?"
    if house.journal.one(query, ref, token, account) is None:
        with house.journal.unit():
            house.journal.add("released", ref, token, account, house.clock.now())
            facts = {"ref": to_hex(ref), "account": to_hex(account), "token": to_hex(token)}
            house.journal.receipt(
                {"op": "release_sweep", "outcome": "accepted", "trace": trace, **facts}
            )
    return {"organisation": to_hex(organisation.ref), "ref": to_hex(ref), "released": True}
