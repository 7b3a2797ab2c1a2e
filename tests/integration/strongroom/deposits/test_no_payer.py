"""P7: what nobody paid has no payer to judge: it is shown to compliance, and credited by its word,
never in silence and never without the screener's own signature.
"""

from typing import Any

import httpx
import psycopg
import pytest

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from strongroom.deposits.errors import NotHeld
from strongroom.screening import service as screening
from strongroom.screening.errors import PayerIsSomebody
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, TUSD
from tests.factories.deposit_stage import Flow
from tests.integration.strongroom.deposits.test_routes import Caller, client, token
from tests.integration.strongroom.indexer.test_withdrawals import GWEI, Beacon, beacon

__all__ = ["beacon", "client"]
CREDIT = "client:treasury"


def minted(flow: Flow, units: int = 7) -> dict[str, Any]:
    """A mint of an allow-listed token to a deposit address, screened once."""
    flow.import_list()
    dollar = flow.stage.deploy_dollar()
    flow.stage.allow(dollar)
    flow.stage.mint(dollar, ADDRESS, units)
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    (row,) = flow.stage.rows("SELECT * FROM deposit")
    return row


def alerts(flow: Flow) -> list[tuple[str, str]]:
    rows = flow.stage.rows("SELECT kind, state FROM alert ORDER BY kind")
    return [(row["kind"], row["state"]) for row in rows]


def accept(flow: Flow, deposit_id: Any) -> None:
    with flow.stage.connect("strongroom_api", pool_size=1).unit(
        flow.stage.organisation, system("test")
    ) as uow:
        deposits.accept_nobodys(uow, deposit_id, "our own issuance")


def test_a_mint_is_held_and_shown_until_compliance_takes_it(flow: Flow):
    row = minted(flow)
    assert (row["disposition"], row["held"]) == ("unscreened", "no_payer")
    assert "nobody paid it, it is a mint" in row["awaits"]
    assert flow.stage.balances()[f"{SUSPENSE} {TUSD}"] == 7
    assert alerts(flow) == [("deposits.no_payer", "OPEN")]
    flow.import_list(b"\x55" * 20)
    flow.settle()
    flow.look()
    assert flow.stage.balances()[f"{SUSPENSE} {TUSD}"] == 7, "a newer list judges it no better"
    accept(flow, row["id"])
    assert flow.stage.balances()[f"{SUSPENSE} {TUSD}"] == 7, "the screener has the last word"
    flow.settle()
    assert flow.stage.balances()[f"{CREDIT} {TUSD}"] == 7
    assert alerts(flow) == [("deposits.no_payer", "CLOSED")]
    states = flow.stage.rows("SELECT state, reason FROM deposit_transition ORDER BY ordinal")
    assert [one["state"] for one in states][-3:] == ["no_payer", "accepted", "credited"]
    assert "our own issuance" in states[-1]["reason"]
    flow.import_list()
    flow.settle()
    assert flow.stage.rows("SELECT state FROM screening_request") == [{"state": "CLEAR"}]
    flow.stage.assert_sound()


def test_a_withdrawal_from_the_beacon_chain_is_held_and_taken_the_same_way(
    flow: Flow, beacon: Beacon
):
    flow.import_list()
    beacon.planned[flow.stage.chain.height() + 1] = [(ADDRESS, 32)]
    flow.stage.chain.rpc("anvil_setBalance", "0x" + ADDRESS.hex(), hex(32 * GWEI))
    flow.stage.chain.mine(5)
    flow.stage.catch_up(flow.stage.follower(urls=[beacon.url]))
    flow.settle()
    (row,) = flow.stage.rows("SELECT * FROM deposit")
    assert row["held"] == "no_payer"
    assert "a withdrawal from the beacon chain" in row["awaits"]
    accept(flow, row["id"])
    flow.settle()
    assert flow.stage.balances()[f"{CREDIT} {ETH}"] == 32 * GWEI
    flow.stage.assert_sound()


def test_a_single_use_address_is_decided_before(flow: Flow):
    flow.give_out(reuse="hold")
    first = minted(flow, 3)
    accept(flow, first["id"])
    flow.settle()
    (dollar,) = flow.stage.rows("SELECT token FROM deposit")
    flow.stage.mint(dollar["token"], ADDRESS, 4)
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    (second,) = flow.stage.rows("SELECT * FROM deposit WHERE units = 4")
    assert second["held"] == "reuse"
    with flow.stage.connect(pool_size=1).unit(flow.stage.organisation, system("test")) as uow:
        deposits.ask_accept(uow, second["id"], "deposits.accept")
    flow.deliver("deposits.accept")
    assert flow.stage.rows("SELECT held FROM deposit WHERE units = 4") == [{"held": "no_payer"}]
    accept(flow, second["id"])
    flow.settle()
    assert flow.stage.balances()[f"{CREDIT} {TUSD}"] == 7


def test_nobody_takes_a_payers_money_this_way(flow: Flow):
    """A listed payer stays listed, whoever says what."""
    flow.import_list(bytes.fromhex(flow.stage.chain.accounts()[0][2:]))
    flow.stage.send(ADDRESS, 5)
    flow.stage.chain.mine()
    flow.stage.catch_up(flow.stage.follower())
    (row,) = flow.stage.rows("SELECT id, screening_request_id FROM deposit")
    with flow.stage.connect("strongroom_api", pool_size=1).unit(
        flow.stage.organisation, system("test")
    ) as uow:
        with pytest.raises(NotHeld):
            deposits.accept_nobodys(uow, row["id"], "a friend of ours")
        with pytest.raises(PayerIsSomebody):
            screening.accept_nobodys(uow, row["screening_request_id"], "a friend of ours")
    flow.change(
        "INSERT INTO screening_acceptance SELECT organisation_id, id, 'forged', 'thief', now()"
        " FROM screening_request"
    )
    flow.settle()
    assert flow.stage.rows("SELECT disposition FROM deposit") == [{"disposition": "quarantined"}]


def test_only_compliance_of_the_same_organisation_may(flow: Flow, client: httpx.Client):
    row = minted(flow)
    path, body = f"/deposits/{row['id']}/no-payer-acceptance", {"why": "our own issuance"}
    own = flow.stage.organisation
    for role in ("owner", "administrator", "approver", "auditor"):
        assert Caller(client, token(flow, own, role)).post(path, body).status_code == 403
    other = Caller(client, token(flow, flow.other_organisation(), "compliance"))
    assert other.post(path, body).status_code == 404
    officer = Caller(client, token(flow, own, "compliance"))
    assert officer.post(path, {"why": ""}).status_code == 422
    shown = officer.post(path, body)
    assert (shown.status_code, shown.json()["state"]) == (202, "no_payer")
    flow.settle()
    assert officer.get(f"/deposits/{row['id']}").json()["state"] == "credited"
    assert officer.post(path, body).status_code == 409


@pytest.mark.parametrize("role", ["indexer", "relay", "screener", "worker"])
def test_only_the_api_can_say_that_compliance_took_it(flow: Flow, role: str):
    with (
        flow.stage.connect(f"strongroom_{role}", pool_size=1).unit(
            flow.stage.organisation, system("thief")
        ) as uow,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        uow.execute("INSERT INTO screening_acceptance DEFAULT VALUES")
