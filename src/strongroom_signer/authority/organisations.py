"""The organisations that this signer serves, read from its own journal and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from strongroom_protocol.addresses import Address
from strongroom_protocol.authority import organisation_uuid, parse_bundle
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.canonical import parse_json
from strongroom_signer.errors import Refused, require
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

    @property
    def uuid(self) -> str:
        """The organisation's id as the service writes it."""
        return str(organisation_uuid(self.ref))


def find(house: House, ref: bytes) -> Organisation:
    """The organisation and its active policy; raises Refused when it is unknown."""
    row = house.journal.one(
        "SELECT account_index, manifest_count, vault FROM organisation WHERE organisation = ?", ref
    )
    if row is None:
        raise Refused(
            "organisation_unknown",
            "this organisation is not known here: its genesis and first policy come first",
        )
    versions = house.journal.all(
        "SELECT version, bundle, accepted_at, active_from FROM policy WHERE organisation = ?"
        " ORDER BY version DESC",
        ref,
    )
    now = house.clock.now()
    active = next(version for version in versions if version[3] <= now)
    bundle = parse_bundle(parse_json(active[1].encode()))
    latest = bundle if active is versions[0] else parse_bundle(parse_json(versions[0][1].encode()))
    extended = house.journal.one(
        "SELECT count, root FROM manifest WHERE organisation = ? ORDER BY count DESC LIMIT 1", ref
    )
    manifest = extended or (row[1], bundle.account.manifest_root)
    return Organisation(
        ref=ref,
        account_index=row[0],
        manifest_count=manifest[0],
        manifest_root=manifest[1],
        vault=Address(row[2]),
        bundle=bundle,
        latest=latest,
        people_now=_without_revoked(house, ref, bundle),
        lapses_at=min(bundle.valid_until, active[2] + LAPSE_SECONDS),
        suspended=_is_suspended(house, ref, bundle.version),
    )


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


def _without_revoked(house: House, ref: bytes, bundle: Bundle) -> Bundle:
    rows = house.journal.all("SELECT key FROM revocation WHERE organisation = ?", ref)
    revoked = {bytes(row[0]) for row in rows}
    people = tuple(person for person in bundle.people if person.address not in revoked)
    return bundle if len(people) == len(bundle.people) else replace(bundle, people=people)
