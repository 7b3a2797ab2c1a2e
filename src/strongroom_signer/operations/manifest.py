"""`manifest_extend`: more addresses for an organisation, from a manifest that officers signed. The
first leaves stay as they were; nothing that was given out changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom_protocol import hd, merkle
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import CustodyManifest
from strongroom_protocol.quorum import check_quorum
from strongroom_signer.authority.organisations import find
from strongroom_signer.errors import require
from strongroom_signer.house import House
from strongroom_signer.operations.reading import signatures_in


def manifest_extend(house: House, body: dict[str, Any], trace: str) -> dict[str, Any]:
    """{organisation, manifest} → {organisation, count, root}; the same again answers the same."""
    members = Members(body, "body", {"organisation", "manifest"})
    organisation = find(house, members.hash32("organisation"))
    manifest = members.part("manifest", manifest_reader(house))
    account = organisation.bundle.account
    require(
        (manifest.account_index, manifest.xpub_hash) == (account.index, account.xpub_hash),
        "manifest_differs",
        "the manifest is of another account, or of another xpub than the policy binds",
    )
    facts = {"organisation": to_hex(organisation.ref), "count": manifest.count}
    answer = {**facts, "root": to_hex(manifest.root)}
    row = (organisation.ref, manifest.count, manifest.root)
    query = "SELECT 1 FROM manifest WHERE organisation = ? AND count = ? AND root = ?"
    latest = (organisation.manifest_count, organisation.manifest_root)
    if latest == row[1:] or house.journal.one(query, *row) is not None:
        return answer
    require(
        manifest.count > organisation.manifest_count,
        "manifest_shorter",
        f"the organisation has {organisation.manifest_count} addresses already; a manifest only "
        "adds to them",
    )
    first = house.pool.manifest_leaves(account.index, organisation.manifest_count)
    require(
        merkle.root(first) == organisation.manifest_root,
        "manifest_differs",
        "the first addresses are not those of the manifest before: they may never change",
    )
    with house.journal.unit():
        house.journal.add("manifest", *row, house.clock.now())
        house.journal.receipt(
            {"op": "manifest_extend", "outcome": "accepted", "trace": trace, **answer}
        )
    return answer


def manifest_reader(house: House) -> Callable[[object, str], CustodyManifest]:
    """Reader of the manifest: signed by the officers, and what the own pool says."""

    def read(value: object, path: str) -> CustodyManifest:
        names = {"account_index", "root", "count", "xpub", "officer_signatures"}
        # The rest of the ceremony's file may come along; only what is named here counts.
        members = Members(value, path, names, frozenset({"xpub_hash", "addresses", "spending"}))
        index, count = members.integer("account_index"), members.integer("count", 1)
        xpub_hash = hd.xpub_hash(members.text("xpub"))
        manifest = CustodyManifest(index, members.hash32("root"), count, xpub_hash)
        check_quorum(
            manifest.digest(house.config.chain_id),
            signatures_in(members, "officer_signatures"),
            frozenset(house.config.officers),
            house.config.officer_quorum,
        )
        own_xpub = house.pool.xpub(index)
        leaves = house.pool.manifest_leaves(index, count)
        require(
            own_xpub is not None
            and hd.xpub_hash(own_xpub) == xpub_hash
            and len(leaves) == count
            and merkle.root(leaves) == manifest.root,
            "manifest_differs",
            "the manifest is not the one of this signer's own key table: swapped xpub, address or "
            "count; take it from 'ceremony account' again",
        )
        return manifest

    return read
