"""Whose key pays, how much, at what fee and nonce: spending keys as a thief would use them."""

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import Withdrawal
from tests.integration.strongroom_signer.people import CHAIN_ID, STRANGE, screened
from tests.integration.strongroom_signer.redteam.cases.spending import hot, paid, pay
from tests.integration.strongroom_signer.redteam.stage import Attack, Scene, ask, attack
from tests.integration.strongroom_signer.spending import (
    bump,
    cancelled,
    hot_address,
    hot_company,
    hot_intent,
    key_entry,
    spend,
)
from tests.integration.strongroom_signer.test_relay import GWEI, ask_for, fees


@attack("wallet_differs")
def another_organisations_hot_key(it: Scene) -> Attack:
    """The attacker's organisation orders a payment out of the victim's hot key."""
    victim = hot_company(it.desk)
    company = hot(it)
    return pay(spend(company, company.intent(parse_address(hot_address(victim)))))


@attack("wallet_differs")
def deposit_address_as_a_hot_key(it: Scene) -> Attack:
    """A deposit key, which only delegates, is asked to pay."""
    company = hot(it)
    wallet = parse_address(company.account["addresses"][0])
    return pay(spend(company, company.intent(wallet)))


@attack("wallet_differs")
def relay_key_as_a_hot_key(it: Scene) -> Attack:
    """The relay's key, which belongs to nobody's organisation, is asked to pay."""
    company = hot(it)
    return pay(spend(company, company.intent(it.desk.house.config.keys.relay)))


@attack("wallet_differs")
def spending_key_that_no_policy_names(it: Scene) -> Attack:
    """A key of the own account that the ceremony made and the people did not sign for."""
    company = hot(it)
    second = parse_address(company.account["spending"][1]["address"])
    return pay(spend(company, company.intent(second)))


@attack("address_unlisted")
def spending_key_that_delegates(it: Scene) -> Attack:
    """An EIP-7702 authorisation of a spending key, by an index beyond the deposits."""
    company = hot(it)
    item = {"index": 2, "token": checksum(company.token), "units": "1", "clearances": []}
    return ask("relay", ask_for(company, "sweep", items=[item], delegate=[2]))


@attack("spending_key_differs")
def swapped_spending_address(it: Scene) -> Attack:
    """The first policy names the attacker's address as its hot key."""
    company = it.desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(checksum(STRANGE))]}
    return ask("policy_first", company.policy_first())


@attack("spending_key_differs")
def another_organisations_key_in_the_policy(it: Scene) -> Attack:
    """The attacker's policy names the victim's hot key as its own."""
    victim = hot_company(it.desk)
    company = it.desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(hot_address(victim))]}
    return ask("policy_first", company.policy_first())


@attack("spending_key_differs")
def cold_key_that_is_online(it: Scene) -> Attack:
    """A key that people believe offline stands in the online signer's table."""
    company = it.desk.company(founded=False)
    company.bundle |= {"spending": [key_entry(hot_address(company), kind="cold")]}
    return ask("policy_first", company.policy_first())


@attack("policy_denied")
def more_than_the_float_of_a_day(it: Scene) -> Attack:
    """Two payments below the limits of the organisation, together above the key's float."""
    paid(it, units=3_000_000)
    return pay(spend(it.company, hot_intent(it.company, units=1_000_001)))


@attack("policy_denied")
def float_and_vault_together(it: Scene) -> Attack:
    """The vault has paid the organisation's day already; the hot key is asked for more."""
    company = hot(it)
    it.paid(0, units=5_000_000)
    it.paid(1, units=2_000_000)
    return pay(spend(company, hot_intent(company, units=1_000_001)))


@attack("policy_denied")
def hot_payment_to_a_stranger(it: Scene) -> Attack:
    """The destination is not in the signed book."""
    company = hot(it)
    return pay(spend(company, hot_intent(company, to=STRANGE)))


@attack("clearance_differs")
def hot_payment_with_another_clearance(it: Scene) -> Attack:
    """The clearance of an earlier payment to the same destination."""
    company = hot(it)
    other = screened(company.clearance(hot_intent(company)))
    return pay(spend(company, hot_intent(company)), clearance=other)


@attack("fee_above_cap")
def value_in_the_hot_fee(it: Scene) -> Attack:
    """Gas times price above what the initiator signed: the float leaves as a tip."""
    company = hot(it)
    intent = hot_intent(company, max_fee_wei=10**15)
    return pay(spend(company, intent), fees=fees(1_000_000))


@attack("fee_above_cap")
def value_in_the_hot_fee_by_bumps(it: Scene) -> Attack:
    """The fee climbs above the signed maximum bump by bump."""
    body = paid(it, max_fee_wei=100_000 * 10 * GWEI)
    return pay(bump(body, 1, 11))


@attack("fee_above_cap")
def value_in_the_hot_cancellation(it: Scene) -> Attack:
    """A cancellation needs nobody's word, so its fee is asked to be a fortune."""
    body = paid(it, max_fee_wei=100_000 * 10 * GWEI)
    return pay(cancelled(body, 1, 50))


@attack("transaction_invalid")
def hot_payment_without_gas(it: Scene) -> Attack:
    """Gas below what the data burns: the nonce would be stuck."""
    company = hot(it)
    return pay(spend(company, hot_intent(company)), fees=fees(21_000))


@attack("protocol_field_invalid")
def hot_nonce_by_the_caller(it: Scene) -> Attack:
    """The caller brings a far nonce."""
    company = hot(it)
    return pay(spend(company, hot_intent(company)), nonce=2**63)


@attack("protocol_field_invalid")
def hot_call_data_by_the_caller(it: Scene) -> Attack:
    """The caller brings call data; only a plain transfer is ever made, by the signer."""
    company = hot(it)
    return pay(spend(company, hot_intent(company)), data="0x095ea7b3")


@attack("protocol_field_invalid")
def hot_payment_to_the_token_itself(it: Scene) -> Attack:
    """A transfer to the token's own contract, where money is lost."""
    company = hot(it)
    body = spend(company, hot_intent(company))
    return pay(body, intent=body["intent"] | {"to": checksum(company.token)})


@attack("bump_too_small")
def second_hot_payment_on_a_nonce(it: Scene) -> Attack:
    """The same attempt again at the same price, to have two signatures on a nonce."""
    return pay(paid(it), attempt=1)


@attack("evidence_initiator_unknown")
def bump_of_another_payment(it: Scene) -> Attack:
    """A bump that pays more under the same nonce."""
    body = paid(it)
    return pay(bump(body), intent=body["intent"] | {"units": "2000000"})


@attack("ref_unknown")
def hot_cancellation_of_nothing(it: Scene) -> Attack:
    """A nonce taken by cancelling an intent that never was paid."""
    company = hot(it)
    return pay(cancelled(spend(company, hot_intent(company)), 0))


@attack("ref_unknown")
def relay_cancels_a_hot_payment(it: Scene) -> Attack:
    """The relay's cancel under a hot payment's name."""
    ref = Withdrawal.from_fields(paid(it)["intent"]).digest(CHAIN_ID)
    body = {"purpose": "cancel", "ref": to_hex(ref), "attempt": 1}
    return ask("relay", body | {"fees": fees(30_000, 9 * GWEI, 9 * GWEI)})


@attack("wallet_differs")
def another_organisation_cancels_a_hot_payment(it: Scene) -> Attack:
    """A cancellation needs nobody's word, so the attacker cancels the victim's payment as his."""
    body = paid(it)
    return pay(cancelled(body), organisation=it.another().reference)


@attack("suspended")
def hot_bump_of_a_suspended_organisation(it: Scene) -> Attack:
    """A stopped organisation's payment, bumped."""
    body = paid(it)
    it.get("suspend", it.company.suspension())
    return pay(bump(body))


@attack("evidence_policy_version")
def removed_spending_key(it: Scene) -> Attack:
    """People took the hot key out of the policy; a payment approved before is shown."""
    company = hot(it)
    body = spend(company, hot_intent(company))
    bundle = company.next_bundle()
    del bundle["spending"]
    it.get("policy_update", company.policy_update(bundle, company.administrators))
    return pay(body)


@attack("wallet_differs")
def payment_by_a_removed_spending_key(it: Scene) -> Attack:
    """People took the hot key out of the policy; a new payment is approved all the same."""
    company = hot(it)
    wallet = Address(parse_address(hot_address(company)))
    bundle = company.next_bundle()
    del bundle["spending"]
    it.get("policy_update", company.policy_update(bundle, company.administrators))
    company.bundle = bundle
    return pay(spend(company, company.intent(wallet)))
