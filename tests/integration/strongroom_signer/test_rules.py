"""The rules as the signer enforces them: by its own clock, its own journal and signed evidence."""

from typing import Any

import pytest

from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.windows import BUCKET_SECONDS
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import DAY, LATER, Company
from tests.integration.strongroom_signer.ruled import (
    AGE_SECONDS,
    MEDICINE,
    PAY,
    asks,
    denies,
    over,
    rates,
    ruled,
)
from tests.integration.strongroom_signer.spending import hot_address, hot_intent, key_entry, spend

Body = dict[str, Any]
NONCES = iter(range(1_000_000))


def pay(desk: Desk, company: Company, keys: Any = None, **changes: Any) -> Body:
    """A Permit for another payment of one TUSD from the vault."""
    shown = {"rates": changes.pop("rates")} if "rates" in changes else {}
    intent = company.intent(desk.vault(company), **changes)
    return desk.get("vault_permit", company.payment(intent, next(NONCES), keys) | shown)


def ask(desk: Desk, company: Company, keys: Any = None, **changes: Any) -> Body:
    """The dry verdict on such a payment."""
    shown = {"rates": changes.pop("rates")} if "rates" in changes else {}
    intent = company.intent(desk.vault(company), **changes)
    body = company.payment(intent, next(NONCES), keys)
    return desk.get("vault_permit", body | shown | {"dry_run": True})


def wait(desk: Desk, company: Company, seconds: int) -> None:
    desk.clock.advance(seconds)
    company.now = desk.clock.now()


def test_two_fresh_rates_say_what_a_payment_is_worth(desk: Desk) -> None:
    company = ruled(desk, denies(value_above="1000"))
    assert ask(desk, company)["verdict"] == "denied"
    assert ask(desk, company, rates=rates(company))["verdict"] == "allowed"
    aged = rates(company, at=company.now - AGE_SECONDS)
    assert ask(desk, company, rates=aged)["verdict"] == "allowed"
    dear = rates(company, price=str(10**22))
    assert "worth 100 USD" in ask(desk, company, rates=dear)["sentence"]
    assert pay(desk, company, rates=rates(company))["permit_signature"]


def test_a_hot_key_sees_rates_too(desk: Desk) -> None:
    company = ruled(desk, denies(value_above="1000"))
    body = spend(company, hot_intent(company)) | {"dry_run": True}
    assert desk.get("spending_payment", body)["verdict"] == "denied"
    seen = body | {"rates": rates(company)}
    assert desk.get("spending_payment", seen)["verdict"] == "allowed"


def test_a_deputy_counts_within_the_dates(desk: Desk) -> None:
    now = desk.clock.now()
    standing = {"person": "p2", "deputy": "p0", "from": now + 60, "until": now + DAY}
    company = ruled(desk, asks(MEDICINE), deputies=[standing])
    assert ask(desk, company)["missing"] == ["1 approver of medicine"]
    wait(desk, company, 60)
    assert pay(desk, company)["permit_signature"]
    wait(desk, company, DAY)
    assert ask(desk, company)["verdict"] == "awaiting_approvals"
    assert ask(desk, company, company.approvers[1:])["verdict"] == "allowed"


def test_a_deputy_signs_for_a_hot_key_without_being_an_approver(desk: Desk) -> None:
    now = desk.clock.now()
    standing = {"person": "p1", "deputy": "a0", "from": now, "until": now + DAY}
    company = ruled(desk, deputies=[standing])
    body = spend(company, hot_intent(company), [company.administrators[0]])
    assert desk.get("spending_payment", body)["raw"]


@pytest.mark.parametrize("per", ["organisation", "initiator", "source", "destination"])
@pytest.mark.parametrize("measure", ["units_above", "value_above", "count_above"])
def test_a_window_fills_and_empties(desk: Desk, per: str, measure: str) -> None:
    """Two payments fit, a third does not, and fits again once the window has passed."""
    bound: Any = {"units_above": "2000000", "value_above": "200", "count_above": 2}[measure]
    company = ruled(desk, denies(**over(per, **{measure: bound})))
    for _ in range(2):
        pay(desk, company, rates=rates(company))
    assert ask(desk, company, rates=rates(company))["verdict"] == "denied"
    others = {"token": ZERO, "units": 5}
    assert ask(desk, company, rates=rates(company), **others)["verdict"] == "allowed"
    wait(desk, company, DAY - BUCKET_SECONDS)
    assert ask(desk, company, rates=rates(company))["verdict"] == "denied"
    wait(desk, company, 2 * BUCKET_SECONDS)
    assert ask(desk, company, rates=rates(company))["verdict"] == "allowed"


def test_windows_are_counted_apart(desk: Desk) -> None:
    """What the vault paid is not the hot key's; a count goes over all assets, units over one."""
    company = ruled(desk, denies(**over("source", count_above=1)))
    pay(desk, company, token=ZERO, units=5)
    assert ask(desk, company)["verdict"] == "denied"
    body = spend(company, hot_intent(company))
    assert desk.get("spending_payment", body | {"dry_run": True})["verdict"] == "allowed"
    desk.get("spending_payment", body)
    again = spend(company, hot_intent(company)) | {"dry_run": True}
    assert desk.get("spending_payment", again)["verdict"] == "denied"


def test_another_destination_and_another_initiator_have_windows_of_their_own(desk: Desk) -> None:
    company = desk.company(founded=False)
    people = [dict(one) for one in company.bundle["people"]]
    people[3]["roles"] = ["approver", "initiator"]
    book = [*company.bundle["address_book"], {"address": checksum(LATER), "label": "later"}]
    rules = [
        denies(**over(per, count_above=1)) | {"id": per} for per in ("destination", "initiator")
    ]
    vault = company.bundle["vault"]
    company.bundle |= {
        "people": people,
        "address_book": book,
        "rules": [PAY, *rules],
        "vault": vault | {"destinations": sorted(one["address"] for one in book)},
    }
    desk.get("policy_first", company.policy_first())
    first, second, third = company.approvers
    pay(desk, company, [second, third])
    assert ask(desk, company, to=LATER)["rule_id"] == "initiator"
    company.initiator = first
    assert ask(desk, company, [second, third])["rule_id"] == "destination"
    assert ask(desk, company, [second, third], to=LATER)["verdict"] == "allowed"


def test_a_payment_has_one_row_more_for_its_wallets_float_and_no_other(desk: Desk) -> None:
    company = ruled(desk)
    count = "SELECT count(*) FROM spend WHERE organisation = ?"
    pay(desk, company)
    assert desk.house.journal.one(count, company.ref) == (1,)
    desk.get("spending_payment", spend(company, hot_intent(company)))
    assert desk.house.journal.one(count, company.ref) == (3,)


def test_a_hot_key_pays_the_own_vault_without_an_entry(desk: Desk) -> None:
    company = ruled(desk)
    body = spend(company, hot_intent(company, to=desk.vault(company)))
    assert desk.get("spending_payment", body)["raw"]
    only = {"id": "pay", "verdict": "allow", "when": {"destinations": "address_book"}}
    company = ruled(desk, rules=[only])
    body = spend(company, hot_intent(company, to=desk.vault(company))) | {"dry_run": True}
    assert desk.get("spending_payment", body)["verdict"] == "denied"


def test_the_vault_refills_a_hot_key_that_the_book_lists(desk: Desk) -> None:
    """Without an entry it does not: its guard knows the book alone. The founders' key is old."""
    company = ruled(desk)
    hot = hot_address(company)
    denied = ask(desk, company, to=parse_address(hot))
    assert (denied["verdict"], denied["rule_id"]) == ("denied", "address_book")
    book = [*company.bundle["address_book"], {"address": hot, "label": "hot"}]
    update = company.next_bundle(address_book=book)
    desk.get("policy_update", company.policy_update(update, company.administrators))
    company.bundle = update
    wait(desk, company, desk.house.config.loosening_seconds)
    assert ask(desk, company, to=parse_address(hot))["verdict"] == "allowed"


def test_a_spending_key_that_a_later_version_brings_cools(desk: Desk) -> None:
    company = desk.company()
    book = [*company.bundle["address_book"], {"address": hot_address(company), "label": "hot"}]
    spending = [key_entry(hot_address(company))]
    update = company.next_bundle(spending=spending, rules=[PAY], address_book=book)
    desk.get("policy_update", company.policy_update(update, company.administrators))
    company.bundle = update
    wait(desk, company, desk.house.config.loosening_seconds)
    to = parse_address(hot_address(company))
    body = company.payment(company.intent(desk.vault(company), to=to), next(NONCES))
    assert desk.refused("vault_permit", body | {"dry_run": True}) == "signer.destination_cooling"
    wait(desk, company, desk.house.config.cooling_seconds - desk.house.config.loosening_seconds)
    assert ask(desk, company, to=to)["verdict"] == "allowed"
