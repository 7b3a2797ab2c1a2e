"""A verdict moves the money out of suspense, and nothing else does (P7: screening fails closed)."""

from uuid import UUID

import pytest

from strongroom.db.actor import system
from strongroom.deposits import service as deposits
from strongroom.deposits.errors import ClearanceUnproven, DepositUnknown
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Leg, Posting
from tests.factories.chain_stage import ADDRESS, ETH, SUSPENSE, VAULT
from tests.factories.deposit_stage import Flow


def payer_of(flow: Flow) -> bytes:
    return bytes.fromhex(flow.stage.chain.accounts()[0][2:])


def pay(flow: Flow, value: int = 5) -> None:
    flow.stage.send(ADDRESS, value)
    flow.stage.chain.mine()


def test_a_clear_payer_makes_the_money_the_clients(flow: Flow):
    flow.import_list()
    pay(flow)
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    assert flow.stage.balances() == {
        f"{flow.stage.custody()} {ETH}": 5,
        f"client:treasury {ETH}": 5,
    }
    (row,) = flow.stage.rows("SELECT * FROM deposit")
    assert row["disposition"] == "credited"
    states = flow.stage.rows("SELECT state FROM deposit_transition ORDER BY ordinal")
    assert [item["state"] for item in states] == ["seen", "unscreened", "credited"]
    flow.stage.assert_sound()


def test_a_listed_payer_is_quarantined_and_people_are_told(flow: Flow):
    flow.import_list(payer_of(flow))
    pay(flow)
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    assert flow.stage.balances() == {f"{flow.stage.custody()} {ETH}": 5, f"quarantine {ETH}": 5}
    (alert,) = flow.stage.rows("SELECT * FROM alert")
    assert alert["organisation_id"] == flow.stage.organisation
    assert alert["kind"] == "screening.hit"


def test_a_payer_listed_after_the_credit_is_told_to_people_and_moves_nothing(flow: Flow):
    flow.import_list()
    pay(flow)
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    flow.import_list(payer_of(flow))
    flow.settle()
    assert flow.stage.balances()[f"client:treasury {ETH}"] == 5
    kinds = {row["kind"] for row in flow.stage.rows("SELECT kind FROM alert")}
    assert kinds == {"screening.hit", "deposits.hit_after_credit"}


def test_without_a_list_the_money_stays_in_suspense(flow: Flow):
    pay(flow)
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    assert flow.stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    flow.import_list()
    flow.settle()
    assert flow.stage.balances()[f"client:treasury {ETH}"] == 5


def test_a_verdict_told_twice_is_acted_on_once(flow: Flow):
    flow.import_list()
    pay(flow)
    flow.stage.catch_up(flow.stage.follower())
    flow.settle()
    (row,) = flow.stage.rows("SELECT id FROM deposit")
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    with worker.unit(flow.stage.organisation, system("test")) as uow:
        deposits.settle(uow, row["id"], flow.key.public_key().public_bytes_raw())
    assert flow.stage.balances()[f"client:treasury {ETH}"] == 5


def forge_clear(flow: Flow, document: str, signature: str) -> None:
    """What somebody who owns the database writes: an answer that the screener never gave."""
    flow.change(
        "INSERT INTO screening_verdict SELECT organisation_id, id, 99, 'CLEAR', 1, 'forged', "
        f"{document}, {signature}, now() FROM screening_request ORDER BY id DESC LIMIT 1;"
        "UPDATE screening_request SET state = 'CLEAR', revision = 99, list_version = 1, "
        "valid_until = now() + interval '1 day' WHERE id = (SELECT request_id FROM "
        "screening_verdict WHERE revision = 99 AND reason = 'forged' LIMIT 1)"
    )


@pytest.mark.parametrize("forgery", ["unsigned", "another deposit's"])
def test_a_clearance_without_the_screeners_signature_credits_nothing(flow: Flow, forgery: str):
    """P7: whoever owns the database can write CLEAR, and moves no money out of suspense by it."""
    flow.import_list()
    pay(flow, 3)
    follower = flow.stage.follower()
    flow.stage.catch_up(follower)
    flow.settle()
    pay(flow, 5)
    flow.stage.catch_up(follower)
    if forgery == "unsigned":
        forge_clear(flow, "'{}'", "decode(repeat('00', 64), 'hex')")
    else:
        real = "FROM screening_verdict ORDER BY judged_at LIMIT 1)"
        forge_clear(flow, f"(SELECT document {real}", f"(SELECT signature {real}")
    (message,) = flow.stage.rows(
        "SELECT organisation_id, payload FROM screening_request WHERE revision = 99"
    )
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    key = flow.key.public_key().public_bytes_raw()
    with (
        pytest.raises(ClearanceUnproven),
        worker.unit(message["organisation_id"], system("test")) as uow,
    ):
        deposits.settle(uow, UUID(message["payload"]["deposit_id"]), key)
    assert flow.stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    assert flow.stage.balances()[f"client:treasury {ETH}"] == 3


def test_a_clearance_older_than_the_newest_list_credits_nothing(flow: Flow):
    """P7: between a list's import and the screener's next look, nothing moves on the old word."""
    flow.import_list()
    pay(flow)
    flow.stage.catch_up(flow.stage.follower())
    flow.screen()
    flow.import_list(payer_of(flow))
    flow.deliver("deposits.settle")
    assert flow.stage.balances()[f"{SUSPENSE} {ETH}"] == 5
    flow.settle()
    assert flow.stage.balances()[f"quarantine {ETH}"] == 5


def test_another_organisation_cannot_settle_it(flow: Flow):
    worker = flow.stage.connect("strongroom_worker", pool_size=1)
    with (
        worker.unit(UUID(int=0), system("test")) as uow,
        pytest.raises(DepositUnknown),
    ):
        deposits.settle(uow, UUID(int=5), bytes(32))


def test_a_fork_takes_a_credited_deposit_back_whole(flow: Flow):
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow)
    flow.stage.catch_up(follower)
    flow.settle()
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    flow.stage.catch_up(follower)
    assert flow.stage.balances() == {}
    phases = flow.stage.rows("SELECT phase FROM ledger_transaction ORDER BY booked_at, id")
    assert [row["phase"] for row in phases] == ["single", "single", "reversal", "reversal"]
    flow.settle()
    assert flow.stage.balances() == {}
    flow.stage.assert_sound()


def test_a_credit_that_was_spent_before_the_fork_leaves_a_frozen_debt(flow: Flow):
    """P3: only a linked reversal may go below the floor, and it freezes the account."""
    flow.import_list()
    follower = flow.stage.follower()
    pay(flow)
    flow.stage.catch_up(follower)
    flow.settle()
    flow.insert_spend()
    flow.stage.chain.rpc("anvil_reorg", 1, [])
    flow.stage.chain.mine()
    flow.stage.catch_up(follower)
    assert flow.stage.balances()[f"client:treasury {ETH}"] == -5
    frozen = flow.stage.rows(
        "SELECT b.frozen FROM ledger_balance AS b JOIN ledger_account AS a"
        " ON a.id = b.account_id WHERE a.code = 'client:treasury'"
    )
    assert frozen == [{"frozen": True}]
    pay(flow)
    flow.stage.catch_up(follower)
    flow.settle()
    assert f"client:treasury {ETH}" not in flow.stage.balances()
    thawed = flow.stage.rows("SELECT id FROM ledger_account WHERE code = 'client:treasury'")
    (row,) = flow.stage.rows(
        f"SELECT frozen FROM ledger_balance WHERE account_id = {thawed[0]['id']}"
    )
    assert row == {"frozen": False}, "the debt is paid, so the account gives again"
    flow.stage.assert_sound()


def test_the_lists_for_people_are_newest_first_in_pages(flow: Flow):
    for value in (1, 2, 3):
        pay(flow, value)
    flow.stage.catch_up(flow.stage.follower())
    api = flow.stage.connect(pool_size=1)
    with api.read(flow.stage.organisation, system("test")) as uow:
        first = deposits.list_deposits(uow, limit=2)
        rest = deposits.list_deposits(uow, after=first[-1].id)
        assert [view.units for view in (*first, *rest)] == [3, 2, 1]
        assert deposits.get(uow, first[0].id).state == "unscreened"


@pytest.mark.parametrize("final_first", [True, False])
def test_a_payment_straight_to_the_vault_is_screened_no_more_once_it_is_over(
    flow: Flow, final_first: bool
):
    flow.import_list()
    flow.stage.watch(VAULT, "vault")
    follower = flow.stage.follower()
    flow.stage.send(VAULT, 5)
    flow.stage.chain.mine(4 if final_first else 1)
    flow.stage.catch_up(follower)
    flow.settle()
    flow.stage.chain.mine(4)
    flow.stage.catch_up(follower)
    assert flow.stage.balances()[f"client:treasury {ETH}"] == 5
    (row,) = flow.stage.rows("SELECT finished_at FROM screening_request")
    assert row["finished_at"] is not None


def test_an_arrival_that_was_not_booked_takes_no_other_deposits_money(flow: Flow):
    """The account is full, so the ledger refuses the arrival; suspense holds another deposit."""
    stage, other = flow.stage, bytes.fromhex("e2" * 20)
    full = Leg(stage.custody(), "house:equity", ETH, 2**256 - 1)
    with stage.connect("strongroom_worker", pool_size=1).unit(None, system("test")) as uow:
        refs = [AccountRef(stage.organisation, code, ETH) for code in (full.debit, full.credit)]
        ledger.open_accounts(uow, refs)
        ledger.post_or_raise(uow, Posting(stage.organisation, "full", "test", (full,)))
    stage.watch(other)
    flow.import_list()
    pay(flow)
    stage.send(other, 5)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    flow.settle()
    rows = stage.rows("SELECT address, disposition FROM deposit ORDER BY id")
    assert [(bytes(row["address"]), row["disposition"]) for row in rows] == [
        (ADDRESS, "unscreened"),
        (other, "credited"),
    ]
    flow.deliver("indexer.refused")
    kinds = {row["kind"] for row in stage.rows("SELECT kind FROM alert")}
    assert kinds == {"indexer.refused"}
