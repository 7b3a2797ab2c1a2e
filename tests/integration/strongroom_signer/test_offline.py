"""P1, P6: a cold key signs on the machine that never sees a network, and nowhere else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_signer.settings import Settings
from strongroom_signer.token.pins import Pin
from tests.integration.strongroom_signer.conftest import Desk, opened_desk
from tests.integration.strongroom_signer.people import SHIPPER, STRANGE, Company
from tests.integration.strongroom_signer.spending import (
    hot_address,
    hot_intent,
    key_entry,
    spend,
)
from tests.integration.strongroom_signer.test_spending import decoded


@dataclass
class Offline:
    """The machine without a network (tokens, seed and journal of its own) and whom it serves."""

    desk: Desk
    company: Company
    mistaken: Company


@pytest.fixture(scope="module")
def offline(settings: Settings, desk: Desk) -> Iterator[Offline]:
    """Two organisations' accounts are on both machines, each from its own seed; the second calls
    its cold key hot.
    """
    company, mistaken = desk.company(founded=False), desk.company(founded=False)
    folder = desk.settings.directory.parent
    own = replace(
        settings,
        directory=folder / "offline",
        signer_pin=Pin(files=(folder / "offline.pin",)),
        signer_token="offline-signer",
        vault_token="offline-vault",
    )
    index = company.account["account_index"]
    with opened_desk(own, 2, first=index, kind="cold") as opened:
        opened.clock.advance(desk.clock.now() - opened.clock.now())
        account, other = opened.accounts
        cold = key_entry(str(account["spending"][0]["address"]), kind="cold")
        company.bundle |= {"spending": [key_entry(hot_address(company)), cold]}
        mistaken.bundle["spending"] = [key_entry(str(other["spending"][0]["address"]))]
        yield Offline(opened, company, mistaken)


def test_a_cold_key_signs_on_the_offline_machine_and_nowhere_else(
    desk: Desk, offline: Offline
) -> None:
    company, machine = offline.company, offline.desk
    first = company.policy_first()
    desk.get("policy_first", first)
    assert machine.refused("policy_first", first) == "signer.manifest_needless"
    machine.get("policy_first", first | {"manifest": None})
    cold = parse_address(company.bundle["spending"][1]["address"])
    body = spend(company, intent := company.intent(cold, token=ZERO, units=10**17))
    assert desk.refused("spending_payment", body) == "signer.wallet_differs"
    found = decoded(machine.get("spending_payment", body), checksum(cold))
    assert (bytes(found["to"]), found["value"], found["nonce"]) == (SHIPPER, 10**17, 0)
    hot = spend(company, hot_intent(company))
    assert machine.refused("spending_payment", hot) == "signer.wallet_differs"
    denied = spend(company, replace(intent, to=STRANGE))
    assert machine.refused("spending_payment", denied) == "signer.policy_denied"


def test_a_hot_key_is_not_signed_with_offline_where_its_nonces_are_not_known(
    offline: Offline,
) -> None:
    company = offline.mistaken
    offline.desk.get("policy_first", company.policy_first() | {"manifest": None})
    wallet = parse_address(company.bundle["spending"][0]["address"])
    body = spend(company, company.intent(wallet))
    assert offline.desk.refused("spending_payment", body) == "signer.wallet_differs"


def test_an_offline_signer_serves_nothing_else(offline: Offline) -> None:
    assert offline.desk.get("status", {})["kind"] == "cold"
    for op in ("vault_permit", "relay", "checkpoint", "provenance", "release_sweep"):
        assert offline.desk.refused(op, {}) == "signer.operation_offline"
