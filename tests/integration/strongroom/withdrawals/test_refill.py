"""A hot wallet that lacks money is filled from the vault: proposed, ordered, approved, permitted,
mined, seen on the hot wallet, and the float has what it asked for.
"""

from typing import Any

from strongroom.db.actor import system
from strongroom.withdrawals import floats
from strongroom_protocol.addresses import checksum, parse_address
from tests.factories.house import TUSD
from tests.factories.stage import Stage
from tests.integration.strongroom.withdrawals.spending_keys import hot_address, spending_key


class WithHotWallet(Stage):
    """An organisation whose vault may pay its hot wallet from the first day."""

    hot = ""

    def bundle(self) -> dict[str, Any]:
        made = super().bundle()
        self.hot = self.hot or checksum(parse_address(hot_address(self)))
        own = {**made["rules"][-1], "id": "own", "when": {"destinations": "own_wallets"}}
        places = sorted([*made["vault"]["destinations"], self.hot], key=str.lower)
        return made | {
            "spending": [spending_key(0, self.hot, "hot")],
            "rules": [*made["rules"], own],
            "address_book": [*made["address_book"], {"address": self.hot, "label": "Our float"}],
            "vault": made["vault"] | {"destinations": places},
        }


STAGE = WithHotWallet


def look(stage: Stage) -> list[floats.ProposalView]:
    with stage.house.role("worker").unit(stage.id, system("worker")) as uow:
        floats.look(uow, stage.id)
    with stage.unit() as uow:
        return floats.proposals(uow)


def lies(stage: Stage) -> str:
    with stage.unit() as uow:
        (one,) = floats.floats(uow)
    return one.lies


def credited(stage: Stage, hot: str) -> bool:
    """What came to the hot wallet is screened and the client's again."""
    rows = stage.house.query(
        "SELECT disposition, chain_state FROM deposit WHERE address = %s",
        bytes(parse_address(hot)),
    )
    return rows == [("credited", "finalized")]


def test_a_refill_goes_from_the_proposal_to_the_mined_money_and_the_float_is_content(stage: Stage):
    assert isinstance(stage, WithHotWallet)
    hot, vault = stage.hot, stage.vault.address
    claim, in_vault = stage.available(TUSD), stage.house.units(vault)
    with stage.unit() as uow:
        floats.set_float(
            uow,
            wallet=parse_address(hot),
            asset=TUSD,
            minimum="300",
            target="750",
            maximum="1000",
        )
    assert lies(stage) == "0"
    (one,) = look(stage)
    assert (one.kind, one.amount, one.payer, one.to) == ("refill", "750", None, hot)
    view = stage.awaiting(one.reference, amount=one.amount, to=one.to)
    assert (view.wallet_kind, view.to) == ("vault", hot)
    (same,) = look(stage)
    assert (same.id, same.withdrawal) == (one.id, view.id), "while it is on its way none is added"
    stage.approve(view.id, stage.cast.amir)
    stage.approve(view.id, stage.cast.bea)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized" and credited(stage, hot))
    assert (stage.house.units(hot), lies(stage)) == (750_000_000, "750")
    assert stage.house.units(vault) == in_vault - 750_000_000
    assert (stage.available(TUSD), stage.held(TUSD)) == (claim, 0), "it is the client's all along"
    code = f"custody:{stage.chain.chain_id}:{hot.lower()}"
    assert stage.available(TUSD, code) == 750_000_000
    assert look(stage) == [], "nothing is asked for any more"
    closed = stage.house.query("SELECT closed_at IS NOT NULL FROM hot_proposal")
    assert closed == [(True,)]
    assert stage.house.query("SELECT 1 FROM custody_freeze") == []


def test_the_filled_wallet_pays_by_itself(stage: Stage):
    """What was filled can be spent: the float sees it and asks for more."""
    assert isinstance(stage, WithHotWallet)
    stage.house.send({"from": stage.house.money, "to": stage.hot, "value": hex(10**18)})
    stage.drive(until=lambda: stage.available(stage.house.coin) > 10 * 10**18)
    view = stage.approved(
        "from the float", amount="500", from_wallet=stage.hot, max_fee_wei=str(10**17)
    )
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    assert lies(stage) == "250"
    (again,) = look(stage)
    assert (again.kind, again.amount) == ("refill", "500")
