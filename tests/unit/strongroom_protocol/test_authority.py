import copy
from typing import Any

import pytest

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.authority import (
    bundle_digest,
    organisation_ref,
    organisation_uuid,
    parse_bundle,
    parse_genesis,
)
from strongroom_protocol.canonical import canonical_bytes, content_hash, parse_canonical
from strongroom_protocol.controls import Controls
from strongroom_protocol.errors import ProtocolError
from tests.unit.strongroom_protocol.organisation import (
    ADA,
    APPROVERS,
    CHAIN_ID,
    GENESIS,
    OTHER_PAYEE,
    PAYEE,
    PERMIT_SIGNER,
    TOKEN,
    Key,
    ascending,
    bundle,
    document,
    person,
)


def test_a_genesis_reads_back_and_names_the_organisation_by_its_hash():
    text = canonical_bytes(GENESIS.document())
    assert parse_genesis(parse_canonical(text)) == GENESIS
    assert organisation_ref(GENESIS) == content_hash(GENESIS.document())


def test_the_organisations_uuid_is_version_8_of_its_reference():
    ref = bytes(range(0xF0, 0x100)) + bytes(16)
    assert str(organisation_uuid(ref)) == "f0f1f2f3-f4f5-86f7-b8f9-fafbfcfdfeff"
    assert organisation_uuid(bytes(32)).version == 8


def test_a_bundle_reads_back_to_the_same_digest():
    text = canonical_bytes(document())
    read = parse_bundle(parse_canonical(text))
    assert read.document() == document()
    assert parse_bundle(read.document()) == read
    assert read.structure().content == content_hash(document())
    assert bundle_digest(read) == read.structure().digest(CHAIN_ID)


Path = tuple[Any, ...]


def walk(value: object, path: Path = ()) -> list[Path]:
    """The path of every member of every object."""
    if isinstance(value, dict):
        inner = [walk(item, (*path, key)) for key, item in value.items()]
        return [(*path, key) for key in value] + [one for part in inner for one in part]
    if isinstance(value, list):
        return [one for i, item in enumerate(value) for one in walk(item, (*path, i))]
    return []


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("path", walk(document()), ids=str)
def test_a_member_of_another_type_renamed_or_added_is_refused(path):
    for change in (1.5, {"x": 1}, -1, "\n"):
        wrong = copy.deepcopy(document())
        at(wrong, path[:-1])[path[-1]] = change
        with pytest.raises(ProtocolError):
            parse_bundle(wrong)
    renamed = copy.deepcopy(document())
    owner = at(renamed, path[:-1])
    owner["unknown"] = owner.pop(path[-1])
    with pytest.raises(ProtocolError, match="unknown"):
        parse_bundle(renamed)


def test_errors_name_the_path():
    wrong = document()
    wrong["people"][2]["roles"] = ["king"]
    with pytest.raises(ProtocolError, match=r"bundle\.people\[2\]\.roles\[0\]"):
        parse_bundle(wrong)
    wrong = document()
    wrong["address_book"][1]["address"] = "0x12"
    with pytest.raises(ProtocolError, match=r"bundle\.address_book\[1\]\.address"):
        parse_bundle(wrong)


def rule(**changes):
    when = {"assets": ["TUSD/6"], "units_above": "5"}
    return {"id": "r", "verdict": "allow", "when": when, **changes}


OWNERS = [checksum(owner) for owner in ascending(*APPROVERS)]
VAULT = document()["vault"]
NATIVE, DOLLARS = VAULT["limits"]
PEOPLE = document()["people"]
BOOK = document()["address_book"]
ETH_LIMIT, TUSD_LIMIT = document()["limits"]
FOX = Key("fox")
CONTROLS = {
    "owners": OWNERS[:2],
    "threshold": 2,
    "guard": "0x" + "90" * 20,
    "permit_signer": "0x" + "91" * 20,
    "freezers": [],
}
NEED = {"role": "approver", "department": None, "minimum": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"vault": VAULT | {"owners": OWNERS[::-1]}},
        {"vault": VAULT | {"owners": [OWNERS[0], OWNERS[0]]}},
        {"vault": VAULT | {"owners": []}},
        {"vault": VAULT | {"owners": [checksum(ADA.address)], "threshold": 1}},
        {"vault": VAULT | {"threshold": 0}},
        {"vault": VAULT | {"threshold": 4}},
        {"vault": VAULT | {"limits": []}},
        {"vault": VAULT | {"limits": VAULT["limits"][::-1]}},
        {"vault": VAULT | {"limits": [*VAULT["limits"], VAULT["limits"][1]]}},
        {"vault": VAULT | {"limits": [NATIVE, DOLLARS | {"day_units": "1"}]}},
        {"vault": VAULT | {"limits": [NATIVE, DOLLARS | {"day_units": str(2**128)}]}},
        {"vault": VAULT | {"permit_signer": checksum(ZERO)}},
        {"vault": VAULT | {"permit_signer": OWNERS[0]}},
        {"vault": VAULT | {"freezers": [OWNERS[0]]}},
        {"vault": VAULT | {"adopted": checksum(PAYEE)}},
        {"people": [*PEOPLE, person(FOX, "compliance")]},
        {"limits": [ETH_LIMIT | {"per_day_units": str(2**128)}, TUSD_LIMIT]},
        {"controls": CONTROLS},
        {"vault": VAULT | {"destinations": [checksum(PAYEE)]}},
        {"vault": VAULT | {"destinations": [checksum(OTHER_PAYEE), checksum(PAYEE)]}},
        {"people": [*PEOPLE, PEOPLE[0]]},
        {"people": [*PEOPLE, PEOPLE[0] | {"id": "twin"}]},
        {"people": [*PEOPLE, person(ADA, "auditor") | {"id": "zero", "address": checksum(ZERO)}]},
        {"people": [*PEOPLE, PEOPLE[-1] | {"id": "x", "roles": ["approver"]}]},
        {"people": [*PEOPLE, PEOPLE[-1] | {"id": "x", "roles": []}]},
        {"people": [*PEOPLE, PEOPLE[-1] | {"id": "x", "roles": ["auditor", "auditor"]}]},
        {"administrator_quorum": 0},
        {"administrator_quorum": 3},
        {"limits": [TUSD_LIMIT]},
        {"limits": [*document()["limits"], TUSD_LIMIT]},
        {"address_book": [*BOOK, BOOK[0]]},
        {"address_book": [*BOOK, {"address": checksum(TOKEN), "label": "token"}]},
        {"rules": [rule(), rule()]},
        {"rules": [rule(verdict="maybe")]},
        {"rules": [rule(approvals=[[NEED]])]},
        {"rules": [rule(verdict="approvals")]},
        {"rules": [rule(verdict="approvals", approvals=[])]},
        {"rules": [rule(verdict="approvals", approvals=[[NEED | {"minimum": 4}]])]},
        {"rules": [rule(verdict="approvals", approvals=[[NEED | {"department": "moon"}]])]},
        {"rules": [rule(verdict="approvals", approvals=[[NEED | {"role": "auditor"}]])]},
        {"rules": [rule(when={"units_above": "5"})]},
        {"rules": [rule(when={"assets": ["TUSD/6", "ETH/18"], "units_above": "5"})]},
        {"rules": [rule(when={"assets": ["TUSD/6"], "units_above": "5", "units_at_most": "5"})]},
        {"rules": [rule(when={"assets": ["EUR/2"]})]},
        {"rules": [rule(when={"initiators": ["nobody"]})]},
        {"rules": [rule(when={"initiators": []})]},
        {"rules": [rule(when={"departments": ["moon"]})]},
        {"rules": [rule(when={"destinations": ["0x" + "99" * 20]})]},
        {"rules": [rule(when={"destinations": "everywhere"})]},
        {"tokens": [{"asset": "ETH/18", "contract": None}, {"asset": "X/6", "contract": None}]},
        {"version": 0},
        {"version": 2**53},
        {"version": True},
        {"type": "strongroom.policy/2"},
    ],
)
def test_bundles_that_contradict_themselves_are_refused(changes):
    with pytest.raises(ProtocolError):
        bundle(**changes)


def test_controls_say_who_holds_the_vault_from_then_on():
    first, later = bundle(), bundle(version=2, controls=CONTROLS)
    assert first.control == Controls(first.vault.owners, 2, None, PERMIT_SIGNER, ())
    assert (
        later.control
        == later.controls
        == Controls(first.vault.owners[:2], 2, Address(b"\x90" * 20), Address(b"\x91" * 20), ())
    )
    assert parse_bundle(later.document()) == later
    assert later.document()["controls"] == CONTROLS


@pytest.mark.parametrize(
    "changes",
    [
        {"owners": OWNERS[::-1]}, {"owners": []}, {"owners": [checksum(ADA.address)]},
        {"threshold": 0}, {"threshold": 3}, {"guard": None}, {"guard": checksum(ZERO)},
        {"permit_signer": OWNERS[0]}, {"permit_signer": None}, {"freezers": [OWNERS[0]]},
        {"more": 1},
    ],
)  # fmt: skip
def test_controls_that_cannot_be_are_refused(changes):
    with pytest.raises(ProtocolError):
        bundle(version=2, controls=CONTROLS | changes)


def test_a_safe_that_was_taken_in_has_no_salt():
    taken = VAULT | {"adopted": checksum(PAYEE), "salt": "0x" + "00" * 32}
    read = bundle(vault=taken)
    assert read.vault.adopted == PAYEE
    assert parse_bundle(read.document()) == read


def test_the_guards_limits_are_a_days_units_of_each_token_native_first():
    limits = [(limit.token, limit.day_units) for limit in bundle().guard_limits]
    assert limits == [(None, 1500), (TOKEN, 2_000_000)]
    flipped = {"tokens": document()["tokens"][::-1], "limits": [TUSD_LIMIT, ETH_LIMIT]}
    assert bundle(**flipped).guard_limits == bundle().guard_limits


def test_a_later_version_keeps_what_the_vault_was_made_with():
    book = [*BOOK, {"address": "0x" + "44" * 20, "label": "a new payee"}]
    with pytest.raises(ProtocolError, match="vault"):
        bundle(address_book=book)
    assert bundle(version=2, address_book=book).vault == bundle().vault


@pytest.mark.parametrize(
    "changes",
    [
        {"administrators": []}, {"administrator_quorum": 3}, {"administrator_quorum": 0},
        {"approvers": []}, {"approvers": OWNERS[::-1]}, {"salt": "0x01"}, {"chain_id": 0},
        {"account_index": 2**31}, {"name": ""}, {"name": "a\u202eb"}, {"more": 1},
        {"type": "strongroom.genesis/2"},
    ],
)  # fmt: skip
def test_malformed_geneses_are_refused(changes):
    with pytest.raises(ProtocolError):
        parse_genesis({**GENESIS.document(), **changes})
