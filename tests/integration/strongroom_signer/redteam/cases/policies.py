"""Older, withheld and forged policies; swapped xpubs and manifests."""

from typing import Any

from strongroom_protocol.addresses import checksum
from strongroom_protocol.encoding import to_hex
from tests.integration.strongroom_signer.people import (
    DAY,
    LATER,
    OFFICERS,
    STRANGE,
    Company,
    Key,
    _person,
)
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack, permit

FORGER = Key.named("forger")


def tighter(it: Scene) -> list[dict[str, str]]:
    """The limits, each at one unit."""
    one = {"per_payment_units": "1", "per_day_units": "1"}
    return [limit | one for limit in it.company.bundle["limits"]]


def with_a_forger(it: Scene) -> dict[str, Any]:
    """The next version, in which the attacker is an approver."""
    people = [*it.company.bundle["people"], _person("p9", FORGER, "approver")]
    return it.company.next_bundle(people=people)


@attack("evidence_policy_version")
def older_policy_again(it: Scene) -> Attack:
    """The version before the last tightening, handed over once more, then a payment under it."""
    looser = it.update(valid_until=it.company.now + 79 * DAY)
    body = it.company.payment(it.intent(), 0)
    it.update(limits=tighter(it))
    it.get("policy_update", looser)
    return permit(body)


@attack("bundle_refused")
def another_second_version(it: Scene) -> Attack:
    """A fork: the quorum signed two second versions, and the looser comes late."""
    other = it.company.policy_update(it.company.next_bundle(), it.company.administrators)
    it.update(limits=tighter(it))
    return ask("policy_update", other)


@attack("genesis_used")
def another_first_policy_of_a_genesis(it: Scene) -> Attack:
    """A second first policy for an organisation that has one."""
    it.company.bundle |= {"valid_until": it.company.now + 79 * DAY}
    return ask("policy_first", it.company.policy_first())


@attack("evidence_policy_version")
def payment_under_an_older_policy(it: Scene) -> Attack:
    """A payment approved under the version before the limits were lowered."""
    body = it.company.payment(it.intent(), 0)
    it.update(limits=tighter(it))
    return permit(body)


@attack("evidence_policy_version")
def payment_under_a_policy_that_still_waits(it: Scene) -> Attack:
    """A loosening is known, but its delay has not passed."""
    entry = {"address": checksum(LATER), "label": "later"}
    it.update(address_book=[*it.company.bundle["address_book"], entry])
    return permit(it.company.payment(it.intent(to=LATER), 0))


@attack("policy_lapsed")
def withheld_policy(it: Scene) -> Attack:
    """The attacker keeps every new version back, so that the old one lives on."""
    it.company = it.desk.company(founded=False)
    it.company.bundle["valid_until"] = it.company.now + 400 * DAY
    it.get("policy_first", it.company.policy_first())
    it.wait(90 * DAY + 1)
    return permit(it.company.payment(it.intent(), 0))


@attack("policy_lapsed")
def payment_after_the_policys_end(it: Scene) -> Attack:
    """A payment after the day on which the people wanted to decide anew."""
    ends = it.company.bundle["valid_until"]
    it.wait(ends - it.company.now + 1)
    return permit(it.company.payment(it.intent(), 0))


@attack("bundle_signatures_missing")
def attackers_key_in_a_policy_of_one_administrator(it: Scene) -> Attack:
    """One administrator of two lets the attacker approve."""
    keys = [it.company.administrators[0], FORGER]
    return ask("policy_update", it.company.policy_update(with_a_forger(it), keys))


@attack("bundle_signed_twice")
def quorum_of_one_administrator_twice(it: Scene) -> Attack:
    """One administrator signs twice, with randomised signatures, to look like two."""
    keys = [it.company.administrators[0]] * 2
    return ask("policy_update", it.company.policy_update(it.company.next_bundle(), keys))


@attack("bundle_signatures_missing")
def new_key_that_nobody_holds(it: Scene) -> Attack:
    """The quorum adds an approver whose key has not signed, so nobody has proved to hold it."""
    body = it.company.policy_update(with_a_forger(it), it.company.administrators)
    return ask("policy_update", body)


@attack("bundle_signatures_missing")
def policy_by_an_administrator_who_was_removed(it: Scene) -> Attack:
    """The old quorum, of which one has left, signs the next version."""
    company = it.company
    third = company.key("administrator 3")
    people = [one for one in company.bundle["people"] if one["id"] != "a1"]
    people.append(_person("a2", third, "administrator"))
    it.update([*company.administrators, third], people=people)
    it.wait(3600)
    body = company.policy_update(company.next_bundle(), company.administrators)
    return ask("policy_update", body)


@attack("bundle_refused")
def policy_with_another_vault(it: Scene) -> Attack:
    """The quorum is asked to sign a version whose vault has threshold 1."""
    vault = it.company.bundle["vault"] | {"threshold": 1}
    body = it.company.policy_update(it.company.next_bundle(vault=vault), it.company.administrators)
    return ask("policy_update", body)


@attack("bundle_refused")
def policy_with_a_swapped_manifest_root(it: Scene) -> Attack:
    """A later version binds a manifest of the attacker's addresses."""
    account = it.company.bundle["account"] | {"manifest_root": "0x" + "66" * 32}
    body = it.company.policy_update(
        it.company.next_bundle(account=account), it.company.administrators
    )
    return ask("policy_update", body)


def founded_with(it: Scene, **account: Any) -> Attack:
    """A first policy over a manifest that officers signed, with other contents."""
    company = it.desk.company(founded=False)
    company.account = company.account | account
    company.bundle["account"] |= {
        "manifest_root": company.account["root"], "xpub_hash": company.account["xpub_hash"]
    }  # fmt: skip
    return ask("policy_first", company.policy_first())


@attack("manifest_differs")
def swapped_xpub(it: Scene) -> Attack:
    """The manifest carries another account's xpub, so that the API derives others' addresses."""
    theirs = it.another().account
    return founded_with(it, xpub=theirs["xpub"], xpub_hash=theirs["xpub_hash"])


@attack("manifest_differs")
def swapped_manifest(it: Scene) -> Attack:
    """Even officers' signatures do not make foreign addresses the key table's."""
    return founded_with(it, root=it.another().account["root"])


@attack("manifest_differs")
def longer_manifest_than_the_key_table(it: Scene) -> Attack:
    """A manifest that promises addresses whose keys are not there."""
    return founded_with(it, count=3)


@attack("account_taken")
def another_organisations_account(it: Scene) -> Attack:
    """The attacker founds an organisation on the victim's account, to sweep its deposits."""
    thief = Company(
        f"Thief of {it.company.name}",
        it.company.account,
        it.company.now,
        permit_signer=it.company.permit_signer,
    )
    return ask("policy_first", thief.policy_first())


@attack("bundle_signatures_missing")
def organisation_without_the_officers(it: Scene) -> Attack:
    """A stolen API founds an organisation with keys of its own in the officers' place."""
    company = it.desk.company(founded=False)
    forged = company.signatures([OFFICERS[0], FORGER])
    return ask("policy_first", company.policy_first() | {"officer_signatures": forged})


@attack("bundle_signatures_missing")
def organisation_without_a_founder(it: Scene) -> Attack:
    """A founder who never agreed is named as approver."""
    company = it.desk.company(founded=False)
    there = company.signatures(company.everybody()[:-1])
    return ask("policy_first", company.policy_first() | {"signatures": there})


@attack("bundle_refused")
def genesis_of_other_people(it: Scene) -> Attack:
    """The genesis that people compared out of band, with a bundle that names other approvers."""
    company = it.desk.company(founded=False)
    company.genesis["approvers"] = sorted(
        [*company.genesis["approvers"][1:], checksum(STRANGE)], key=lambda text: text.lower()
    )
    company.bundle["organisation"] = company.reference
    return ask("policy_first", company.policy_first())


@attack("chain_differs")
def organisation_of_another_chain(it: Scene) -> Attack:
    """An organisation of a main network, founded on the signer of a test network."""
    company = it.desk.company(founded=False)
    company.genesis["chain_id"] = 1
    company.bundle |= {"chain_id": 1, "organisation": company.reference}
    return ask("policy_first", company.policy_first())


@attack("organisation_unknown")
def organisation_that_was_never_founded(it: Scene) -> Attack:
    """The database has an organisation that the signer does not know."""
    company = it.desk.company(founded=False)
    return permit(company.payment(company.intent(it.vault), 0))


@attack("address_unlisted")
def address_beyond_the_manifest(it: Scene) -> Attack:
    """Provenance for an index that the officers have not signed for."""
    return ask("provenance", {"organisation": it.company.reference, "index": 2})


def logged(it: Scene) -> int:
    """The size of the log when it was last signed."""
    query = "SELECT max(size) FROM checkpoint"
    ((size,),) = it.desk.house.journal.all(query)
    if size is None:
        size = 10
        first = {"size": size, "root": to_hex(bytes(32)), "consistency_proof": []}
        it.get("checkpoint", first)
    return int(size)


def note(size: int, *proof: bytes) -> Attack:
    """A checkpoint over the attacker's own records."""
    nodes = [to_hex(node) for node in proof]
    return ask("checkpoint", {"size": size, "root": "0x" + "66" * 32, "consistency_proof": nodes})


@attack("merkle_proof_invalid")
def log_with_another_past(it: Scene) -> Attack:
    """A longer log whose first records were rewritten."""
    return note(logged(it) + 1, b"\x66" * 32, b"\x67" * 32, b"\x68" * 32)


@attack("log_shrunk")
def log_cut_short(it: Scene) -> Attack:
    """A log from which the newest records were taken away."""
    return note(logged(it) - 1)


@attack("request_differs")
def log_forked_at_the_same_size(it: Scene) -> Attack:
    """Another log of the size that was signed, for another reader."""
    return note(logged(it))
