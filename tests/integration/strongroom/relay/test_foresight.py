"""Just before it is signed a payment is simulated: a revert delays it, and never stops it."""

import json
from dataclasses import replace
from typing import Any

from strongroom.chain.ports import Transfer
from strongroom.relay.foresight import SentCall, foresee, others
from strongroom.relay.sink import RelaySink
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.intents import Withdrawal
from tests.integration.strongroom.relay.bench import SINK, Bench
from tests.integration.strongroom.relay.test_gas import the_block, through
from tests.integration.strongroom.relay.test_keys import fund, sql, told

STRANGER = Address(b"\x66" * 20)


def payment(bench: Bench, units: int = 1, to: Address = SINK) -> dict[str, Any]:
    intent = Withdrawal(
        organisation=b"\x01" * 32,
        wallet=bench.signer.address,
        token=ZERO,
        to=to,
        units=units,
        max_fee_wei=10**17,
        reference="foreseen",
        valid_until=4_000_000_000,
        policy_version=1,
        store_epoch=1,
    )
    return {"intent": intent.fields()}


def test_a_payment_that_would_revert_takes_no_nonce_until_it_would_not(bench: Bench):
    bench.chain.rpc("anvil_setCode", "0x" + SINK.hex(), "0x5f5ffd")
    one = bench.enqueue("paused", "hot_payment", payment(bench))
    bench.run()
    view = bench.view(one)
    assert (view.state, view.nonce, bench.signer.asked) == ("queued", None, 0)
    assert "would do nothing now" in (view.last_error or "")
    bench.chain.rpc("anvil_setCode", "0x" + SINK.hex(), "0x")
    bench.later(16)
    bench.chain.mine()
    assert (bench.view(one).state, bench.paid()) == ("broadcast", 1)


def test_one_nodes_word_delays_a_payment_and_stops_it_not_for_ever(bench: Bench):
    bench.chain.rpc("anvil_setCode", "0x" + SINK.hex(), "0x5f5ffd")
    one = bench.enqueue("a node that lies", "hot_payment", payment(bench))
    bench.run()
    bench.later(100)
    assert bench.view(one).nonce is None
    bench.later(121)
    assert bench.view(one).nonce == 0


def test_a_wallet_without_the_money_waits(bench: Bench):
    one = bench.enqueue("too much", "hot_payment", payment(bench, 10**20))
    bench.run()
    assert bench.view(one).nonce is None
    fund(bench, bench.chain, 10**21)
    bench.later(16)
    assert bench.view(one).nonce == 0


def test_what_was_foretold_and_happened_alarms_nobody(bench: Bench):
    mined_as(bench, payment(bench))
    assert told(bench) == {}


def test_a_block_that_moved_something_else_is_told(bench: Bench):
    """The coin went elsewhere than foretold, and a token moved that nobody spoke of."""
    mined_as(bench, payment(bench, 1, STRANGER))
    assert "it was not foretold" in told(bench)["relay.mined_differs"]


def test_a_tokens_transfer_that_was_foretold_and_did_not_happen_is_told(bench: Bench):
    def with_token(bench: Bench) -> None:
        entry = {"token": "70" * 20, "from": "11" * 20, "to": "22" * 20, "units": "5"}
        sql(bench, "UPDATE outgoing SET predicted = predicted || %s::jsonb", json.dumps([entry]))

    mined_as(bench, payment(bench), with_token)
    assert "it did not happen" in told(bench)["relay.mined_differs"]


def mined_as(bench: Bench, payload: dict[str, Any], before: Any = lambda _: None) -> None:
    """The payment is mined, and the indexer sees one wei from the key to the sink."""
    bench.enqueue("compared", "hot_payment", payload)
    bench.run()
    bench.chain.mine()
    before(bench)
    block = the_block(bench)
    (seen,) = block.transactions
    moved = Transfer(
        block.chain_id, block.height, block.hash, seen.hash, -1, None, seen.sender, SINK, 1,
        "native",
    )  # fmt: skip
    block = replace(block, transfers=(moved,))
    through(bench, RelaySink(bench.chain.chain_id, b"\x77" * 20, "ETH/18"), block)


def test_whoever_else_would_be_paid_is_named(bench: Bench):
    sender = bench.signer.address
    asked = SentCall(sender, SINK, 5, b"", sender, frozenset({bytes(SINK)}))
    (seen,) = foresee(bench.node, [asked])
    assert seen.moved == ((b"", sender, SINK, 5),)
    assert others(asked, seen) == []
    assert others(replace(asked, payees=frozenset({bytes(STRANGER)})), seen) == [SINK]
