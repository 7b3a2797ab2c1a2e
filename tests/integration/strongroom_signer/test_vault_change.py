"""P1, P9: the chain follows the policy: what the active one asks for is permitted, once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.permit import Permit
from strongroom_protocol.safe import rejection_safe_tx
from strongroom_protocol.vault_changes import IMMEDIATE, Change
from strongroom_signer.token import templates
from strongroom_signer.token.keyring import Keyring
from tests.integration.strongroom_signer.changes import (
    FIRST_OWNER,
    FREEZER,
    NEW_GUARD,
    adopt,
    govern,
    new_guard,
    signed,
    step,
)
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import (
    CHAIN_ID,
    DAY,
    LATER,
    SHIPPER,
    TUSD,
    Company,
)
from tests.integration.strongroom_signer.test_relay import ask_for, decoded

Made = tuple[Change, dict[str, Any]]


def owners(company: Company) -> list[str]:
    return sorted((checksum(key.address) for key in company.approvers), key=str.lower)


def without_the_last(company: Company) -> dict[str, Any]:
    last = checksum(company.approvers[2].address)
    return {"owners": [one for one in owners(company) if one != last]}


def lowered(company: Company) -> dict[str, Any]:
    native, dollars = company.bundle["limits"]
    return {"limits": [native, dollars | {"per_day_units": "7000000"}]}


def people_with_compliance(company: Company) -> list[dict[str, Any]]:
    freezer = {
        "id": "c0",
        "name": "c0",
        "address": checksum(FREEZER.address),
        "roles": ["compliance"],
        "department": None,
    }
    return [*company.bundle["people"], freezer]


def removed_owner(desk: Desk, company: Company) -> Change:
    govern(desk, company, **without_the_last(company))
    return Change("remove_owner", previous=FIRST_OWNER, owner=company.approvers[2].address,
                  threshold=2)  # fmt: skip


def added_owner(desk: Desk, company: Company) -> Change:
    govern(desk, company, **without_the_last(company))
    govern(desk, company)
    return Change("add_owner", owner=company.approvers[2].address, threshold=2)


def swapped_owner(desk: Desk, company: Company) -> Change:
    govern(desk, company, **without_the_last(company))
    first, _, third = (key.address for key in company.approvers)
    return Change("swap_owner", previous=FIRST_OWNER, owner=third, new_owner=first)


def threshold(desk: Desk, company: Company) -> Change:
    govern(desk, company, threshold=3)
    return Change("change_threshold", threshold=3)


def permit_signer(_desk: Desk, company: Company) -> Change:
    return Change("set_permit_signer", permit_signer=company.permit_signer)


def freezers(desk: Desk, company: Company) -> Change:
    adopt(desk, company, people=people_with_compliance(company))
    govern(desk, company, freezers=[checksum(FREEZER.address)])
    return Change("set_freezers", freezers=(FREEZER.address,))


def guard(desk: Desk, company: Company) -> Change:
    govern(desk, company, guard=checksum(NEW_GUARD))
    return new_guard(desk, company)


def lower_limit(desk: Desk, company: Company) -> Change:
    adopt(desk, company, **lowered(company))
    return Change("lower_limit", token=TUSD, day_units=7_000_000)


def announced_destination(desk: Desk, company: Company) -> Change:
    entry = {"address": checksum(LATER), "label": "later"}
    adopt(desk, company, address_book=[*company.bundle["address_book"], entry])
    return Change("announce_destination", destination=LATER)


def revoked_destination(desk: Desk, company: Company) -> Change:
    adopt(desk, company, address_book=[])
    return Change("revoke_destination", destination=SHIPPER)


CHANGES: dict[str, Callable[[Desk, Company], Change]] = {
    "add_owner": added_owner,
    "remove_owner": removed_owner,
    "swap_owner": swapped_owner,
    "change_threshold": threshold,
    "set_limit": lambda _d, _c: Change("set_limit", token=None, day_units=2 * 10**18),
    "lower_limit": lower_limit,
    "set_permit_signer": permit_signer,
    "set_freezers": freezers,
    "announce_destination": announced_destination,
    "revoke_destination": revoked_destination,
    "replace_guard": guard,
    "cancel": lambda _d, _c: Change("cancel", change_hash=b"\x11" * 32),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_the_policy_asks_for_is_permitted_step_by_step(kind: str, desk: Desk) -> None:
    company = desk.company()
    change = CHANGES[kind](desk, company)
    needed = company.approvers[: 3 if kind == "change_threshold" else 2]
    platform, vault = desk.house.deployment.guard, desk.vault(company)
    installed = {"guard": checksum(platform), "permit_signer": checksum(company.permit_signer)}
    phases = ("now",) if kind in IMMEDIATE else ("announce", "execute")
    for nonce, phase in enumerate(phases):
        body = step(desk, company, change, phase, nonce=nonce, signers=needed)
        answer = desk.get("vault_change", body | {"installed": installed})
        permit = Permit(
            vault, from_hex(answer["safe_tx_hash"]), answer["policy_version"], answer["valid_until"]
        )
        digest = permit.digest(CHAIN_ID, platform)
        by = Account._recover_hash(digest, signature=from_hex(answer["permit_signature"]))
        assert by == checksum(company.permit_signer) == answer["permit_signer"]
        assert answer["policy_version"] == company.bundle["version"]
        assert desk.get("vault_change", body | {"installed": installed}) == answer


def test_an_owners_change_is_carried_with_the_signatures_that_the_chain_wants(desk: Desk) -> None:
    """The policy wants three, the chain still two: the relay says how many it takes."""
    company = desk.company()
    change = threshold(desk, company)
    body = step(desk, company, change, "announce", signers=company.approvers)
    answer = desk.get("vault_change", body)
    carried = {"safe_tx_hash": answer["safe_tx_hash"], "signatures": body["signatures"]}
    three = decoded(desk.get("relay", ask_for(company, "vault_execution", "a", **carried)))
    two = ask_for(company, "vault_execution", "b", **carried, threshold=2)
    assert len(bytes(three["data"])) > len(bytes(decoded(desk.get("relay", two))["data"]))
    assert Address(bytes(three["to"])) == desk.vault(company)


def test_an_owner_who_leaves_hands_over_with_the_others_until_the_key_is_revoked(
    desk: Desk,
) -> None:
    company = desk.company()
    change, leaving = removed_owner(desk, company), company.approvers[2]
    body = step(desk, company, change, "announce", signers=[company.approvers[0], leaving])
    assert desk.get("vault_change", body)["permit_signature"]


def test_a_rejected_change_never_comes_back_under_its_nonce(desk: Desk) -> None:
    company = desk.company()
    change, vault = removed_owner(desk, company), desk.vault(company)
    desk.get("vault_change", step(desk, company, change, "announce", nonce=4))
    rejection = signed(company, change, "reject", rejection_safe_tx(vault, 4), vault)
    answer = desk.get("vault_change", rejection)
    assert desk.get("vault_change", rejection) == answer
    payment = company.payment(company.intent(vault), 4)
    assert desk.refused("vault_permit", payment) == "signer.safe_nonce_taken"


def test_a_payment_is_permitted_for_what_is_installed(desk: Desk) -> None:
    """The policy names another guard; until the chain follows, Permits are for the old one."""
    company = desk.company()
    govern(desk, company, guard=checksum(NEW_GUARD))
    old = {"guard": checksum(desk.house.deployment.guard)}
    old["permit_signer"] = checksum(company.permit_signer)
    for nonce, installed, expected in ((0, {}, NEW_GUARD), (1, {"installed": old}, None)):
        body = company.payment(company.intent(desk.vault(company)), nonce) | installed
        answer = desk.get("vault_permit", body)
        assert answer["guard"] == (checksum(expected) if expected else old["guard"])
        permit = Permit(
            desk.vault(company),
            from_hex(answer["safe_tx_hash"]),
            answer["policy_version"],
            answer["valid_until"],
        )
        digest = permit.digest(CHAIN_ID, parse_address(answer["guard"]))
        by = Account._recover_hash(digest, signature=from_hex(answer["permit_signature"]))
        assert by == checksum(company.permit_signer)


def test_the_next_permit_key_takes_over_where_the_policy_names_it(desk: Desk) -> None:
    """HSM key rotation: born in the token while the signer runs, used for who asks for it."""
    company, keyring = desk.company(), desk.house.keyring
    before = keyring.permit_keys()
    templates.make_signing_key(desk.token, templates.permit_label(len(before) + 1))
    newest = Keyring(desk.token).public.permit
    assert newest not in before
    govern(desk, company, permit_signer=checksum(newest))
    assert keyring.permit_keys() == (*before, newest)
    assert desk.get("status", {})["permit_keys"] == [checksum(key) for key in (*before, newest)]
    change = Change("set_permit_signer", permit_signer=newest)
    old = {"guard": checksum(desk.house.deployment.guard)}
    old["permit_signer"] = checksum(company.permit_signer)
    body = step(desk, company, change) | {"installed": old}
    assert desk.get("vault_change", body)["permit_signer"] == old["permit_signer"]
    paid = desk.get("vault_permit", company.payment(company.intent(desk.vault(company)), 1))
    assert paid["permit_signer"] == checksum(newest)
    other = desk.company()
    kept = desk.get("vault_permit", other.payment(other.intent(desk.vault(other)), 0))
    assert kept["permit_signer"] == checksum(other.permit_signer)


def test_a_change_ends_with_its_week_and_with_the_policy(desk: Desk) -> None:
    company = desk.company()
    change = Change("cancel", change_hash=b"\x12" * 32)
    answer = desk.get("vault_change", step(desk, company, change, "now"))
    assert answer["valid_until"] == desk.clock.now() + 7 * DAY


REFUSED: dict[str, tuple[Callable[[Desk, Company], dict[str, Any]], str]] = {
    "an unknown kind": (lambda d, c: step(d, c, Change("cancel"), "now")
                        | {"change": {"kind": "set_fallback_handler"}}, "protocol_field_invalid"),
    "a member more": (lambda d, c: step(d, c, Change("cancel"), "now")
                      | {"change": {"kind": "cancel", "change_hash": "0x" + "11" * 32, "to": "0x"}},
                      "protocol_field_invalid"),
    "a step that the kind does not have": (
        lambda d, c: step(d, c, Change("cancel"), "now") | {"phase": "execute"}, "safe_refused"),
    "nobody's signature": (lambda d, c: step(d, c, Change("cancel"), "now", signers=[]),
                           "approvals_missing"),
    "a guard that never was": (
        lambda d, c: step(d, c, Change("cancel"), "now") | {
            "installed": {"guard": checksum(NEW_GUARD),
                          "permit_signer": checksum(c.permit_signer)}}, "guard_unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(case: str, desk: Desk) -> None:
    company = desk.company()
    build, code = REFUSED[case]
    assert desk.refused("vault_change", build(desk, company)) == f"signer.{code}"


def test_the_second_encoder_reads_every_member(desk: Desk) -> None:
    """A change that differs in any one member gives another hash in both encoders."""
    company = desk.company()
    changes = [
        Change("add_owner", owner=LATER, threshold=1),
        Change("add_owner", owner=LATER, threshold=2),
        Change("add_owner", owner=SHIPPER, threshold=2),
        Change("set_limit", token=TUSD, day_units=5),
        Change("set_limit", token=None, day_units=5),
        Change("lower_limit", token=None, day_units=5),
        new_guard(desk, company),
        replace(new_guard(desk, company), freezers=(LATER,)),
        replace(new_guard(desk, company), destinations=()),
        replace(new_guard(desk, company), limits=()),
    ]
    seen = set()
    for change in changes:
        phase = "now" if change.kind in IMMEDIATE else "announce"
        body = step(desk, company, change, phase)
        code = desk.ask("vault_change", body).get("code", "")
        assert code != "signer.encoders_differ", to_hex(repr(change).encode())
        seen.add(body["signatures"][0])
    assert len(seen) == len(changes)
