"""What stands between a vault and its bundle, as changes; what people must hear of."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.vaults import snapshots
from strongroom.vaults.configuration import (
    SENTINEL,
    Configuration,
    GuardRecord,
    Limit,
    Questions,
)
from strongroom.vaults.examiner import alarms
from strongroom.vaults.models import VaultSnapshot
from strongroom.vaults.pending import (
    CHANGE_LIFE_SECONDS,
    changes,
    hashes,
    pending,
    questions,
)
from strongroom.vaults.room import words
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.controls import Controls
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.vault_changes import Change, conforms
from tests.unit.strongroom_protocol.organisation import OTHER_PAYEE, PAYEE, TOKEN, bundle

NOW = 1_800_000_000
PLACE = Deployment(31337, Address(b"\x0a" * 20))
BUNDLE = bundle()


def one(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def record(**changed: Any) -> GuardRecord:
    content: dict[str, Any] = {
        "exit_module": PLACE.exit,
        "multi_send": PLACE.multi_send,
        "permit_signer": BUNDLE.control.permit_signer,
        "policy_version": 1,
        "singleton": PLACE.safe_singleton,
        "people_hash": bytes(32),
        "freezers": BUNDLE.control.freezers,
        "frozen_until": 0,
        "exit_frozen_until": 0,
        "freeze_count": 0,
        "limits": {limit.token or ZERO: Limit(limit.day_units, 0) for limit in BUNDLE.guard_limits},
        "destinations": {PAYEE: 1, OTHER_PAYEE: 1},
        "changes": {},
    }
    return GuardRecord(**content | changed)


def standing(**changed: Any) -> Configuration:
    """The vault exactly as the bundle asks."""
    content: dict[str, Any] = {
        "address": one(99),
        "height": 7,
        "block_hash": bytes(32),
        "block_time": NOW,
        "balance_wei": 0,
        "code_hash": bytes(32),
        "version": "1.5.0",
        "singleton": PLACE.safe_singleton,
        "owners": BUNDLE.control.owners,
        "threshold": BUNDLE.control.threshold,
        "nonce": 3,
        "guard": PLACE.guard,
        "module_guard": PLACE.guard,
        "handler": ZERO,
        "modules": (PLACE.exit,),
        "code_hashes": {PLACE.guard: bytes(32)},
        "contract_owners": (),
        "record": record(),
    }
    return Configuration(**content | changed)


def asking(**control: Any) -> Bundle:
    """The bundle with other controls."""
    there = BUNDLE.control
    wanted = Controls(there.owners, there.threshold, PLACE.guard, there.permit_signer, ())
    return replace(BUNDLE, version=2, controls=replace(wanted, **control))


class Safe:
    """A Safe's own list of owners, as OwnerManager keeps it."""

    def __init__(self, owners: tuple[Address, ...], threshold: int) -> None:
        self.owners, self.threshold = list(owners), threshold

    def apply(self, change: Change) -> None:
        before = change.previous
        if change.kind == "add_owner":
            assert change.owner not in self.owners
            self.owners.insert(0, change.owner)
        if change.kind in ("swap_owner", "remove_owner"):
            at = self.owners.index(change.owner)
            assert before == (self.owners[at - 1] if at else SENTINEL)
            if change.kind == "swap_owner":
                assert change.new_owner not in self.owners
                self.owners[at] = change.new_owner
            else:
                del self.owners[at]
        if change.kind in ("add_owner", "remove_owner", "change_threshold"):
            self.threshold = change.threshold
        assert 1 <= self.threshold <= len(self.owners)


def test_a_vault_that_stands_as_signed_needs_nothing():
    assert changes(standing(), BUNDLE, PLACE) == []
    assert changes(standing(record=None, guard=ZERO), BUNDLE, PLACE) == []


PEOPLE = st.lists(st.integers(2, 12).map(one), min_size=1, max_size=6, unique=True)


@settings(max_examples=300, deadline=None)
@given(PEOPLE, PEOPLE, st.data())
def test_each_change_of_people_fits_the_list_that_the_ones_before_leave(there, wanted, data):
    threshold = data.draw(st.integers(1, len(there)))
    new = data.draw(st.integers(1, len(wanted)))
    asked = asking(owners=tuple(sorted(wanted)), threshold=new)
    found = standing(owners=tuple(there), threshold=threshold, record=record(freezers=()))
    safe = Safe(tuple(there), threshold)
    plan = changes(found, asked, PLACE)
    for step, change in enumerate(plan):
        safe.apply(change)
        rest = replace(found, owners=tuple(safe.owners), threshold=safe.threshold)
        assert changes(rest, asked, PLACE) == plan[step + 1 :], "the plan does not change half-way"
    assert (set(safe.owners), safe.threshold) == (set(wanted), new)


def test_every_pending_change_is_one_that_the_bundle_asks_for():
    asked = asking(permit_signer=one(50), freezers=(one(51),), owners=(one(60), one(61), one(62)))
    found = standing(
        record=record(
            limits={ZERO: Limit(10**30, 0), one(70): Limit(5, 0)},
            destinations={PAYEE: 0, OTHER_PAYEE: 1, one(80): 1},
        )
    )
    plan = changes(found, asked, PLACE)
    kinds = [change.kind for change in plan]
    assert kinds.count("swap_owner") == 3
    assert {"set_permit_signer", "set_freezers", "set_limit", "announce_destination"} <= set(kinds)
    assert [change.destination for change in plan if change.kind == "revoke_destination"] == [
        one(80)
    ]
    assert {(change.token, change.day_units) for change in plan if "lower" in change.kind} == {
        (None, 1500),
        (one(70), 0),
    }
    assert [conforms(change, asked, PLACE) for change in plan] == [None] * len(plan)
    assert all(words(change).endswith(".") for change in plan)


def test_a_new_guard_brings_its_whole_configuration_and_nothing_is_asked_of_the_old():
    asked = asking(guard=one(40), permit_signer=one(50))
    [change] = changes(standing(), asked, PLACE)
    assert (change.kind, change.guard, change.permit_signer) == ("replace_guard", one(40), one(50))
    assert conforms(change, asked, PLACE) is None


def test_a_change_is_announced_cools_and_is_executed_by_the_chains_clock():
    asked = asking(threshold=BUNDLE.control.threshold + 1)
    bare = standing(record=record(freezers=()))
    [one_hash] = hashes(bare, changes(bare, asked, PLACE), PLACE)

    def stage(usable_from: int) -> tuple[str, str | None]:
        known = standing(record=record(freezers=(), changes={one_hash: usable_from}))
        [found] = pending(known, asked, PLACE)
        return found.stage, found.phase

    assert stage(0) == ("to_announce", "announce")
    assert stage(NOW + 1) == ("cooling", None)
    assert stage(NOW) == ("executable", "execute")
    assert stage(NOW - CHANGE_LIFE_SECONDS) == ("executable", "execute")
    assert stage(NOW - CHANGE_LIFE_SECONDS - 1) == ("to_announce", "announce")


def test_an_announcement_that_nobody_asks_for_any_more_is_to_be_taken_back():
    stale = bytes([7]) * 32
    [found] = pending(standing(record=record(changes={stale: NOW})), BUNDLE, PLACE)
    assert (found.change.kind, found.change.change_hash, found.phase) == ("cancel", stale, "now")
    long_ago = {stale: NOW - CHANGE_LIFE_SECONDS - 1}
    assert pending(standing(record=record(changes=long_ago)), BUNDLE, PLACE) == []


def test_what_was_asked_before_is_asked_again():
    asked = questions(BUNDLE, Questions(frozenset([one(70)]), frozenset([one(80)])))
    assert asked.tokens == {ZERO, TOKEN, one(70)}
    assert asked.destinations == {PAYEE, OTHER_PAYEE, one(80)}


def test_a_snapshot_says_what_was_read():
    found = standing(record=record(changes={bytes([7]) * 32: NOW}), exit_id=1, exit_usable_from=5)
    kept = VaultSnapshot(
        organisation_id=UUID(int=1),
        id=UUID(int=2),
        vault_id=UUID(int=3),
        configuration=snapshots.document(found),
        policy_version=1,
        height=7,
        seen_height=7,
        seen_hash=bytes(32),
        seen_time=datetime.fromtimestamp(NOW, UTC),
    )
    assert snapshots.configuration(kept) == found
    assert snapshots.asked(kept) == Questions(
        frozenset([ZERO, TOKEN]), frozenset([PAYEE, OTHER_PAYEE]), frozenset([bytes([7]) * 32])
    )


def test_people_hear_of_each_thing_that_changed_and_of_nothing_else():
    def heard(**changed: Any) -> list[str]:
        return [kind for kind, _ in alarms(standing(), standing(**changed))]

    assert heard() == []
    assert heard(nonce=4) == []
    assert heard(threshold=7) == ["people"]
    assert heard(guard=ZERO) == heard(module_guard=ZERO) == ["guard"]
    assert heard(modules=()) == heard(handler=one(5)) == ["modules"]
    assert heard(singleton=one(5)) == ["singleton"]
    assert heard(exit_usable_from=NOW + 5) == ["exit"]
    assert heard(record=record(frozen_until=NOW + 5)) == ["freeze"]
    assert heard(record=record(frozen_until=NOW)) == []
    announced = standing(exit_usable_from=NOW + 5)
    assert list(alarms(announced, announced)) == []
    assert [kind for kind, _ in alarms(None, announced)] == ["exit"]
