"""P3: an organisation gets more addresses by the officers' word, and keeps those it has."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from strongroom_protocol import merkle
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import CustodyManifest
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import CHAIN_ID, OFFICERS, Company, Key
from tests.integration.strongroom_signer.spending import Body
from tests.integration.strongroom_signer.test_relay import ask_for, sweep


def _root(document: Body, count: int) -> str:
    leaves = [
        merkle.manifest_leaf(f"m/44'/60'/{document['account_index']}'/0/{i}", parse_address(one))
        for i, one in enumerate(document["addresses"][:count])
    ]
    return to_hex(merkle.root(leaves))


@pytest.fixture
def company(desk: Desk) -> tuple[Company, Body]:
    """An organisation that was founded with one address of two, and the manifest of both."""
    mine = desk.company(founded=False)
    both = mine.account
    root = _root(both, 1)
    mine.account = {**both, "count": 1, "root": root, "addresses": both["addresses"][:1]}
    mine.bundle["account"]["manifest_root"] = root
    desk.get("policy_first", mine.policy_first())
    return mine, both


def extension(
    company: Company, document: Body, officers: Sequence[Key] = OFFICERS[:2], **changes: Any
) -> Body:
    named = {name: document[name] for name in ("account_index", "root", "count", "xpub")} | changes
    statement = CustodyManifest(
        named["account_index"], from_hex(named["root"]), named["count"],
        from_hex(document["xpub_hash"]),
    )  # fmt: skip
    signatures = company.signatures(officers, statement.digest(CHAIN_ID))
    return {
        "organisation": company.reference,
        "manifest": {**named, "officer_signatures": signatures},
    }


def test_more_addresses_are_given_out_and_swept_once_officers_signed(
    desk: Desk, company: tuple[Company, Body]
) -> None:
    mine, document = company
    asked = {"organisation": mine.reference, "index": 1}
    assert desk.refused("provenance", asked) == "signer.address_unlisted"
    items = sweep(mine) | {"delegate": [0, 1]}
    early = ask_for(mine, "sweep", **items)
    assert desk.refused("relay", early) == "signer.address_unlisted"
    answer = desk.get("manifest_extend", extension(mine, document))
    assert answer == {"organisation": mine.reference, "count": 2, "root": document["root"]}
    given = desk.get("provenance", asked)
    assert (given["address"], given["root"]) == (document["addresses"][1], document["root"])
    leaf = merkle.manifest_leaf(given["path"], parse_address(given["address"]))
    proof = [from_hex(node) for node in given["proof"]]
    merkle.verify_inclusion(leaf, 1, 2, proof, from_hex(document["root"]))
    assert desk.get("relay", early)["raw"].startswith("0x04")


def test_the_same_manifest_again_answers_the_same_and_writes_nothing(
    desk: Desk, company: tuple[Company, Body]
) -> None:
    mine, document = company
    first = desk.get("manifest_extend", extension(mine, document))
    size = desk.house.journal.size
    assert desk.get("manifest_extend", extension(mine, document)) == first
    assert desk.house.journal.size == size
    assert desk.refused("manifest_extend", extension(mine, mine.account)) == (
        "signer.manifest_shorter"
    )


CASES: dict[str, tuple[Callable[[Company, Body], Body], str]] = {
    "one officer of two": (lambda c, d: extension(c, d, OFFICERS[:1]), "bundle_signatures_missing"),
    "officers of somewhere else": (
        lambda c, d: extension(c, d, [Key.named("x"), Key.named("y")]),
        "bundle_signatures_missing"),
    "one officer twice": (
        lambda c, d: extension(c, d, [OFFICERS[0]] * 2), "bundle_signed_twice"),
    "another root": (lambda c, d: extension(c, d, root="0x" + "11" * 32), "manifest_differs"),
    "more than the key table has": (lambda c, d: extension(c, d, count=3), "manifest_differs"),
    "an xpub they did not sign": (
        lambda c, d: extension(c, d, xpub="xpub661MyMwAqRbc"), "bundle_signatures_missing"),
    "an unknown member": (
        lambda c, d: extension(c, d) | {"force": True}, "protocol_field_invalid"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_extension_is_refused_for(case: str, desk: Desk, company: tuple[Company, Body]) -> None:
    build, code = CASES[case]
    assert desk.refused("manifest_extend", build(*company)) == f"signer.{code}"


def test_another_organisations_manifest_is_refused(
    desk: Desk, company: tuple[Company, Body]
) -> None:
    mine, document = company
    other = desk.company()
    foreign = extension(mine, document) | {"organisation": other.reference}
    assert desk.refused("manifest_extend", foreign) == "signer.manifest_differs"


def test_an_address_that_was_given_out_can_not_be_another_one_later(
    desk: Desk, company: tuple[Company, Body]
) -> None:
    mine, document = company
    table, index = desk.house.pool._connection, document["account_index"]
    where = "account_index = ? AND branch = 0 AND leaf_index = 0"
    (address,) = table.execute(f"SELECT address FROM sealed_key WHERE {where}", (index,)).fetchone()
    table.execute(f"UPDATE sealed_key SET address = ? WHERE {where}", (b"\x01" * 20, index))
    changed = {**document, "addresses": ["0x" + "01" * 20, *document["addresses"][1:]]}
    swapped = extension(mine, changed, root=_root(changed, 2))
    code = desk.refused("manifest_extend", swapped)
    table.execute(f"UPDATE sealed_key SET address = ? WHERE {where}", (address, index))
    assert code == "signer.manifest_differs"
