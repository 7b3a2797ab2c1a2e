"""A chain without EIP-7702: each address is fed gas money, then pays its deposit to the vault.

The node's own accounts stand in for the signer's keys, its transactions for the relay's.
"""

from typing import Any

import pytest

from strongroom.auditlog import service as auditlog
from strongroom.db.actor import system
from strongroom.deposits.leaf_sweeps import GAS, REST_SECONDS
from strongroom.indexer.follower import Follower
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Leg, Posting
from strongroom.relay.sink import RelaySink
from tests.factories.chain_stage import ETH, TUSD, VAULT
from tests.factories.deposit_stage import Flow

PRICE = 10**10
DEPOSIT = 10**18
LEAVES = [bytes([0xE0 + number]) * 20 for number in range(2)]


@pytest.fixture
def station(flow: Flow) -> Flow:
    """The house on a chain without EIP-7702, with a hot key that may feed."""
    flow.environment = {"STRONGROOM_SET_CODE": "0"}
    flow.stage.watch(spender(flow), "spending")
    flow.import_list()
    return flow


def spender(flow: Flow) -> bytes:
    return bytes.fromhex(flow.stage.chain.accounts()[1][2:])


def policy(flow: Flow, token: bytes | None = None, *, feeds: bool = True) -> None:
    gas = {"gas": {"source": "0x" + spender(flow).hex(), "per_day_wei": str(10**18)}}
    fees = {"max_fee_per_gas_wei": str(PRICE), "max_total_fee_wei": str(10**17)}
    key = {
        "index": 0,
        "address": flow.stage.chain.accounts()[1],
        "kind": "hot",
        "threshold": 1,
        "limits": [{"asset": ETH, "per_payment_units": "1000", "per_day_units": "1000"}],
    }
    mandates = {"sweep": True, **(gas if feeds else {})}
    keys: dict[str, Any] = {"spending": [key]} if feeds else {}
    flow.make_vault(token, mandates=mandates, fees=fees, **keys)


def credited(flow: Flow, *leaves: bytes) -> Follower:
    """Deposits of the coin that may go."""
    for index, leaf in enumerate(leaves):
        flow.stage.watch(leaf)
        flow.give_out(leaf, index)
        flow.stage.send(leaf, DEPOSIT)
    flow.stage.chain.mine(4)
    found = follower(flow)
    flow.stage.catch_up(found)
    flow.settle()
    return found


def follower(flow: Flow) -> Follower:
    relay = RelaySink(flow.stage.chain.chain_id, b"\x99" * 20, ETH)
    return flow.stage.follower(extra_sinks=(relay,))


def asked(flow: Flow, purpose: str) -> list[dict[str, Any]]:
    return flow.stage.rows(
        "SELECT * FROM outgoing WHERE purpose = %s AND state = 'queued' ORDER BY id", purpose
    )


def sent(
    flow: Flow, row: dict[str, Any], sender: bytes, to: bytes, value: int, *, blocks: int = 4
) -> None:
    """The relay has signed and sent it, as the payload says."""
    chain, hexed = flow.stage.chain, "0x" + sender.hex()
    chain.rpc("anvil_impersonateAccount", hexed)
    nonce = int(str(chain.rpc("eth_getTransactionCount", hexed, "pending")), 16)
    fields = {"from": hexed, "to": "0x" + to.hex(), "value": hex(value), "gas": hex(GAS)}
    price = {"maxFeePerGas": hex(PRICE), "maxPriorityFeePerGas": "0x1"}
    tx_hash = str(chain.rpc("eth_sendTransaction", {**fields, **price}))
    key = {"organisation_id": row["organisation_id"], "outgoing_id": row["id"]}
    flow.insert(
        "outgoing_attempt",
        **key,
        attempt=0,
        kind="payload",
        gas=GAS,
        max_fee_per_gas_wei=PRICE,
        max_priority_fee_per_gas_wei=1,
        planned_at=flow.clock.now(),
        raw=b"\0",
        hash=bytes.fromhex(tx_hash[2:]),
        stored_at=flow.clock.now(),
    )
    flow.change(
        f"UPDATE outgoing SET state = 'broadcast', nonce = {nonce},"
        f" sender = decode('{sender.hex()}', 'hex') WHERE id = '{row['id']}'"
    )
    chain.mine(blocks)


def on_chain(flow: Flow, address: bytes) -> int:
    return int(str(flow.stage.chain.rpc("eth_getBalance", "0x" + address.hex(), "latest")), 16)


def feed(flow: Flow, found: Follower) -> int:
    """The gas money comes; gives how much."""
    (row,) = asked(flow, "gas_topup")
    units = int(row["payload"]["units"])
    leaf = LEAVES[row["payload"]["to"]["deposit"]]
    sent(flow, row, spender(flow), leaf, units)
    flow.stage.catch_up(found)
    flow.plan()
    return units


def pay(flow: Flow, found: Follower) -> None:
    """The address pays."""
    (row,) = asked(flow, "leaf_sweep")
    item = row["payload"]["item"]
    sent(flow, row, LEAVES[row["payload"]["index"]], VAULT, int(item["units"]))
    flow.stage.catch_up(found)
    flow.plan()


def funded(flow: Flow, found: Follower) -> None:
    """The spending key has what the books say: its beginning is booked as a deposit."""
    flow.stage.send(spender(flow), 10**17, payer=0)
    flow.stage.chain.mine(4)
    flow.stage.catch_up(found)
    flow.settle()


def test_an_address_is_fed_and_pays_and_the_books_are_right_to_the_wei(station: Flow):
    policy(station)
    found = credited(station, LEAVES[0])
    funded(station, found)
    station.plan()
    assert feed(station, found) == GAS * PRICE
    assert station.stage.rows("SELECT 1 FROM deposit WHERE units = %s", GAS * PRICE) == []
    (row,) = asked(station, "leaf_sweep")
    assert (row["payload"]["index"], row["payload"]["item"]["units"]) == (0, str(DEPOSIT))
    assert len(row["payload"]["item"]["clearances"]) == 1
    assert (row["gas"], int(row["max_total_fee_wei"])) == (GAS, GAS * PRICE)
    pay(station, found)
    (sweep,) = station.stage.rows("SELECT state FROM sweep")
    assert sweep["state"] == "finished"
    (deposit,) = station.stage.rows("SELECT swept_at FROM deposit WHERE address = %s", LEAVES[0])
    assert deposit["swept_at"] is not None
    assert station.stage.rows("SELECT 1 FROM wallet_address WHERE delegated_at IS NOT NULL") == []
    balances = station.stage.balances()
    for address in (LEAVES[0], VAULT):
        booked = balances.get(f"{station.stage.custody(address)} {ETH}", 0)
        assert booked == on_chain(station, address)
    station.stage.assert_sound()


def test_what_is_left_of_feeding_is_used_the_next_time(station: Flow):
    policy(station)
    found = credited(station, LEAVES[0])
    funded(station, found)
    station.plan()
    first = feed(station, found)
    pay(station, found)
    left = on_chain(station, LEAVES[0])
    assert 0 < left < first
    station.stage.send(LEAVES[0], DEPOSIT)
    station.stage.chain.mine(4)
    station.stage.catch_up(found)
    station.settle()
    station.plan()
    assert feed(station, found) == first - left


def owed(flow: Flow) -> int:
    """Gas of its own sweeps that the organisation's treasury has not paid yet, in wei."""
    return flow.stage.balances().get(f"house:gas {ETH}", 0)


def spend_treasury(flow: Flow, units: int) -> None:
    """Another client has it now."""
    owner = flow.stage.organisation
    legs = (Leg("client:treasury", "client:other", ETH, units),)
    with flow.stage.connect("strongroom_worker", pool_size=1).unit(owner, system("test")) as uow:
        ledger.open_accounts(uow, [AccountRef(owner, "client:other", ETH)])
        posting = Posting(owner, "spend", "test", legs)
        auditlog.append(uow, "test", "test", {}, rows=ledger.rows([posting]))
        ledger.post_or_raise(uow, posting)


def test_gas_that_the_treasury_lacks_freezes_nobody_and_is_paid_later(station: Flow):
    """P2, P3: the chain took it, so it is booked; what a customer has can't refuse that."""
    policy(station)
    found = credited(station, LEAVES[0])
    funded(station, found)
    spend_treasury(station, DEPOSIT + 10**17)
    station.plan()
    feed(station, found)
    pay(station, found)
    spent = owed(station)
    assert spent > 0
    assert station.stage.rows("SELECT 1 FROM custody_freeze") == []
    assert station.stage.rows("SELECT 1 FROM outbox WHERE topic = 'indexer.refused'") == []
    (alert,) = station.stage.rows("SELECT kind, detail FROM alert")
    assert alert["kind"] == "deposits.gas_owed"
    for address in (LEAVES[0], spender(station), VAULT):
        booked = station.stage.balances().get(f"{station.stage.custody(address)} {ETH}", 0)
        assert address == spender(station) or booked == on_chain(station, address)
    station.stage.send(LEAVES[0], DEPOSIT)
    station.stage.chain.mine(4)
    station.stage.catch_up(found)
    station.settle()
    station.plan()
    assert owed(station) == 0
    treasury = station.stage.balances()[f"client:treasury {ETH}"]
    assert treasury == DEPOSIT - spent
    station.plan()
    assert station.stage.balances()[f"client:treasury {ETH}"] == treasury, "it is charged once"
    station.stage.assert_sound()


def test_gas_that_a_fork_gives_back_is_given_back_to_the_treasury(station: Flow):
    policy(station)
    found = credited(station, LEAVES[0])
    funded(station, found)
    treasury = station.stage.balances()[f"client:treasury {ETH}"]
    station.plan()
    (row,) = asked(station, "gas_topup")
    sent(station, row, spender(station), LEAVES[0], int(row["payload"]["units"]), blocks=1)
    station.stage.catch_up(found)
    station.plan()
    assert station.stage.balances()[f"client:treasury {ETH}"] < treasury
    station.stage.chain.rpc("anvil_reorg", 1, [])
    station.stage.chain.mine()
    station.stage.catch_up(found)
    assert owed(station) < 0
    station.plan()
    assert station.stage.balances()[f"client:treasury {ETH}"] == treasury
    assert owed(station) == 0
    station.stage.assert_sound()


def test_many_addresses_are_fed_side_by_side(station: Flow):
    policy(station)
    credited(station, *LEAVES)
    station.plan()
    assert [row["payload"]["to"] for row in asked(station, "gas_topup")] == [
        {"deposit": 0},
        {"deposit": 1},
    ]
    assert len(station.stage.rows("SELECT 1 FROM sweep WHERE state = 'planned'")) == 2


def test_feeding_that_the_signer_refuses_frees_the_deposit_after_a_rest(station: Flow):
    policy(station)
    credited(station, LEAVES[0])
    station.plan()
    station.change("UPDATE outgoing SET state = 'failed' WHERE purpose = 'gas_topup'")
    station.plan()
    assert station.stage.rows("SELECT 1 FROM deposit WHERE sweep_id IS NOT NULL") == []
    assert asked(station, "gas_topup") == []
    station.clock.advance(REST_SECONDS + 1)
    station.plan()
    assert len(asked(station, "gas_topup")) == 1


def test_without_a_mandate_to_feed_people_are_told_and_nothing_is_planned(station: Flow):
    policy(station, feeds=False)
    credited(station, LEAVES[0])
    station.plan()
    station.plan()
    kinds = [row["kind"] for row in station.stage.rows("SELECT kind FROM alert")]
    assert kinds == ["deposits.no_gas_mandate"]
    assert asked(station, "gas_topup") == []


def test_a_fork_that_drops_the_gas_money_takes_its_move_back(station: Flow):
    policy(station)
    found = credited(station, LEAVES[0])
    funded(station, found)
    before = station.stage.balances()
    station.plan()
    (row,) = asked(station, "gas_topup")
    sent(station, row, spender(station), LEAVES[0], int(row["payload"]["units"]), blocks=1)
    station.stage.catch_up(found)
    fed = station.stage.balances()[f"{station.stage.custody(LEAVES[0])} {ETH}"]
    assert fed == DEPOSIT + GAS * PRICE
    station.stage.chain.rpc("anvil_reorg", 1, [])
    station.stage.chain.mine()
    station.stage.catch_up(found)
    assert station.stage.balances() == before
    station.stage.assert_sound()


def test_coin_of_the_spending_key_that_was_not_sent_as_gas_money_is_a_deposit(station: Flow):
    policy(station)
    found = credited(station, LEAVES[0])
    station.stage.send(LEAVES[0], 7, payer=1)
    station.stage.chain.mine()
    station.stage.catch_up(found)
    assert len(station.stage.rows("SELECT 1 FROM deposit WHERE units = 7")) == 1


def test_tokens_go_by_the_same_way(station: Flow):
    token = station.stage.deploy_dollar()
    station.stage.allow(token)
    station.stage.watch(LEAVES[0])
    station.give_out(LEAVES[0])
    station.stage.mint(token, bytes.fromhex(station.stage.chain.accounts()[0][2:]), 9)
    station.stage.chain.mine()
    station.stage.pay_token(token, LEAVES[0], 9)
    station.stage.chain.mine(4)
    policy(station, token)
    found = follower(station)
    station.stage.catch_up(found)
    station.settle()
    assert station.stage.balances()[f"client:treasury {TUSD}"] == 9
    funded(station, found)
    station.plan()
    feed(station, found)
    (row,) = asked(station, "leaf_sweep")
    assert row["payload"]["item"]["token"].lower() == "0x" + token.hex()
