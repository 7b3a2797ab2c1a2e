"""Gas money: a hot key that pays without approvers, within a day's cap."""

from typing import Any

from strongroom_protocol.addresses import checksum
from tests.integration.strongroom_signer.people import STRANGE, Company
from tests.integration.strongroom_signer.redteam.stage import Attack, Body, Scene, ask, attack
from tests.integration.strongroom_signer.spending import bump, hot_address, hot_company
from tests.integration.strongroom_signer.test_gas import CAP_WEI, FEE_WEI, fed, topup
from tests.integration.strongroom_signer.test_relay import GWEI, fees


def feed(it: Scene, units: int = 10**15, **changes: Any) -> Attack:
    """A top-up of the relay, otherwise."""
    it.company = fed(it.desk)
    return ask("gas_topup", topup(it.company, units, **changes))


def was_fed(it: Scene, units: int = 10**15) -> tuple[Company, Body]:
    """A top-up that was signed already."""
    it.company = fed(it.desk)
    body = topup(it.company, units)
    it.get("gas_topup", body)
    return it.company, body


@attack("protocol_field_invalid")
def gas_to_the_attacker(it: Scene) -> Attack:
    """The caller names an address to be fed."""
    return feed(it, to={"address": checksum(STRANGE)})


@attack("address_unlisted")
def gas_to_a_leaf_outside_the_manifest(it: Scene) -> Attack:
    """A deposit address for which the officers have not signed."""
    return feed(it, to={"deposit": 2})


@attack("mandate_missing")
def gas_without_a_mandate(it: Scene) -> Attack:
    """The people gave no hot key to feed from."""
    it.company = hot_company(it.desk)
    return ask("gas_topup", topup(it.company))


@attack("gas_budget_spent")
def gas_above_the_days_cap(it: Scene) -> Attack:
    """More than a day may cost, fee included."""
    return feed(it, CAP_WEI - FEE_WEI + 1)


@attack("gas_budget_spent")
def gas_above_the_days_cap_in_parts(it: Scene) -> Attack:
    """Two top-ups below the cap, together above it."""
    company, _ = was_fed(it, CAP_WEI // 2)
    return ask("gas_topup", topup(company, CAP_WEI // 2, "b"))


@attack("gas_budget_spent")
def gas_burnt_by_bumps(it: Scene) -> Attack:
    """The fee of a small top-up climbs until the cap is burnt."""
    _, body = was_fed(it, CAP_WEI - FEE_WEI)
    return ask("gas_topup", bump(body))


@attack("content_differs")
def bump_that_feeds_more(it: Scene) -> Attack:
    """A bump with other units under the same nonce."""
    _, body = was_fed(it)
    return ask("gas_topup", bump(body, units="2"))


@attack("content_differs")
def bump_that_feeds_somebody_else(it: Scene) -> Attack:
    """A bump with another destination under the same nonce."""
    _, body = was_fed(it)
    return ask("gas_topup", bump(body, to={"deposit": 0}))


@attack("mandate_missing")
def another_organisations_gas(it: Scene) -> Attack:
    """The attacker's organisation feeds itself out of the victim's ref."""
    _, body = was_fed(it)
    return ask("gas_topup", bump(body, organisation=it.another().reference))


@attack("fee_above_cap")
def value_in_the_gas_fee(it: Scene) -> Attack:
    """A top-up of one wei at a price above the signed cap."""
    return feed(it, 1, fees=fees(21_000, 101 * GWEI, GWEI))


@attack("protocol_field_invalid")
def gas_source_by_the_caller(it: Scene) -> Attack:
    """The caller names the key that pays."""
    return feed(it, source=checksum(STRANGE))


@attack("protocol_field_invalid")
def gas_source_that_is_not_hot(it: Scene) -> Attack:
    """A policy whose gas comes from an address that is no hot key of it."""
    company = it.desk.company(founded=False)
    body = company.policy_first()
    gas = {"source": hot_address(company), "per_day_wei": "1"}
    body["bundle"] = body["bundle"] | {"mandates": {"sweep": True, "gas": gas}}
    return ask("policy_first", body)


@attack("ref_unknown")
def gas_cancellation_of_nothing(it: Scene) -> Attack:
    """A nonce of the hot key taken by cancelling a top-up that never was."""
    return feed(it, 0, to={"cancel": True})


@attack("fee_above_cap")
def value_in_a_gas_cancellation(it: Scene) -> Attack:
    """A cancellation needs no mandate, so its fee is asked to be a fortune."""
    _, body = was_fed(it)
    return ask("gas_topup", bump(body, 1, 101, to={"cancel": True}, units="0"))
