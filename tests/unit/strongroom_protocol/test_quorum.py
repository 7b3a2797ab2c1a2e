from dataclasses import replace

import pytest

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.authority import bundle_digest
from strongroom_protocol.quorum import (
    BundleRefused,
    check_first,
    check_quorum,
    check_update,
    signers_of,
)
from tests.unit.strongroom_protocol.organisation import (
    ADA,
    APPROVERS,
    BEN,
    CAT,
    DAN,
    EVE,
    GENESIS,
    Key,
    bundle,
    document,
    person,
    signed_by,
)

FIRST = bundle()
ALL = (ADA, EVE, *APPROVERS)
FOX = Key("fox")


def second(**changes):
    previous = "0x" + bundle_digest(FIRST).hex()
    return bundle(**{"version": 2, "previous": previous, **changes})


def test_the_first_bundle_needs_everybody_who_signs():
    check_first(GENESIS, FIRST, signed_by(FIRST, *ALL))
    for missing in ALL:
        others = [key for key in ALL if key != missing]
        with pytest.raises(BundleRefused) as caught:
            check_first(GENESIS, FIRST, signed_by(FIRST, *others))
        assert caught.value.code == "bundle.signatures_missing"


@pytest.mark.parametrize(
    "genesis",
    [
        replace(GENESIS, name="Another"),
        replace(GENESIS, account_index=8),
        replace(GENESIS, administrator_quorum=1),
        replace(GENESIS, approvers=GENESIS.approvers[:2]),
        replace(GENESIS, administrators=GENESIS.administrators[:1]),
        replace(GENESIS, chain_id=1),
    ],
)
def test_a_bundle_of_another_genesis_is_refused(genesis):
    with pytest.raises(BundleRefused):
        check_first(genesis, FIRST, signed_by(FIRST, *ALL))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2}, {"previous": "0x" + "01" * 32}, {"administrator_quorum": 1},
        {"chain_id": 1}, {"people": [*document()["people"], person(FOX, "administrator")]},
        {"people": [*document()["people"], person(FOX, "approver")]},
        {"account": document()["account"] | {"index": 8}},
    ],
)  # fmt: skip
def test_a_first_bundle_that_says_more_than_its_genesis_is_refused(changes):
    wrong = bundle(**changes)
    with pytest.raises(BundleRefused):
        check_first(GENESIS, wrong, signed_by(wrong, *ALL, FOX))


def test_an_update_needs_the_active_versions_quorum():
    """P1."""
    update = second()
    check_update(FIRST, update, signed_by(update, ADA, EVE))
    for signers in ((ADA,), (ADA, BEN, CAT, DAN), ()):
        with pytest.raises(BundleRefused) as caught:
            check_update(FIRST, update, signed_by(update, *signers))
        assert caught.value.code == "bundle.signatures_missing"


def test_signatures_over_other_bytes_and_doubled_ones_do_not_count():
    update = second()
    with pytest.raises(BundleRefused):
        check_update(FIRST, update, signed_by(FIRST, ADA, EVE))
    with pytest.raises(BundleRefused) as caught:
        check_update(FIRST, update, signed_by(update, ADA, ADA))
    assert caught.value.code == "bundle.signed_twice"


def test_administrators_of_the_new_version_cannot_vote_themselves_in():
    people = [*document()["people"], person(FOX, "administrator")]
    update = second(people=people)
    with pytest.raises(BundleRefused):
        check_update(FIRST, update, signed_by(update, ADA, FOX))


def test_a_new_key_must_prove_possession():
    update = second(people=[*document()["people"], person(FOX, "approver")])
    with pytest.raises(BundleRefused, match="Fox"):
        check_update(FIRST, update, signed_by(update, ADA, EVE))
    check_update(FIRST, update, signed_by(update, ADA, EVE, FOX))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1}, {"version": 3}, {"previous": "0x" + "00" * 32}, {"chain_id": 1},
        {"organisation": "0x" + "01" * 32}, {"account": document()["account"] | {"index": 8}},
        {"vault": document()["vault"] | {"threshold": 1}},
        {"vault": document()["vault"] | {"destinations": [checksum(Address(b"\4" * 20))]}},
    ],
)  # fmt: skip
def test_updates_that_skip_fork_or_move_the_vault_are_refused(changes):
    try:
        update = second(**changes)
    except ValueError:
        return
    with pytest.raises(BundleRefused):
        check_update(FIRST, update, signed_by(update, *ALL))


def test_officers_are_counted_among_themselves_only():
    officers = frozenset({ADA.address, BEN.address, CAT.address})
    digest = b"\7" * 32
    both = [key.sign(digest) for key in (ADA, BEN)]
    check_quorum(digest, both, officers, 2)
    assert signers_of(digest, both) == {ADA.address, BEN.address}
    with pytest.raises(BundleRefused):
        check_quorum(digest, [key.sign(digest) for key in (ADA, EVE)], officers, 2)
    with pytest.raises(BundleRefused):
        check_quorum(digest, [], officers, 0)
