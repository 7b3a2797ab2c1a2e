"""What the rules ask for, shown wrong: rates, deputies, what was paid before, the hour."""

from datetime import UTC, datetime
from typing import Any

from strongroom_protocol.addresses import ZERO
from tests.integration.strongroom_signer.people import DAY, Company, Key
from tests.integration.strongroom_signer.redteam.stage import Attack, Body, Scene, attack, permit
from tests.integration.strongroom_signer.ruled import (
    AGE_SECONDS,
    MEDICINE,
    PRICE,
    asks,
    denies,
    over,
    rate,
    rates,
    ruled,
)
from tests.integration.strongroom_signer.spending import hot_intent, spend

ABOVE_TEN_DOLLARS = denies(value_above="1000")


def scene(it: Scene, *rules: Body, **changes: Any) -> Company:
    """The scene's organisation, with these rules."""
    it.company = ruled(it.desk, *rules, **changes)
    return it.company


def shown(it: Scene, *statements: Body) -> Attack:
    """A payment of one dollar, with these rates; what is not known is more than ten."""
    return permit(it.company.payment(it.intent(), 0), rates=list(statements))


@attack("policy_denied")
def value_without_rates(it: Scene) -> Attack:
    """The rates are left out, so that nobody sees how much it is."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return permit(company.payment(it.intent(), 0))


@attack("policy_denied")
def rates_too_old(it: Scene) -> Attack:
    """Two rates that were true until a second ago."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, *rates(company, at=company.now - AGE_SECONDS - 1))


@attack("policy_denied")
def rates_of_tomorrow(it: Scene) -> Attack:
    """Two rates dated ahead, to be fresh for longer."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, *rates(company, at=company.now + 1))


@attack("policy_denied")
def one_source_twice(it: Scene) -> Attack:
    """One source's word of now and of a second ago, as if they were two."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, rate(company, "east"), rate(company, "east", at=company.now - 1))


@attack("policy_denied")
def rates_that_differ(it: Scene) -> Attack:
    """A source that was bought says half the price."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, rate(company, "east"), rate(company, "west", price=str(PRICE // 2)))


@attack("policy_denied")
def rates_of_another_asset(it: Scene) -> Attack:
    """The rates of something cheaper."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, *rates(company, asset="ETH/18", price="1"))


@attack("rate_forged")
def forged_rate(it: Scene) -> Attack:
    """A rate that somebody else signed in a source's name."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, rate(company, "east"), rate(company, "west", by="stranger"))


@attack("rate_forged")
def rate_changed_after_it_was_signed(it: Scene) -> Attack:
    """A source's signature, under another price."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    changed = rate(company, "west")
    changed["document"] = changed["document"] | {"price": "1"}
    return shown(it, rate(company, "east"), changed)


@attack("rate_refused")
def rate_of_an_unlisted_source(it: Scene) -> Attack:
    """A second source that the policy does not know."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, rate(company, "east"), rate(company, "stranger"))


@attack("rate_currency_differs")
def rate_in_another_currency(it: Scene) -> Attack:
    """A true rate, in a currency whose units are worth more."""
    company = scene(it, ABOVE_TEN_DOLLARS)
    return shown(it, rate(company, "east"), rate(company, "west", currency="EUR/2"))


@attack("rate_refused")
def rate_where_the_policy_has_none(it: Scene) -> Attack:
    """Rates for a policy that reckons in none."""
    return permit(it.company.payment(it.intent(), 0), rates=[rate(it.company, "east")])


@attack("approvals_missing")
def deputy_before_the_dates(it: Scene) -> Attack:
    """Whoever will stand for medicine in a minute approves in its name now."""
    company = scene(it, asks(MEDICINE), deputies=[_standing(it, begins=60)])
    return permit(company.payment(it.intent(), 0))


@attack("approvals_missing")
def deputy_after_the_dates(it: Scene) -> Attack:
    """Whoever stood for medicine until yesterday approves in its name today."""
    company = scene(it, asks(MEDICINE), deputies=[_standing(it)])
    it.wait(DAY + 1)
    return permit(company.payment(it.intent(), 0))


@attack("evidence_approver_unknown")
def deputy_after_the_dates_at_a_hot_key(it: Scene) -> Attack:
    """An administrator who stood for an approver until yesterday."""
    company = scene(it, deputies=[_standing(it, person="p1", by="a0")])
    it.wait(DAY + 1)
    return _hot(company, company.administrators[0])


@attack("evidence_approver_is_initiator")
def initiator_as_deputy_of_an_approver(it: Scene) -> Attack:
    """The initiator approves the own order in an approver's place."""
    company = scene(it, deputies=[_standing(it, person="p1", by="i0")])
    return _hot(company, company.initiator)


@attack("approvals_missing")
def deputy_of_the_initiator(it: Scene) -> Attack:
    """The initiator's deputy approves the initiator's order in the initiator's name."""
    company = it.desk.company(founded=False)
    people = [dict(one) for one in company.bundle["people"]]
    people[2] |= {"roles": ["initiator", "approver"], "department": "medicine"}
    keys = [*company.genesis["approvers"], people[2]["address"]]
    company.genesis["approvers"] = sorted(keys, key=str.lower)
    company.bundle |= {"organisation": company.reference, "people": people}
    return _medicine(it, company, _standing(it, "i0", "p0"), MEDICINE)


@attack("approvals_missing")
def deputy_and_the_person_for_two(it: Scene) -> Attack:
    """Medicine's own approver and her deputy, where medicine asks for two."""
    company = it.desk.company(founded=False)
    people = [dict(one) for one in company.bundle["people"]]
    for one in people[-2:]:
        one["department"] = "medicine"
    company.bundle |= {"people": people}
    two = MEDICINE | {"minimum": 2}
    first, _, third = company.approvers
    return _medicine(it, company, _standing(it), two, [first, third])


@attack("policy_denied")
def window_of_units_is_spent(it: Scene) -> Attack:
    """The same initiator again, once a day's amount is spent."""
    scene(it, denies(**over(units_above="1999999")))
    it.paid(0)
    return permit(it.company.payment(it.intent(), 1))


@attack("policy_denied")
def window_of_payments_is_spent(it: Scene) -> Attack:
    """A third payment to a destination that may have two a day."""
    scene(it, denies(**over("destination", count_above=2)))
    it.paid(0)
    it.paid(1)
    return permit(it.company.payment(it.intent(), 2))


@attack("policy_denied")
def window_of_the_organisation_is_spent_by_another_wallet(it: Scene) -> Attack:
    """The vault has paid; now the hot key pays what the organisation may not any more."""
    company = scene(it, denies(**over("organisation", count_above=1)))
    it.paid(0)
    return _hot(company, company.approvers[0])


@attack("policy_denied")
def window_of_values_is_spent(it: Scene) -> Attack:
    """Small payments of a worth that adds up."""
    company = scene(it, denies(**over("source", value_above="199")))
    it.get("vault_permit", company.payment(it.intent(), 0) | {"rates": rates(company)})
    return permit(company.payment(it.intent(), 1), rates=rates(company))


@attack("policy_denied")
def window_of_values_with_one_unknown(it: Scene) -> Attack:
    """A payment of unknown worth in another asset before, so that the sum would stay low."""
    company = scene(it, denies(**over("source", value_above="100000")))
    it.paid(0, token=ZERO)
    return permit(company.payment(it.intent(), 1), rates=rates(company))


@attack("policy_denied")
def payment_at_night(it: Scene) -> Attack:
    """A payment outside the hours that the policy has; the signer's own clock counts."""
    now = datetime.fromtimestamp(it.desk.clock.now(), UTC)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    other = [day for i, day in enumerate(days) if i != now.weekday()]
    hours = {"zone": "UTC", "days": other, "from": "00:00", "until": "24:00", "outside": True}
    scene(it, denies(hours=hours))
    return permit(it.company.payment(it.intent(), 0))


@attack("policy_denied")
def tagged_destination(it: Scene) -> Attack:
    """A destination whose tag the policy denies."""
    book = [dict(one) | {"tags": ["exchange"]} for one in it.desk.company().bundle["address_book"]]
    scene(it, denies(tags=["exchange"]), address_book=book)
    return permit(it.company.payment(it.intent(), 0))


@attack("policy_denied")
def vault_where_it_may_not_pay(it: Scene) -> Attack:
    """The vault pays what only a hot key may."""
    scene(it, denies(sources=["vault"]))
    return permit(it.company.payment(it.intent(), 0))


def _standing(it: Scene, person: str = "p2", by: str = "p0", begins: int = 0) -> Body:
    """`by` stands for `person`, for a day from `begins` seconds after now."""
    start = it.desk.clock.now() + begins
    return {"person": person, "deputy": by, "from": start, "until": start + DAY}


def _medicine(
    it: Scene, company: Company, deputy: Body, group: Body, keys: list[Key] | None = None
) -> Attack:
    """A payment where this group is asked for, approved by `keys`."""
    company.bundle |= {"rules": [asks(group)], "deputies": [deputy]}
    it.get("policy_first", company.policy_first())
    it.company = company
    return permit(company.payment(it.intent(), 0, keys))


def _hot(company: Company, approver: Key) -> Attack:
    body = spend(company, hot_intent(company), [approver])
    return {"op": "spending_payment", "trace": "red team", "body": body}
