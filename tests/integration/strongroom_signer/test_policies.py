"""Whose word counts: the first policy, updates, provenance, checkpoints of the log."""

from collections.abc import Callable
from typing import Any

import pytest

from strongroom_protocol import merkle
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.checkpoint import open_note
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.intents import AddressProvenance
from strongroom_protocol.signatures import Signature, recover
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    LATER,
    OFFICERS,
    Company,
    Key,
)

Body = dict[str, Any]
STRANGERS = [Key.named("stranger 1"), Key.named("stranger 2")]


def test_a_founded_organisation_is_in_status_and_told_again_unchanged(desk: Desk) -> None:
    company = desk.company()
    again = desk.get("policy_first", company.policy_first())
    assert again == {"organisation": company.reference, "version": 1}
    listed = {"organisation": company.reference, "policy_version": 1, "suspended": False}
    status = desk.get("status", {})
    assert listed in status["organisations"]
    assert status["keys"]["relay"] == checksum(desk.house.config.keys.relay)


def _manifest(company: Company, **changes: Any) -> Body:
    """A manifest that the officers really signed, but with another content."""
    company.account = company.account | changes
    company.bundle["account"] |= {
        "manifest_root": company.account["root"], "xpub_hash": company.account["xpub_hash"]
    }  # fmt: skip
    return company.policy_first()


def _with(company: Company, change: Callable[[Body], object]) -> Body:
    body = company.policy_first()
    change(body)
    return body


FIRST: dict[str, tuple[Callable[[Company], Body], str]] = {
    "a founder who has not signed": (
        lambda c: _with(c, lambda b: b["signatures"].pop()), "bundle_signatures_missing"),
    "one officer of two": (
        lambda c: _with(c, lambda b: b["officer_signatures"].pop()), "bundle_signatures_missing"),
    "one officer twice": (
        lambda c: c.policy_first() | {"officer_signatures": c.signatures([OFFICERS[0]] * 2)},
        "bundle_signed_twice"),
    "strangers as officers": (
        lambda c: c.policy_first() | {"officer_signatures": c.signatures(STRANGERS)},
        "bundle_signatures_missing"),
    "a manifest signed by one officer": (
        lambda c: _with(c, lambda b: b["manifest"]["officer_signatures"].pop()),
        "bundle_signatures_missing"),
    "a swapped address": (lambda c: _manifest(c, root="0x" + "11" * 32), "manifest_differs"),
    "a shorter manifest": (lambda c: _manifest(c, count=1), "manifest_differs"),
    "a bundle that binds another manifest": (
        lambda c: _with(c, lambda b: (
            b["bundle"]["account"].update(manifest_root="0x" + "11" * 32),
            b.update(signatures=c.signatures(c.everybody()),
                     officer_signatures=c.signatures(OFFICERS[:2])))),
        "manifest_differs"),
    "another genesis": (
        lambda c: _with(c, lambda b: b["genesis"].update(name="Other")), "bundle_refused"),
    "an unknown member": (lambda c: c.policy_first() | {"force": True}, "protocol_field_invalid"),
    "a bundle whose end has passed": (
        lambda c: (c.bundle.update(valid_until=c.now), c.policy_first())[1], "policy_lapsed"),
}  # fmt: skip


@pytest.mark.parametrize("case", FIRST)
def test_first_policy_is_refused_with(case: str, desk: Desk) -> None:
    company = desk.company(founded=False)
    build, code = FIRST[case]
    assert desk.refused("policy_first", build(company)) == f"signer.{code}"


def test_an_account_belongs_to_one_organisation(desk: Desk) -> None:
    company = desk.company()
    thief = Company("Thief", company.account, desk.clock.now(), permit_signer=company.permit_signer)
    assert desk.refused("policy_first", thief.policy_first()) == "signer.account_taken"


def test_another_chains_genesis_is_refused(desk: Desk) -> None:
    company = desk.company(founded=False)
    company.genesis["chain_id"] = 1
    company.bundle |= {"chain_id": 1, "organisation": company.reference}
    assert desk.refused("policy_first", company.policy_first()) == "signer.chain_differs"


UPDATES: dict[str, tuple[Callable[[Company], Body], str]] = {
    "one administrator of two": (
        lambda c: c.policy_update(c.next_bundle(), c.administrators[:1]),
        "bundle_signatures_missing"),
    "approvers instead of administrators": (
        lambda c: c.policy_update(c.next_bundle(), c.approvers), "bundle_signatures_missing"),
    "a skipped version": (
        lambda c: c.policy_update(c.next_bundle(version=3), c.administrators), "bundle_refused"),
    "another past": (
        lambda c: c.policy_update(c.next_bundle(previous="0x" + "11" * 32), c.administrators),
        "bundle_refused"),
    "another vault": (
        lambda c: c.policy_update(
            c.next_bundle(vault=c.bundle["vault"] | {"threshold": 1}), c.administrators),
        "bundle_refused"),
    "another manifest": (
        lambda c: c.policy_update(
            c.next_bundle(account=c.bundle["account"] | {"index": 999}), c.administrators),
        "bundle_refused"),
}  # fmt: skip


@pytest.mark.parametrize("case", UPDATES)
def test_policy_update_is_refused_with(case: str, desk: Desk) -> None:
    company = desk.company()
    build, code = UPDATES[case]
    assert desk.refused("policy_update", build(company)) == f"signer.{code}"


def test_tightening_acts_at_once_and_loosening_after_the_delay(desk: Desk) -> None:
    company = desk.company()

    def version() -> int:
        found = desk.get("status", {})["organisations"]
        return next(
            int(one["policy_version"]) for one in found if one["organisation"] == company.reference
        )

    limits = [
        limit | {"per_day_units": "1", "per_payment_units": "1"}
        for limit in company.bundle["limits"]
    ]
    tighter = company.next_bundle(limits=limits)
    desk.get("policy_update", company.policy_update(tighter, company.administrators))
    company.bundle = tighter
    assert version() == 2
    entry = {"address": checksum(LATER), "label": "later"}
    looser = company.next_bundle(address_book=[*tighter["address_book"], entry])
    desk.get("policy_update", company.policy_update(looser, company.administrators))
    assert version() == 2
    desk.clock.advance(3600)
    assert version() == 3


def test_a_version_that_is_stored_already_is_told_again_unchanged(desk: Desk) -> None:
    company = desk.company()
    updates = []
    for _ in range(2):
        bundle = company.next_bundle()
        updates.append(company.policy_update(bundle, company.administrators))
        desk.get("policy_update", updates[-1])
        company.bundle = bundle
    entries, size = desk.counts(), desk.house.journal.size
    assert desk.get("policy_update", updates[0])["version"] == 2
    assert (desk.counts(), desk.house.journal.size) == (entries, size)


def test_provenance_proves_path_and_address_under_the_officers_root(desk: Desk) -> None:
    company = desk.company()
    answer = desk.get("provenance", {"organisation": company.reference, "index": 1})
    address = parse_address(answer["address"])
    assert answer["address"] == company.account["addresses"][1]
    statement = AddressProvenance(company.ref, answer["path"], address)
    signature = Signature.parse(from_hex(answer["signature"]))
    assert recover(statement.digest(CHAIN_ID), signature) == desk.house.config.keys.attest
    merkle.verify_inclusion(
        merkle.manifest_leaf(answer["path"], address),
        1,
        company.account["count"],
        [from_hex(node) for node in answer["proof"]],
        from_hex(company.account["root"]),
    )
    assert desk.get("provenance", {"organisation": company.reference, "index": 1}) == answer
    left = desk.get("status", {})["pool"][str(company.account["account_index"])]
    assert left == company.account["count"] - 1


def test_an_address_outside_the_manifest_gets_no_provenance(desk: Desk) -> None:
    body = {"organisation": desk.company().reference, "index": 2}
    assert desk.refused("provenance", body) == "signer.address_unlisted"


def test_checkpoints_follow_one_another_and_the_log_cannot_be_rewritten(desk: Desk) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(9)]

    def body(size: int, of: list[bytes], first: int = 0) -> Body:
        proof = merkle.consistency_proof(of[:size], first) if first else []
        root = to_hex(merkle.root(of[:size]))
        return {
            "size": size, "root": root, "consistency_proof": [to_hex(node) for node in proof]
        }  # fmt: skip

    def signed(asked: Body) -> tuple[int, tuple[str, ...]]:
        note = desk.get("checkpoint", asked)["note"]
        keys = desk.house.config.keys
        checkpoint = open_note(note, "strongroom.test/log", keys.log)
        assert to_hex(checkpoint.root) == asked["root"]
        assert desk.get("checkpoint", asked)["note"] == note
        return checkpoint.size, checkpoint.extensions

    assert signed(body(3, leaves))[0] == 3
    size, (line,) = signed(body(7, leaves, first=3))
    assert size == 7
    assert line.startswith("journal 1 ")
    forged = [merkle.leaf_hash(b"other"), *leaves[1:]]
    for attack, code in (
        (body(7, forged), "request_differs"),
        (body(9, forged, first=7), "merkle_proof_invalid"),
        (body(9, leaves), "merkle_proof_invalid"),
        (body(5, leaves), "log_shrunk"),
    ):
        assert desk.refused("checkpoint", attack) == f"signer.{code}"
    signed(body(9, leaves, first=7))


def test_whatever_is_no_request_is_refused(desk: Desk) -> None:
    for request, code in (
        ({"op": "sign", "trace": "", "body": {}}, "operation_unknown"),
        ({"op": ["relay"], "trace": "", "body": {}}, "operation_unknown"),
        ({"op": "status", "body": {}}, "request_malformed"),
        ({"op": "status", "trace": "", "body": []}, "request_malformed"),
    ):
        answer = desk.dispatcher.answer(request)
        assert answer["code"] == f"signer.{code}"


def test_no_log_line_names_more_than_operation_trace_and_outcome(desk: Desk) -> None:
    company = desk.company()
    desk.get("provenance", {"organisation": company.reference, "index": 0})
    assert company.reference not in desk.log.getvalue()
    assert desk.settings.signer_pin.read() not in desk.log.getvalue()
