"""P10: what a pool has lost goes out again in order; gaps, strangers and empty purses are told."""

from typing import Any

import psycopg
import pytest

from strongroom.chain.node import Node
from strongroom.db.actor import system
from strongroom.relay.keys import KeyWatch, Thresholds
from strongroom.relay.loop import RelayLoop
from strongroom.relay.queue import Queued, purses, queue
from tests.factories.parts.anvil import Chain, fresh_chain
from tests.factories.parts.faulty import faulty_node
from tests.integration.strongroom.relay.bench import SINK, Bench, ForgetfulNode


@pytest.fixture
def watch(bench: Bench) -> KeyWatch:
    return watching(bench, bench.node)


def watching(bench: Bench, nodes: Node, low: int = 1) -> KeyWatch:
    return KeyWatch(bench.database, nodes, bench.chain.chain_id, Thresholds(low, 10))


def told(bench: Bench, topic: str = "relay.alert") -> dict[str, str]:
    """What people are alerted to: kind → sentence."""
    with psycopg.connect(bench.test_database.conninfo()) as connection:
        rows = connection.execute(
            "SELECT payload->>'kind', payload->>'reason' FROM outbox WHERE topic = %s", (topic,)
        )
        return dict(rows.fetchall())


def waiting(bench: Bench) -> list[Queued]:
    with bench.database.read(None, system("test")) as uow:
        return queue(uow, bench.chain.chain_id)


def sql(bench: Bench, statement: str, *values: Any) -> None:
    with psycopg.connect(bench.test_database.conninfo()) as connection:
        connection.execute(statement.encode(), values)


def fund(bench: Bench, chain: Chain, wei: int = 10**18) -> None:
    chain.rpc("anvil_setBalance", "0x" + bench.signer.address.hex(), hex(wei))


def test_a_pool_that_lost_the_queue_gets_all_of_it_again_in_the_order_of_nonces(
    bench: Bench, watch: KeyWatch
):
    for number in range(5):
        bench.enqueue(f"payment {number}")
    bench.run()
    bench.chain.rpc("anvil_dropAllTransactions")
    sql(bench, "UPDATE outgoing SET due_at = now() + interval '1 hour'")
    bench.clock.ahead_seconds += 6
    watch.step()
    bench.run()
    assert bench.faulty.raws[5:] == by_nonce(bench)
    bench.chain.mine()
    assert (bench.paid(), len(bench.attempts())) == (5, 5)


def by_nonce(bench: Bench) -> list[bytes]:
    with psycopg.connect(bench.test_database.conninfo()) as connection:
        rows = connection.execute(
            "SELECT raw FROM outgoing_attempt JOIN outgoing ON id = outgoing_id ORDER BY nonce"
        )
        return [row[0] for row in rows.fetchall()]


def test_what_pools_have_is_left_alone(bench: Bench, watch: KeyWatch):
    bench.enqueue("in the pool")
    bench.run()
    sql(bench, "UPDATE outgoing SET due_at = now() + interval '1 hour'")
    bench.clock.ahead_seconds += 6
    watch.step()
    bench.run()
    assert bench.faulty.sent == 1
    assert told(bench) == {}


def test_another_node_is_given_the_whole_queue(bench: Bench):
    with (
        fresh_chain() as other,
        faulty_node(bench.chain.url, seed=1) as first,
        Node([first.url, other.url], bench.chain.chain_id) as nodes,
    ):
        fund(bench, other)
        watch = watching(bench, nodes)
        loop = RelayLoop(
            bench.database, bench.signer, ForgetfulNode(nodes), chain_id=bench.chain.chain_id
        )
        for number in range(3):
            bench.enqueue(f"payment {number}")
        while loop.step():
            pass
        first.set(dead=True)
        watch.step()
        while loop.step():
            pass
        other.mine()
        with Node([other.url], bench.chain.chain_id) as seen:
            assert seen.balance(SINK) == 3


def test_a_gap_is_told_with_its_nonces_and_what_to_do(bench: Bench, watch: KeyWatch):
    one = bench.enqueue("behind a gap")
    sql(bench, "UPDATE outgoing SET state = 'broadcast', nonce = 2, sender = %s",
        bench.signer.address)  # fmt: skip
    watch.step()
    (found,) = waiting(bench)
    assert (found.outgoing.id, found.advice.gap) == (one, 2)
    assert "nonces 0 to 1" in told(bench)["relay.gap"]
    watch.step()
    assert len(told(bench)) == 1


def test_a_nonce_that_a_stranger_used_is_told_only_when_both_nodes_call_it_final(bench: Bench):
    """One node alone, or a block that is not final, is no reason to think so."""
    with (
        fresh_chain() as second,
        Node([bench.chain.url, second.url], bench.chain.chain_id) as nodes,
    ):
        watch = watching(bench, nodes)
        fund(bench, second)
        bench.enqueue("overtaken")
        bench.run()
        bench.chain.rpc("anvil_dropAllTransactions")
        use_the_key(bench, bench.chain)
        bench.clock.ahead_seconds += 3600
        watch.step()
        assert "relay.foreign_nonce" not in told(bench)
        use_the_key(bench, second)
        bench.clock.ahead_seconds += 61
        watch.step()
        assert "used by somebody else" in told(bench)["relay.foreign_nonce"]
    assert waiting(bench)[0].outgoing.nonce == 0


def test_a_nonce_that_we_used_ourselves_is_no_strangers_while_the_indexer_lags(
    bench: Bench, watch: KeyWatch
):
    bench.enqueue("mined, and not read yet")
    bench.run()
    bench.chain.mine(3)
    bench.clock.ahead_seconds += 3600
    watch.step()
    assert told(bench) == {}


def use_the_key(bench: Bench, chain: Chain) -> None:
    key = "0x" + bench.signer.address.hex()
    chain.rpc("anvil_impersonateAccount", key)
    chain.rpc("eth_sendTransaction", {"from": key, "to": key, "value": "0x0"})
    chain.mine(3)


def test_gas_money_that_ends_soon_is_told_before_it_is_gone(bench: Bench, watch: KeyWatch):
    bench.enqueue("the key is known by it")
    bench.run()
    watch.step()
    assert told(bench) == {}
    fund(bench, bench.chain, 10**9)
    bench.clock.ahead_seconds += 61
    watch.step()
    assert "holds 1000000000 wei: gas for 0 usual transactions" in told(bench)["relay.gas_dry"]
    with bench.database.read(None, system("test")) as uow:
        (purse,) = purses(uow, bench.chain.chain_id)
    assert (purse.balance_wei, purse.transactions_left, purse.state) == (10**9, 0, "dry")
    assert waiting(bench)[0].advice.waits_for == "gas money"
    fund(bench, bench.chain)
    bench.clock.ahead_seconds += 61
    watch.step()
    with bench.database.read(None, system("test")) as uow:
        assert purses(uow, bench.chain.chain_id)[0].state == "ok"
