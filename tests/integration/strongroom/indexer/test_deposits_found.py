"""What reaches the books and what must not. P2: the books follow the chain and nothing else."""

from tests.factories.chain_stage import (
    ADDRESS,
    CALL_AND_SWALLOW,
    ETH,
    FORWARD,
    FORWARD_AND_REVERT,
    SUSPENSE,
    TUSD,
    Stage,
)


def word(address: bytes) -> str:
    return address.rjust(32, b"\0").hex()


def test_a_native_payment_is_booked_to_suspense_once_and_proven(stage: Stage):
    stage.send(ADDRESS, 5 * 10**18)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    assert stage.balances() == {
        f"{stage.custody()} {ETH}": 5 * 10**18,
        f"{SUSPENSE} {ETH}": 5 * 10**18,
    }
    (deposit,) = stage.rows("SELECT * FROM deposit")
    assert (deposit["chain_state"], deposit["disposition"]) == ("confirmed", "unscreened")
    assert (deposit["kind"], deposit["position"]) == ("native", -1)
    (request,) = stage.rows("SELECT * FROM screening_request")
    assert request["id"] == deposit["screening_request_id"]
    assert bytes(request["subject"]).hex() == stage.chain.accounts()[0][2:].lower()
    (receipt,) = stage.rows("SELECT * FROM chain_receipt")
    assert receipt["receipt_proof"]
    assert receipt["tx_proof"]
    stage.assert_sound()


def test_tokens_alone_are_proven_by_their_receipt(stage: Stage):
    """Transactions under their root cost a node much and prove nothing more of an event."""
    token = stage.deploy_dollar()
    stage.allow(token)
    stage.mint(token, ADDRESS, 5)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    (receipt,) = stage.rows("SELECT * FROM chain_receipt")
    assert receipt["receipt_proof"]
    assert (receipt["nonce"], receipt["transaction_raw"], receipt["tx_proof"]) == (None, None, None)
    assert stage.balances()[f"{stage.custody()} TUSD/6"] == 5


def test_value_sent_by_a_contract_inside_a_transaction_is_booked(stage: Stage):
    forwarder = stage.deploy(FORWARD)
    stage.send(forwarder, 7, "0x" + word(ADDRESS), gas="0x20000")
    stage.chain.mine()
    stage.catch_up(stage.follower())
    (deposit,) = stage.rows("SELECT * FROM deposit")
    assert (deposit["kind"], deposit["position"], deposit["units"]) == ("internal", -2, 7)
    assert bytes(deposit["payer"]) == forwarder
    assert stage.balances()[f"{stage.custody()} {ETH}"] == 7


def test_a_token_of_the_policy_is_booked_under_its_asset(stage: Stage):
    token = stage.deploy_dollar()
    stage.allow(token)
    stage.mint(token, ADDRESS, 1_500_000)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    assert stage.balances() == {
        f"{stage.custody()} {TUSD}": 1_500_000,
        f"{SUSPENSE} {TUSD}": 1_500_000,
    }


def test_an_unknown_token_is_kept_and_never_credited(stage: Stage):
    token = stage.deploy_dollar()
    stage.mint(token, ADDRESS, 1_500_000)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    (deposit,) = stage.rows("SELECT * FROM deposit")
    assert (deposit["disposition"], deposit["asset"]) == ("unknown_token", None)
    assert stage.balances() == {}
    assert stage.rows("SELECT * FROM screening_request") == []


def test_a_failed_transaction_brings_nothing(stage: Stage):
    reverter = stage.deploy(FORWARD_AND_REVERT)
    sent = stage.send(reverter, 9, "0x" + word(ADDRESS), gas="0x20000")
    stage.chain.mine()
    receipt = stage.chain.rpc("eth_getTransactionReceipt", sent)
    assert isinstance(receipt, dict)
    assert receipt["status"] == "0x0"
    stage.catch_up(stage.follower())
    assert stage.rows("SELECT * FROM deposit") == []
    assert stage.balances() == {}


def test_a_reverted_subtree_brings_nothing_although_its_children_show_no_error(stage: Stage):
    reverter, outer = stage.deploy(FORWARD_AND_REVERT), stage.deploy(CALL_AND_SWALLOW)
    sent = stage.send(outer, 11, "0x" + word(reverter) + word(ADDRESS), gas="0x40000")
    stage.chain.mine()
    receipt = stage.chain.rpc("eth_getTransactionReceipt", sent)
    assert isinstance(receipt, dict)
    assert receipt["status"] == "0x1"
    traces = stage.chain.rpc("trace_block", hex(stage.chain.height()))
    assert isinstance(traces, list)
    to_us = [t for t in traces if t["action"].get("to") == "0x" + ADDRESS.hex()]
    assert to_us, "the trap is set: the trace shows value coming to us"
    assert to_us[0].get("error") is None
    stage.catch_up(stage.follower())
    assert stage.rows("SELECT * FROM deposit") == []
    assert stage.balances() == {}


def test_many_payments_in_one_block_are_each_booked(stage: Stage):
    token = stage.deploy_dollar()
    stage.allow(token)
    for units in range(1, 6):
        stage.send(ADDRESS, units)
        stage.mint(token, ADDRESS, units)
    stage.chain.mine()
    stage.catch_up(stage.follower())
    assert stage.balances()[f"{stage.custody()} {ETH}"] == 15
    assert stage.balances()[f"{stage.custody()} {TUSD}"] == 15
    assert len(stage.rows("SELECT * FROM deposit")) == 10
    stage.assert_sound()
