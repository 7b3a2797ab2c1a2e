"""P4: the relay's cases to survive that need a node, a signer or a database to fail on purpose.

The whole list, with the tests of all of them, is the table in tests/simulation/README.md.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import psycopg

from strongroom.chain.errors import ChainError, Underpriced
from strongroom.db.errors import CommitUnknown, DatabaseUnavailable
from tests.integration.strongroom.relay.bench import SINK, Bench

CALLERS = 32
COIN = 10**18


def nonces(bench: Bench, ids: Sequence[UUID]) -> list[int | None]:
    return [bench.view(one).nonce for one in ids]


def raw_of(bench: Bench, attempt: int) -> str:
    with psycopg.connect(bench.test_database.conninfo()) as connection:
        found = connection.execute(
            "SELECT raw FROM outgoing_attempt WHERE attempt = %s", (attempt,)
        ).fetchone()
    assert found is not None
    return "0x" + bytes(found[0]).hex()


def test_32_workers_on_one_signer_leave_no_gap_and_pay_each_once(bench: Bench):
    ids = [bench.enqueue(f"payment {number}") for number in range(2 * CALLERS)]
    loops = [bench.another_loop() for _ in range(CALLERS)]
    threads = [threading.Thread(target=_run, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.chain.mine()
    assert sorted(nonce for nonce in nonces(bench, ids) if nonce is not None) == list(
        range(2 * CALLERS)
    )
    assert bench.paid() == 2 * CALLERS


def _run(loop) -> None:
    while loop.step():
        pass


def test_the_original_mines_after_its_replacement_was_sent(bench: Bench):
    one = bench.enqueue("slow, then twice in the world")
    bench.run()
    original = raw_of(bench, 0)
    bench.later(61)
    assert len(bench.attempts()) == 2
    bench.chain.rpc("anvil_dropAllTransactions")
    bench.chain.rpc("eth_sendRawTransaction", original)
    bench.chain.mine()
    nonce = bench.view(one).nonce
    bench.later(61)
    bench.chain.mine()
    assert (bench.paid(), bench.view(one).nonce) == (1, nonce)


def test_a_foreign_transaction_that_outbids_ours_under_our_nonce_is_no_reason_for_another_nonce(
    bench: Bench,
):
    """*Underpriced* means that something is there under this nonce, not that ours was not sent."""
    send_all = bench.faulty.send_all

    def underpriced(raws: Sequence[bytes]) -> list[bytes | ChainError]:
        return [Underpriced("replacement transaction underpriced") for _ in raws]

    bench.faulty.send_all = underpriced  # type: ignore[method-assign]
    one = bench.enqueue("outbid")
    bench.run()
    bench.later(5)
    first = bench.view(one)
    assert first.nonce == 0
    bench.faulty.send_all = send_all  # type: ignore[method-assign]
    bench.later(61)
    bench.chain.mine()
    assert (bench.view(one).nonce, bench.paid()) == (0, 1)


def test_out_of_gas_money_mid_queue_the_rest_waits_and_goes_on_without_a_gap(bench: Bench):
    sender = "0x" + bench.signer.address.hex()
    before = [bench.enqueue(f"paid for {number}") for number in range(3)]
    bench.run()
    bench.chain.mine()
    bench.chain.rpc("anvil_setBalance", sender, hex(1))
    after = [bench.enqueue(f"waits for gas {number}") for number in range(3)]
    bench.run()
    bench.chain.mine()
    assert bench.paid() == 3
    assert {bench.view(one).state for one in after} <= {"queued", "signed"}
    bench.chain.rpc("anvil_setBalance", sender, hex(COIN))
    bench.later(20)
    bench.chain.mine()
    assert bench.paid() == 6
    assert sorted(nonce or 0 for nonce in nonces(bench, [*before, *after])) == list(range(6))


def test_a_signer_that_is_away_when_a_bump_is_due_leaves_the_first_attempt_in_the_world(
    bench: Bench,
):
    one = bench.enqueue("to be bumped")
    bench.run()
    bench.signer.away = True
    bench.later(61)
    assert bench.view(one).state == "broadcast"
    assert [row[4] for row in bench.attempts()] in ([True], [True, False])
    bench.signer.away = False
    bench.later(20)
    assert [row[4] for row in bench.attempts()] == [True, True]
    bench.chain.mine()
    assert (bench.paid(), bench.view(one).nonce) == (1, 0)


def test_a_database_that_fails_over_between_signature_and_commit_costs_no_nonce(bench: Bench):
    one = bench.enqueue("signed while PostgreSQL falls")

    def fall() -> None:
        bench.signer.before_answer = lambda: None
        with psycopg.connect(bench.test_database.conninfo()) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'strongroom_relay' AND datname = current_database()"
            )

    bench.signer.before_answer = fall
    for _ in range(20):
        with suppress(DatabaseUnavailable, CommitUnknown):
            bench.later(5)
            if bench.view(one).state == "broadcast":
                break
    bench.chain.mine()
    assert (bench.view(one).nonce, bench.paid()) == (0, 1)
    assert bench.node.balance(SINK) == 1


def test_a_base_fee_spike_makes_the_queue_wait_and_then_go_on(bench: Bench):
    bench.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    bench.chain.mine()
    ids = [bench.enqueue(f"too dear {number}") for number in range(3)]
    bench.run()
    assert {bench.view(one).state for one in ids} == {"queued"}
    bench.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    bench.chain.mine()
    bench.chain.mine()
    bench.later(5)
    bench.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    bench.chain.mine()
    assert (sorted(nonce or 0 for nonce in nonces(bench, ids)), bench.paid()) == ([0, 1, 2], 3)
