"""Tiers in money: two fresh signed rates let a payment be judged by its worth, here and there."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.withdrawals import service as withdrawals
from strongroom.withdrawals.errors import RateNotTaken
from strongroom_protocol.rates import RateStatement
from tests.factories.house import TUSD
from tests.factories.stage import Stage

BANKS = [Ed25519PrivateKey.from_private_bytes(bytes([one]) * 32) for one in (1, 2, 3)]
RULES = [
    {"id": "not-above-100-usd", "verdict": "deny", "when": {"value_above": "10000"}},
    {"id": "else", "verdict": "approvals", "when": {},
     "approvals": [[{"role": "approver", "department": None, "minimum": 2}]]},
]  # fmt: skip


def rates(count: int = 2) -> dict[str, Any]:
    keys = [key.public_key().public_bytes_raw().hex() for key in BANKS[:count]]
    return {
        "currency": "USD/2",
        "sources": [{"name": f"bank {i}", "key": f"0x{key}"} for i, key in enumerate(keys)],
        "age_seconds": 3_600,
        "deviation_bps": 200,
    }


def state(stage: Stage, bank: int, cents: int, *, by: int | None = None, late: int = 5) -> None:
    at = int(stage.house.clock.now().timestamp()) - late
    said = RateStatement(f"bank {bank}", TUSD, "USD/2", cents * 10**18, at)
    signature = BANKS[bank if by is None else by].sign(said.signed_bytes())
    with stage.unit() as uow:
        withdrawals.take_rate(uow, said.document(), "0x" + signature.hex())


def test_without_two_fresh_rates_the_highest_tier_holds_and_with_them_the_worth(stage: Stage):
    """The last step shows that the signer had the rates, too: else it would deny."""
    stage.update_policy(rules=RULES, rates=rates())
    assert stage.order("unknown worth", amount="5").rule_id == "not-above-100-usd"
    state(stage, 0, 100)
    assert stage.order("one rate", amount="5").rule_id == "not-above-100-usd"
    state(stage, 1, 101)
    assert stage.order("too much", amount="100").rule_id == "not-above-100-usd"
    view = stage.approved("worth five", amount="5")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_the_worth_is_shown_and_an_old_rate_is_not(stage: Stage):
    view = stage.awaiting("worth shown", amount="7")

    def worth() -> str | None:
        with stage.unit() as uow:
            seen = withdrawals.what_is_seen(uow, view.id)
        assert seen is not None
        assert seen.decoded is not None
        return seen.decoded.lines[0].value

    assert worth() == "about 7.07 USD"
    state(stage, 1, 90, late=60)
    assert worth() == "about 7.07 USD", "an older price of the same source changes nothing"
    state(stage, 1, 110, late=1)
    assert worth() is None, "two prices too far apart are none"
    state(stage, 1, 100, late=0)
    assert worth() == "about 7.00 USD"
    stage.approve(view.id, stage.cast.amir)
    stage.approve(view.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


@pytest.mark.parametrize(
    ("bank", "by", "late"),
    [(2, None, 5), (0, 1, 5), (0, None, -600)],
    ids=["no source of the policy", "signed by another", "of the future"],
)
def test_only_a_listed_sources_own_price_of_the_past_is_taken(stage: Stage, bank, by, late):
    with pytest.raises(RateNotTaken) as caught:
        state(stage, bank, 100, by=by, late=late)
    assert caught.value.code == "withdrawal.rate_not_taken"
