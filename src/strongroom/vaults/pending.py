"""What stands between a vault on chain and the active bundle, as governed changes in their order.

Pure: a snapshot and a bundle in, changes out. Owners change one after the other, so each change is
written for the list that the ones before it leave behind; all of them may be announced at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from strongroom.vaults.configuration import SENTINEL, Configuration, GuardRecord, Questions
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.vault_changes import (
    IMMEDIATE,
    Change,
    change_call,
    change_hash,
    guard_as_signed,
)

CHANGE_LIFE_SECONDS: Final = 14 * 86_400
"""The guard's: how long an announced change stays usable."""

Stage = Literal["to_announce", "cooling", "executable", "to_do"]
Phase = Literal["announce", "execute", "now"]


@dataclass(frozen=True, slots=True)
class Pending:
    """One change that is still to be made. `usable_from`: block time, 0 = not announced."""

    change: Change
    hash: bytes
    stage: Stage
    usable_from: int

    @property
    def phase(self) -> Phase | None:
        """The step that can be taken now; None while it cools."""
        steps: dict[Stage, Phase | None] = {
            "to_announce": "announce",
            "cooling": None,
            "executable": "execute",
            "to_do": "now",
        }
        return steps[self.stage]


def questions(bundle: Bundle, before: Questions) -> Questions:
    """What the guard is to be asked so that a difference shows; what was asked before stays."""
    limits = (*bundle.guard_limits, *bundle.vault.limits)
    return Questions(
        tokens=before.tokens | {limit.token or ZERO for limit in limits},
        destinations=before.destinations
        | {entry.address for entry in bundle.address_book}
        | set(bundle.vault.destinations),
    )


def changes(found: Configuration, bundle: Bundle, deployment: Deployment) -> list[Change]:
    """The changes that bring the vault to what the bundle says, the first to be made first."""
    people = list(_people(found, bundle))
    record = found.record
    if record is None:
        return []  # nothing of ours guards it: it is left, or not taken in
    wanted = bundle.control.guard or deployment.guard
    if found.guard != wanted:
        return [*people, guard_as_signed(bundle, deployment)]
    return [*people, *_guard(record, bundle)]


def hashes(
    found: Configuration, wanted: list[Change], deployment: Deployment
) -> dict[bytes, Change]:
    """What the guard is asked about each change."""
    return {
        change_hash(change_call(one, found.address, found.guard, deployment)): one for one in wanted
    }


def pending(found: Configuration, bundle: Bundle, deployment: Deployment) -> list[Pending]:
    """The changes with what the guard knows of them; `found` was asked about their hashes."""
    known = {} if found.record is None else found.record.changes
    result = []
    for one_hash, change in hashes(found, changes(found, bundle, deployment), deployment).items():
        usable = known.get(one_hash, 0)
        if found.block_time > usable + CHANGE_LIFE_SECONDS:
            usable = 0  # it was announced long ago and is announced again
        result.append(Pending(change, one_hash, _stage(change, usable, found.block_time), usable))
    listed = {one.hash for one in result}
    for one_hash, usable in sorted(known.items()):
        if one_hash not in listed and found.block_time <= usable + CHANGE_LIFE_SECONDS:
            # Announced once, and no longer asked for: nobody shall execute it by mistake.
            result.append(Pending(Change("cancel", change_hash=one_hash), one_hash, "to_do", 0))
    return result


def _stage(change: Change, usable_from: int, now: int) -> Stage:
    if change.kind in IMMEDIATE:
        return "to_do"
    if not usable_from:
        return "to_announce"
    return "executable" if now >= usable_from else "cooling"


def _people(found: Configuration, bundle: Bundle) -> Iterator[Change]:
    control = bundle.control
    there, threshold = list(found.owners), found.threshold
    leaving = sorted(set(there) - set(control.owners))
    coming = sorted(set(control.owners) - set(there))
    swaps = list(zip(leaving, coming, strict=False))
    for owner, new_owner in swaps:
        yield Change("swap_owner", previous=_before(there, owner), owner=owner, new_owner=new_owner)
        there[there.index(owner)] = new_owner
    for owner in coming[len(swaps) :]:
        yield Change("add_owner", owner=owner, threshold=threshold)
        there.insert(0, owner)
    for owner in leaving[len(swaps) :]:
        if threshold >= len(there):
            threshold = control.threshold
        yield Change(
            "remove_owner", previous=_before(there, owner), owner=owner, threshold=threshold
        )
        there.remove(owner)
    if threshold != control.threshold:
        yield Change("change_threshold", threshold=control.threshold)


def _before(owners: list[Address], owner: Address) -> Address:
    at = owners.index(owner)
    return owners[at - 1] if at else SENTINEL


def _guard(record: GuardRecord, bundle: Bundle) -> Iterator[Change]:
    control = bundle.control
    if record.permit_signer != control.permit_signer:
        yield Change("set_permit_signer", permit_signer=control.permit_signer)
    if record.freezers != control.freezers:
        yield Change("set_freezers", freezers=control.freezers)
    wanted = {limit.token or ZERO: limit.day_units for limit in bundle.guard_limits}
    for token in sorted(wanted.keys() | record.limits.keys()):
        have = record.limits.get(token)
        units = wanted.get(token, 0)
        if have is None or units > have.day_units:
            yield Change("set_limit", token=_token(token), day_units=units)
        elif units < have.day_units:
            yield Change("lower_limit", token=_token(token), day_units=units)
    book = {entry.address for entry in bundle.address_book}
    for place, usable in sorted(record.destinations.items()):
        if place in book and not usable:
            yield Change("announce_destination", destination=place)
        elif usable and place not in book:
            yield Change("revoke_destination", destination=place)


def _token(token: Address) -> Address | None:
    return None if token == ZERO else token
