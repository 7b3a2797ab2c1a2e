"""The organisations that this signer serves, read from its own journal and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from strongroom_protocol.addresses import Address
from strongroom_protocol.authority import bundle_digest, organisation_uuid, parse_bundle
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.controls import Controls
from strongroom_signer.errors import Refused, check, require
from strongroom_signer.house import House

# A withheld update must not let an old policy live on for ever.
LAPSE_SECONDS = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation with its policy in force. `bundle` is as signed; `people_now` is the same
    without the people whose keys were revoked: evidence is judged by that one. The manifest is the
    latest that officers signed: the first leaves of every later one are the bundle's.
    """

    ref: bytes
    account_index: int
    manifest_count: int
    manifest_root: bytes
    vault: Address
    bundle: Bundle
    latest: Bundle
    people_now: Bundle
    lapses_at: int
    suspended: bool
    revoked: frozenset[Address]

    @property
    def uuid(self) -> str:
        """The organisation's id as the service writes it."""
        return str(organisation_uuid(self.ref))


def find(house: House, ref: bytes) -> Organisation:
    """The organisation and its active policy; raises Refused when it is unknown."""
    now = house.clock.now()
    return house.journal.remembered(("organisation", ref, now), lambda: _read(house, ref, now))


def _read(house: House, ref: bytes, now: int) -> Organisation:
    row = house.journal.one(
        "SELECT account_index, manifest_count, vault FROM organisation WHERE organisation = ?", ref
    )
    if row is None:
        raise Refused(
            "organisation_unknown",
            "this organisation is not known here: its genesis and first policy come first",
        )
    digest, accepted_at, newest = house.journal.all(
        "SELECT digest, accepted_at, (SELECT digest FROM policy WHERE organisation = ?1"
        " ORDER BY version DESC LIMIT 1) FROM policy WHERE organisation = ?1 AND active_from <= ?2"
        " ORDER BY version DESC LIMIT 1",
        ref,
        now,
    )[0]
    bundle = _bundle(house, ref, bytes(digest))
    extended = house.journal.one(
        "SELECT count, root FROM manifest WHERE organisation = ? ORDER BY count DESC LIMIT 1", ref
    )
    revoked = _revoked(house, ref)
    manifest = extended or (row[1], bundle.account.manifest_root)
    return Organisation(
        ref=ref,
        account_index=row[0],
        manifest_count=manifest[0],
        manifest_root=bytes(manifest[1]),
        vault=Address(row[2]),
        bundle=bundle,
        latest=_bundle(house, ref, bytes(newest)),
        people_now=_without(bundle, revoked),
        lapses_at=min(bundle.valid_until, accepted_at + LAPSE_SECONDS),
        suspended=_is_suspended(house, ref, bundle.version),
        revoked=revoked,
    )


def controls_until(house: House, organisation: Organisation) -> tuple[Controls, ...]:
    """The vault's controls by each version up to the active one, oldest first."""
    rows = house.journal.all(
        "SELECT digest FROM policy WHERE organisation = ? AND version <= ? ORDER BY version",
        organisation.ref,
        organisation.bundle.version,
    )
    return tuple(_bundle(house, organisation.ref, bytes(row[0])).control for row in rows)


def _bundle(house: House, ref: bytes, digest: bytes) -> Bundle:
    """A stored version; it must still be what was signed."""

    def read() -> Bundle:
        (text,) = house.journal.all(
            "SELECT bundle FROM policy WHERE organisation = ? AND digest = ?", ref, digest
        )[0]
        bundle = parse_bundle(parse_json(text.encode()))
        check(bundle_digest(bundle) == digest, "a stored policy has the digest it was signed with")
        return bundle

    return house.bundles.get(digest, read)


def require_alive(house: House, organisation: Organisation) -> None:
    """Refuse everything of an organisation that is suspended or whose policy has lapsed."""
    require(
        not organisation.suspended,
        "suspended",
        "an administrator suspended this organisation; a new policy version, signed by the "
        "quorum, ends that",
    )
    require(
        house.clock.now() <= organisation.lapses_at,
        "policy_lapsed",
        "the policy has lapsed (its end, or 90 days without renewal); administrators sign the "
        "next version",
    )


def _is_suspended(house: House, ref: bytes, active_version: int) -> bool:
    row = house.journal.one(
        "SELECT 1 FROM suspension WHERE organisation = ? AND after_version >= ?",
        ref,
        active_version,
    )
    return row is not None


def _revoked(house: House, ref: bytes) -> frozenset[Address]:
    rows = house.journal.all("SELECT key FROM revocation WHERE organisation = ?", ref)
    return frozenset(Address(bytes(row[0])) for row in rows)


def _without(bundle: Bundle, revoked: frozenset[Address]) -> Bundle:
    people = tuple(person for person in bundle.people if person.address not in revoked)
    return bundle if len(people) == len(bundle.people) else replace(bundle, people=people)
