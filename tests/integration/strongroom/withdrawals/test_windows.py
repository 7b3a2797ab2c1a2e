"""Rules over time and rates, as the API judges them from the withdrawals' own rows."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from strongroom.withdrawals import rates, repository
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.rates import RateStatement
from tests.factories.chain_stage import TUSD
from tests.factories.stage import Stage

DAY_SECONDS = 86_400
DOLLAR = 100 * 10**18
SOURCES = {
    name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))
    for name in ("east", "west")
}
RATES = {
    "currency": "USD/2",
    "sources": [
        {
            "name": name,
            "key": to_hex(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        }
        for name, key in SOURCES.items()
    ],
    "age_seconds": 3_600,
    "deviation_bps": 100,
}


def deny(**when: Any) -> dict[str, Any]:
    return {"id": "no", "verdict": "deny", "when": {"assets": [TUSD], **when}}


def over(per: str, **measure: Any) -> dict[str, Any]:
    return deny(over=[{"window_seconds": DAY_SECONDS, "per": per, **measure}])


def rule_of(stage: Stage, *rules: dict[str, Any], **more: Any) -> None:
    stage.update_policy(rules=[*rules, stage.bundle()["rules"][1]], **more)


def state_price(stage: Stage, price: int = DOLLAR) -> None:
    """Both sources say what a dollar of ours costs now."""
    for source, key in SOURCES.items():
        with stage.unit() as uow:
            said = RateStatement(source, TUSD, "USD/2", price, int(uow.now.timestamp()))
            rates.take(uow, stage.id, said.document(), to_hex(key.sign(said.signed_bytes())))


def there(stage: Stage) -> tuple[int, int]:
    """Units and number of what counts already."""
    with stage.unit() as uow:
        found = repository.paid_since(uow, stage.id, uow.now - timedelta(days=1))
    return found.get(TUSD, (0, 0))


@pytest.mark.parametrize("per", ["organisation", "initiator", "source", "destination"])
def test_two_orders_fit_a_window_and_a_third_does_not(stage: Stage, per: str):
    units, count = there(stage)
    rule_of(stage, over(per, count_above=count + 2))
    orders = [stage.order(f"{per} {i}") for i in range(3)]
    assert [one.state for one in orders] == ["screening", "screening", "rejected"]
    assert (orders[2].rule_id, there(stage)) == ("no", (units + 500 * 10**6, count + 2))
    assert f"{count + 2} payments before it in 24 hours" in orders[2].reason
    rule_of(stage, over(per, units_above=str(units + 1_000 * 10**6)))
    last = [stage.order(f"{per} units {i}") for i in range(3)]
    assert [one.state for one in last] == ["screening", "screening", "rejected"]


def test_a_value_counts_as_the_highest_until_two_sources_agree(stage: Stage):
    rule_of(stage, deny(value_above="100000"), rates=RATES)
    unknown = stage.order("unknown worth")
    assert (unknown.state, unknown.rule_id) == ("rejected", "no")
    assert "of unknown worth" in unknown.reason
    state_price(stage)
    assert stage.order("worth 250 dollars").state == "screening"
    dear = stage.order("worth 1001 dollars", amount="1000.000001")
    assert (dear.state, dear.rule_id) == ("rejected", "no")


def test_a_window_of_values_adds_up_what_is_there(stage: Stage):
    cents = there(stage)[0] // 10**4
    rule_of(stage, over("organisation", value_above=str(cents + 25_000)), rates=RATES)
    state_price(stage)
    assert stage.order("within the value").state == "screening"
    assert stage.order("beyond the value").rule_id == "no"


def test_another_initiator_and_another_destination_have_windows_of_their_own(stage: Stage):
    with stage.unit() as uow:
        since, cast = uow.now - timedelta(days=1), stage.cast
        ines = repository.paid_since(uow, stage.id, since, initiator="ines")[TUSD][1]
        supplier = bytes.fromhex(cast.supplier[2:])
        paid = repository.paid_since(uow, stage.id, since, destination=supplier)[TUSD][1]
    rule_of(stage, over("initiator", count_above=ines))
    assert stage.order("ines again").rule_id == "no"
    assert stage.order("ivo, who has not paid", by=stage.cast.ivo).state == "screening"
    rule_of(stage, over("destination", count_above=paid + 1))
    assert stage.order("the same place").rule_id == "no"
    assert stage.order("another place", to=stage.cast.sanctioned).state == "screening"
