"""`policy_first`, `policy_update`, `suspend`, `revoke`: who may decide, and from when.
No key is used here; what is accepted is journalled and receipted.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import (
    Genesis,
    bundle_digest,
    organisation_ref,
    parse_bundle,
    parse_genesis,
)
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import CustodyManifest, Revoke, Suspend
from strongroom_protocol.quorum import check_first, check_quorum, check_update
from strongroom_protocol.signatures import recover
from strongroom_signer.authority.loosening import is_tightening
from strongroom_signer.authority.organisations import Organisation, find
from strongroom_signer.errors import require
from strongroom_signer.house import House
from strongroom_signer.operations.manifest import manifest_reader
from strongroom_signer.operations.reading import anything, signature_at, signatures_in


def policy_first(house: House, body: dict[str, Any], trace: str) -> dict[str, Any]:
    """A new organisation: m of n custody officers and every founding person have signed."""
    names = {"genesis", "bundle", "signatures", "officer_signatures", "manifest"}
    members = Members(body, "body", names)
    genesis = parse_genesis(members.part("genesis", anything))
    bundle = parse_bundle(members.part("bundle", anything))
    ref, digest = organisation_ref(genesis), bundle_digest(bundle)
    stored = house.journal.one(
        "SELECT digest FROM policy WHERE organisation = ? AND version = 1", ref
    )
    if stored is not None:
        require(bytes(stored[0]) == digest, "genesis_used", "this genesis has another first policy")
        return _accepted(ref, 1)
    require(genesis.chain_id == house.config.chain_id, "chain_differs", _chain_words(house))
    check_first(genesis, bundle, signatures_in(members, "signatures"))
    officers, quorum = frozenset(house.config.officers), house.config.officer_quorum
    check_quorum(digest, signatures_in(members, "officer_signatures"), officers, quorum)
    _check_permit_signer(house, bundle)
    require(house.clock.now() < bundle.valid_until, "policy_lapsed", "the bundle's end has passed")
    count = 0
    if house.config.kind == "cold":
        require(
            members.is_null("manifest"), "manifest_needless", "an offline signer has no deposits"
        )
    else:
        manifest = members.part("manifest", manifest_reader(house))
        _check_account(bundle, manifest)
        count = manifest.count
    _check_spending(house, bundle)
    _found(house, genesis, bundle, count, trace)
    return _accepted(ref, 1)


def policy_update(house: House, body: dict[str, Any], trace: str) -> dict[str, Any]:
    """The next version, signed by the active version's quorum. Tightening acts at once."""
    members = Members(body, "body", {"bundle", "signatures"})
    bundle = parse_bundle(members.part("bundle", anything))
    organisation = find(house, bundle.organisation)
    digest = bundle_digest(bundle)
    stored = house.journal.one(
        "SELECT digest FROM policy WHERE organisation = ? AND version = ?",
        organisation.ref,
        bundle.version,
    )
    if stored is not None and bytes(stored[0]) == digest:
        return _accepted(organisation.ref, bundle.version)
    signatures = signatures_in(members, "signatures")
    check_update(organisation.latest, bundle, signatures)
    active, now = organisation.people_now, house.clock.now()
    administrators = active.addresses_with("administrator")
    check_quorum(digest, signatures, administrators, active.administrator_quorum)
    require(now < bundle.valid_until, "policy_lapsed", "the bundle's end has passed")
    _check_spending(house, bundle)
    _check_controls(house, bundle)
    tightening = is_tightening(organisation.bundle, bundle)
    active_from = now if tightening else now + house.config.loosening_seconds
    with house.journal.unit():
        _store_version(house, bundle, active_from)
        _store_destinations(house, bundle, founding=False)
        _receipt(house, "policy_update", trace, bundle)
    return _accepted(organisation.ref, bundle.version)


def suspend(house: House, body: dict[str, Any], trace: str) -> dict[str, Any]:
    """Any one administrator stops everything until a new version is signed."""
    members = Members(body, "body", {"organisation", "version", "signature"})
    organisation = find(house, members.hash32("organisation"))
    version, newest = members.integer("version", 1), organisation.latest.version
    digest = Suspend(organisation.ref, version).digest(house.config.chain_id)
    signature = members.part("signature", signature_at)
    administrator = _administrator(organisation, recover(digest, signature))
    require(
        organisation.bundle.version <= version <= newest,
        "suspension_differs",
        f"a suspension names a policy version from {organisation.bundle.version}, which is active, "
        f"to {newest}, the newest known here; this one names {version}",
    )
    entry = (organisation.ref, version, administrator)
    query = (
        "SELECT 1 FROM suspension WHERE organisation = ? AND after_version = ?"
        " AND administrator = ?"
    )
    if house.journal.one(query, *entry) is None:
        with house.journal.unit():
            house.journal.add("suspension", *entry, house.clock.now())
            facts = {"organisation": to_hex(organisation.ref), "by": to_hex(administrator)}
            house.journal.receipt({"op": "suspend", "outcome": "accepted", "trace": trace, **facts})
    return {"organisation": to_hex(organisation.ref), "suspended": True}


def revoke(house: House, body: dict[str, Any], trace: str) -> dict[str, Any]:
    """Any one administrator ends a person's key for ever."""
    members = Members(body, "body", {"organisation", "key", "signature"})
    organisation = find(house, members.hash32("organisation"))
    key = members.address("key")
    digest = Revoke(organisation.ref, key).digest(house.config.chain_id)
    signature = members.part("signature", signature_at)
    administrator = _administrator(organisation, recover(digest, signature))
    query = "SELECT 1 FROM revocation WHERE organisation = ? AND key = ?"
    if house.journal.one(query, organisation.ref, key) is None:
        with house.journal.unit():
            row = (organisation.ref, key, administrator, house.clock.now())
            house.journal.add("revocation", *row)
            facts = {"organisation": to_hex(organisation.ref), "key": to_hex(key)}
            house.journal.receipt({"op": "revoke", "outcome": "accepted", "trace": trace, **facts})
    return {"organisation": to_hex(organisation.ref), "key": body["key"], "revoked": True}


def _check_account(bundle: Bundle, manifest: CustodyManifest) -> None:
    account = bundle.account
    signed = (account.index, account.manifest_root, account.xpub_hash)
    require(
        signed == (manifest.account_index, manifest.root, manifest.xpub_hash),
        "manifest_differs",
        "the bundle binds another account, manifest or xpub than the officers signed",
    )


def _check_spending(house: House, bundle: Bundle) -> None:
    """A hot key is in the online signer's own table at that place and a cold one is not; a cold key
    is in the offline signer's. A swapped address is refused before anybody pays into it.
    """
    offline = house.config.kind == "cold"
    for key in bundle.spending:
        leaf = house.pool.spending(bundle.account.index, key.index)
        there = leaf is not None and leaf.address == key.address
        known = there or house.pool.spending_of(key.address) is not None
        wrong = not there if (key.kind == "cold") == offline else known and not offline
        require(
            not wrong,
            "spending_key_differs",
            f"{checksum(key.address)}: a hot key must be the online signer's own at account "
            f"{bundle.account.index}, index {key.index}; a cold one the offline signer's alone",
        )


def _check_permit_signer(house: House, bundle: Bundle) -> None:
    """The vault is made for the newest permit key here; a cold machine holds none that counts."""
    newest = house.config.keys.permit
    require(
        house.config.kind == "cold" or bundle.vault.permit_signer == newest,
        "permit_signer_differs",
        f"the vault's permit signer must be this signer's {checksum(newest)}",
    )


def _check_controls(house: House, bundle: Bundle) -> None:
    """The vault is handed to no permit signer but one of this token's."""
    named = bundle.control.permit_signer
    require(
        house.config.kind == "cold" or house.keyring.holds_permit(named),
        "permit_signer_differs",
        f"{checksum(named)} is no permit key of this signer: a stranger would permit its payments",
    )


def _found(house: House, genesis: Genesis, bundle: Bundle, count: int, trace: str) -> None:
    index = genesis.account_index
    taken = house.journal.one("SELECT 1 FROM organisation WHERE account_index = ?", index)
    require(
        taken is None,
        "account_taken",
        f"account {index} belongs to another organisation; use a free index",
    )
    vault = house.deployment.vault_address(bundle)
    text = canonical_bytes(genesis.document()).decode()
    now = house.clock.now()
    taken = house.journal.one("SELECT 1 FROM organisation WHERE vault = ?", vault)
    require(taken is None, "vault_taken", "this very vault is another organisation's: new salt")
    with house.journal.unit():
        row = (bundle.organisation, index, text, count, vault, now)
        house.journal.add("organisation", *row)
        _store_version(house, bundle, now)
        _store_destinations(house, bundle, founding=True)
        _receipt(house, "policy_first", trace, bundle)


def _store_version(house: House, bundle: Bundle, active_from: int) -> None:
    text = canonical_bytes(bundle.document()).decode()
    ref, version, now = bundle.organisation, bundle.version, house.clock.now()
    house.journal.add("policy", ref, version, bundle_digest(bundle), now, active_from, text)


def _store_destinations(house: House, bundle: Bundle, *, founding: bool) -> None:
    """First seen by the own clock: a destination cools from there, a spending key of one's own
    too. The founders' do not cool.
    """
    query = "SELECT 1 FROM first_seen WHERE organisation = ? AND address = ?"
    places = [entry.address for entry in bundle.address_book]
    for address in dict.fromkeys([*places, *(key.address for key in bundle.spending)]):
        if house.journal.one(query, bundle.organisation, address) is None:
            row = (bundle.organisation, address, int(founding), house.clock.now())
            house.journal.add("first_seen", *row)


def _receipt(house: House, op: str, trace: str, bundle: Bundle) -> None:
    facts = {"organisation": to_hex(bundle.organisation), "version": bundle.version}
    digest = to_hex(bundle_digest(bundle))
    house.journal.receipt(
        {"op": op, "outcome": "accepted", "trace": trace, "bundle": digest, **facts}
    )


def _administrator(organisation: Organisation, address: Address) -> Address:
    require(
        address in organisation.people_now.addresses_with("administrator"),
        "not_administrator",
        "the signature is not by an administrator of the active policy",
    )
    return address


def _accepted(ref: bytes, version: int) -> dict[str, Any]:
    return {"organisation": to_hex(ref), "version": version}


def _chain_words(house: House) -> str:
    return f"this signer is pinned to chain {house.config.chain_id}"
