"""The offline machine: whoever owns the service writes the file that is carried to it."""

from typing import Any

from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.intents import Withdrawal
from tests.integration.strongroom_signer.people import DAY, OFFICERS, STRANGE, Company, Key
from tests.integration.strongroom_signer.redteam.stage import Attack, Body, Scene, ask, attack
from tests.integration.strongroom_signer.spending import (
    bump,
    hot_address,
    hot_intent,
    key_entry,
    spend,
)

FORGER = Key.named("forger")


def unknown(it: Scene) -> Company:
    """An organisation with a cold key, which the machine has not heard of yet."""
    company = it.company = it.desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(hot_address(company), kind="cold")]}
    return company


def cold(it: Scene) -> Company:
    """The same, founded: an offline signer is shown no manifest of deposits."""
    company = unknown(it)
    it.get("policy_first", company.policy_first() | {"manifest": None})
    return company


def order(company: Company, **changes: Any) -> Withdrawal:
    """A payment out of the cold key."""
    return hot_intent(company, token=ZERO, units=10**17, **changes)


def carried(company: Company, intent: Withdrawal, **changes: Any) -> Attack:
    """The file's payment, with members put in the place of the honest ones."""
    return ask("spending_payment", spend(company, intent) | changes)


def swapped(it: Scene, **changes: str) -> Attack:
    """What people signed, with one field changed in the file."""
    company = cold(it)
    body: Body = spend(company, order(company))
    return ask("spending_payment", body | {"intent": body["intent"] | changes})


@attack("evidence_initiator_unknown")
def destination_swapped_in_the_file(it: Scene) -> Attack:
    """The file pays somebody else than people signed for."""
    return swapped(it, to=checksum(STRANGE))


@attack("evidence_initiator_unknown")
def units_swapped_in_the_file(it: Scene) -> Attack:
    """The file pays more than people signed for."""
    return swapped(it, units=str(10**18))


@attack("bump_too_small")
def payment_carried_twice(it: Scene) -> Attack:
    """A file that was signed is carried again as a second attempt, to have two transactions."""
    company = cold(it)
    body = spend(company, order(company))
    it.get("spending_payment", body)
    return ask("spending_payment", body | {"attempt": 1})


@attack("evidence_initiator_unknown")
def payment_carried_again_under_another_reference(it: Scene) -> Attack:
    """A file that was signed, with another reference."""
    company = cold(it)
    body = spend(company, order(company))
    it.get("spending_payment", body)
    return ask("spending_payment", body | {"intent": body["intent"] | {"reference": "again"}})


@attack("evidence_initiator_unknown")
def bump_that_pays_somebody_else(it: Scene) -> Attack:
    """A dearer attempt of a signed payment, to another destination."""
    company = cold(it)
    body = spend(company, order(company))
    it.get("spending_payment", body)
    return ask(
        "spending_payment", bump(body) | {"intent": body["intent"] | {"to": checksum(STRANGE)}}
    )


@attack("evidence_policy_version")
def payment_under_a_policy_that_was_kept_back(it: Scene) -> Attack:
    """People approved under a newer version, which the file does not bring along."""
    company = cold(it)
    company.bundle = company.next_bundle()
    return carried(company, order(company))


@attack("policy_lapsed")
def machine_that_hears_of_no_policy_for_long(it: Scene) -> Attack:
    """Every newer version is kept back, so that a removed approver counts for ever."""
    company = unknown(it)
    company.bundle["valid_until"] = company.now + 400 * DAY
    it.get("policy_first", company.policy_first() | {"manifest": None})
    it.wait(90 * DAY + 1)
    return carried(company, order(company))


@attack("approvals_missing")
def file_without_its_approver(it: Scene) -> Attack:
    """The initiator alone."""
    company = cold(it)
    return ask("spending_payment", spend(company, order(company), []))


@attack("clearance_missing")
def file_without_screening(it: Scene) -> Attack:
    """Nobody screened the destination."""
    company = cold(it)
    return carried(company, order(company), clearance=None)


@attack("organisation_unknown")
def payment_before_the_first_policy(it: Scene) -> Attack:
    """A payment of an organisation whose founding was not carried over."""
    company = unknown(it)
    return carried(company, order(company))


@attack("bundle_signatures_missing")
def founding_without_the_officers(it: Scene) -> Attack:
    """A first policy that the attacker signed in an officer's place."""
    company = unknown(it)
    forged = company.signatures([OFFICERS[0], FORGER])
    first = company.policy_first() | {"manifest": None, "officer_signatures": forged}
    return ask("policy_first", first)


@attack("spending_key_differs")
def cold_key_that_is_not_on_the_machine(it: Scene) -> Attack:
    """The founding names the attacker's address as the cold key: people would pay into it."""
    company = unknown(it)
    company.bundle |= {"spending": [key_entry(checksum(STRANGE), kind="cold")]}
    return ask("policy_first", company.policy_first() | {"manifest": None})


@attack("wallet_differs")
def hot_key_on_the_offline_machine(it: Scene) -> Attack:
    """A key that the policy calls hot is asked to sign on the offline machine."""
    company = it.company = it.desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(hot_address(company))]}
    it.get("policy_first", company.policy_first() | {"manifest": None})
    return carried(company, order(company))


@attack("wallet_differs")
def deposit_key_on_the_offline_machine(it: Scene) -> Attack:
    """A deposit key of the same account is asked to pay."""
    company = cold(it)
    wallet = parse_address(company.account["addresses"][0])
    return carried(company, company.intent(wallet, token=ZERO))


@attack("operation_offline")
def offline_machine_feeds_gas(it: Scene) -> Attack:
    """An operation without approvers, which no offline machine serves."""
    body = {"organisation": cold(it).reference, "to": {"relay": True}, "units": "1"}
    return ask("gas_topup", body)


@attack("operation_offline")
def offline_machine_permits_a_vault(it: Scene) -> Attack:
    """A vault's payment carried to the offline machine, whose permit key is another."""
    company = cold(it)
    return ask("vault_permit", company.payment(it.intent(), 0))


@attack("operation_offline")
def offline_machine_signs_a_log(it: Scene) -> Attack:
    """A log of the attacker's own, to be signed where nobody compares it."""
    del it
    return ask("checkpoint", {"size": 1, "root": "0x" + "66" * 32, "consistency_proof": []})
