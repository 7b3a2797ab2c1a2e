"""P4: one nonce an intent, every attempt stored before it is sent, nothing sent twice."""

import threading

import psycopg
import pytest

from strongroom.db.actor import system
from strongroom.kit.ids import HOUSE
from strongroom.relay import service
from strongroom.relay.errors import NotCancellable, RefTaken
from strongroom.relay.loop import CALLERS
from strongroom.relay.types import FeeCap
from tests.integration.strongroom.relay.bench import Bench, ForgetfulNode


def test_32_rows_and_four_relays_at_once_use_each_nonce_once_without_a_gap(bench: Bench):
    ids = [bench.enqueue(f"payment {number}") for number in range(32)]
    loops = [bench.another_loop() for _ in range(4)]

    def work(number: int) -> None:
        while loops[number].step():
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.chain.mine()
    assert sorted(bench.view(one).nonce or 0 for one in ids) == list(range(32))
    assert bench.paid() == 32
    assert len(bench.attempts()) == 32


def test_a_signer_that_is_away_makes_the_row_wait_and_lose_nothing(bench: Bench):
    bench.signer.away = True
    one = bench.enqueue("waits for the signer")
    bench.run()
    assert bench.view(one).state == "queued"
    assert "away for a test" in (bench.view(one).last_error or "")
    bench.signer.away = False
    bench.later(2)
    bench.chain.mine()
    assert (bench.view(one).state, bench.paid()) == ("broadcast", 1)


def test_a_node_that_is_away_makes_the_row_wait_and_lose_nothing(bench: Bench):
    bench.faulty.away = True
    one = bench.enqueue("waits for the node")
    bench.run()
    assert bench.view(one).state == "queued"
    bench.faulty.away = False
    bench.later(2)
    bench.chain.mine()
    assert (bench.view(one).state, bench.paid()) == ("broadcast", 1)


def test_accepted_and_then_silent_is_not_sent_twice_under_another_nonce(bench: Bench):
    bench.faulty.silent_after_accepting = True
    one = bench.enqueue("accepted, then a time-out")
    bench.run()
    assert bench.view(one).state == "signed"
    bench.faulty.silent_after_accepting = False
    bench.later(2)
    assert bench.view(one).state == "broadcast"
    bench.chain.mine()
    assert (bench.paid(), len(bench.attempts())) == (1, 1)


def test_a_used_nonce_is_never_exchanged_for_a_new_one(bench: Bench):
    """Taking the next nonce when one is "too low" pays twice: here the row waits for its block."""
    one = bench.enqueue("mined unseen")
    bench.run()
    bench.chain.mine()
    nonce = bench.view(one).nonce
    bench.later(6)
    assert bench.view(one).nonce == nonce
    assert "nonce is used" in (bench.view(one).last_error or "")
    assert (bench.paid(), len(bench.attempts())) == (1, 1)


def test_what_the_pool_dropped_is_sent_again_with_the_same_bytes(bench: Bench):
    one = bench.enqueue("dropped")
    bench.run()
    bench.chain.rpc("anvil_dropAllTransactions")
    bench.chain.mine()
    assert bench.paid() == 0
    bench.later(6)
    bench.chain.mine()
    assert (bench.paid(), len(bench.attempts())) == (1, 1)
    assert bench.view(one).state == "broadcast"


def test_a_stuck_transaction_is_bumped_by_an_eighth_under_its_nonce(bench: Bench):
    one = bench.enqueue("stuck")
    bench.run()
    bench.later(61)
    first, second = bench.attempts()
    assert second[2] * 8 >= first[2] * 9
    assert second[3] * 8 >= first[3] * 9
    bench.chain.mine()
    assert (bench.paid(), bench.view(one).nonce) == (1, 0)


def test_a_refusal_of_a_first_attempt_ends_the_row_and_takes_no_nonce(bench: Bench):
    bench.signer.refuse = "signer.safe_tx_unknown"
    one = bench.enqueue("refused")
    bench.run()
    view = bench.view(one)
    assert (view.state, view.nonce, view.last_error) == ("failed", None, "refused for a test")
    bench.signer.refuse = ""
    two = bench.enqueue("the next one")
    bench.run()
    assert bench.view(two).nonce == 0


def test_a_hot_payment_that_took_a_nonce_and_is_refused_now_leaves_no_gap(bench: Bench):
    """The signer died between nonce and signature, and then the order was over."""
    bench.signer.dies_between = True
    one = bench.enqueue("nonce without a signature", "hot_payment")
    bench.run()
    assert bench.view(one).state == "queued"
    bench.later(16)
    bench.chain.mine()
    assert (bench.view(one).state, bench.view(one).nonce, bench.paid()) == ("broadcast", 0, 0)
    bench.signer.dies_between = False
    two = bench.enqueue("behind it", "hot_payment")
    bench.run()
    bench.chain.mine()
    assert (bench.view(two).nonce, bench.paid()) == (1, 1)


def test_a_hot_payment_that_was_refused_before_any_nonce_fails(bench: Bench):
    bench.signer.refuse = "signer.policy_denied"
    one = bench.enqueue("denied", "hot_payment")
    bench.run()
    bench.later(16)
    assert (bench.view(one).state, bench.view(one).nonce) == ("failed", None)


def test_a_refusal_for_the_price_waits_and_tries_again(bench: Bench):
    bench.signer.refuse = "signer.fee_above_cap"
    one = bench.enqueue("too dear for now")
    bench.run()
    assert bench.view(one).state == "queued"
    bench.signer.refuse = ""
    bench.later(2)
    bench.chain.mine()
    assert (bench.view(one).state, bench.paid()) == ("broadcast", 1)


def test_a_cancel_is_a_self_send_under_the_same_nonce(bench: Bench):
    one = bench.enqueue("cancelled")
    with bench.database.unit(HOUSE, system("test")) as uow, pytest.raises(NotCancellable):
        service.request_cancel(uow, HOUSE, one)
    bench.run()
    with bench.database.unit(HOUSE, system("test")) as uow:
        service.request_cancel(uow, HOUSE, one)
    bench.later(1)
    assert [row[1] for row in bench.attempts()] == ["payload", "cancel"]
    bench.chain.mine()
    assert (bench.paid(), bench.view(one).nonce) == (0, 0)


def test_a_process_that_outlives_its_lease_records_and_sends_nothing_more(bench: Bench):
    """The first one sleeps inside the signer; a second one takes the row over and finishes it."""
    one = bench.enqueue("overtaken")
    second = bench.another_loop()

    def overtake() -> None:
        bench.signer.before_answer = lambda: None
        bench.clock.ahead_seconds += 30
        assert second.step()

    bench.signer.before_answer = overtake
    bench.loop.step()
    assert bench.faulty.sent == 1
    bench.chain.mine()
    assert (bench.view(one).state, bench.paid(), len(bench.attempts())) == ("broadcast", 1, 1)


def test_a_reference_stands_for_one_transaction(bench: Bench):
    assert bench.enqueue("one") == bench.enqueue("one")
    view = bench.view(bench.enqueue("one"))
    with bench.database.unit(HOUSE, system("test")) as uow, pytest.raises(RefTaken):
        service.enqueue(uow, HOUSE, "sweep", view.ref, {"other": 1}, chain_id=bench.chain.chain_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outgoing SET nonce = nonce + 1",
        "UPDATE outgoing SET payload = '{}'",
        "UPDATE outgoing SET sender = decode(repeat('51', 20), 'hex')",
        "DELETE FROM outgoing",
        "UPDATE outgoing_attempt SET raw = '\\x00'",
        "UPDATE outgoing_attempt SET first_broadcast_at = now()",
        "DELETE FROM outgoing_attempt",
    ],
)
def test_the_database_itself_refuses_to_rewrite_what_was_sent(bench: Bench, statement: str):
    bench.enqueue("kept")
    bench.run()
    with (
        psycopg.connect(bench.test_database.conninfo()) as connection,
        pytest.raises(psycopg.errors.RaiseException),
    ):
        connection.execute(statement.encode())


def test_the_database_takes_only_an_object_as_a_payload(bench: Bench):
    with (
        psycopg.connect(bench.test_database.conninfo()) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="its payload is an object"),
    ):
        connection.execute(
            "INSERT INTO outgoing (organisation_id, id, chain_id, purpose, ref, payload, due_at,"
            " request_id, created_at, updated_at) VALUES (%s, gen_random_uuid(), 1, 'sweep', %s,"
            " '[]', now(), '', now(), now())",
            (HOUSE, b"\x01" * 32),
        )


def test_a_transaction_under_the_base_fee_is_bumped_when_the_market_calms(bench: Bench):
    """A spike after the signature: no pool takes it, and its nonce holds up all behind it."""
    bench.signer.before_answer = lambda: spike(bench, 10**12)
    one = bench.enqueue("overtaken by the base fee")
    bench.run()
    assert "fees too low" in (bench.view(one).last_error or "")
    bench.signer.before_answer = lambda: None
    spike(bench, 10**10)
    bench.later(61)
    bench.chain.mine()
    assert [row[1] for row in bench.attempts()] == ["payload", "payload"]
    assert (bench.paid(), bench.view(one).nonce) == (1, 0)


def test_a_schedules_price_cap_holds_up_nothing_else_of_its_key(bench: Bench):
    """Above it a sweep takes no nonce; one that has a nonce already is bumped past it."""
    waits = bench.enqueue("too dear to begin", cap=FeeCap(max_fee_per_gas_wei=1))
    first = bench.enqueue("of the same key")
    bench.run()
    assert (bench.view(waits).nonce, bench.view(first).nonce) == (None, 0)
    cap_wei = bench.node.fees().max_fee_wei
    begun = bench.enqueue("sent under its cap", cap=FeeCap(max_fee_per_gas_wei=cap_wei))
    bench.run()
    spike(bench, 2 * cap_wei)
    bench.chain.mine()
    behind = bench.enqueue("behind it")
    bench.later(61)
    assert max(row[2] for row in bench.attempts()) > cap_wei
    bench.chain.mine()
    assert (bench.view(begun).nonce, bench.view(behind).nonce, bench.paid()) == (1, 2, 3)


def test_a_payments_price_cap_binds_its_bumps_too(bench: Bench):
    cap_wei = bench.node.fees().max_fee_wei
    cap = FeeCap(max_fee_per_gas_wei=cap_wei)
    bench.enqueue("of a vault", "vault_execution", cap=cap)
    bench.run()
    spike(bench, 2 * cap_wei)
    bench.chain.mine()
    bench.later(61)
    assert [row[2] for row in bench.attempts()] == [cap_wei]


def spike(bench: Bench, wei: int) -> None:
    bench.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))


def test_a_private_endpoint_is_first_and_alone_for_a_stated_time(bench: Bench):
    private = ForgetfulNode(bench.node)
    loop = bench.another_loop(private)
    one = bench.enqueue("not for everybody's eyes")
    while loop.step():
        pass
    assert (private.sent, bench.faulty.sent, bench.view(one).state) == (1, 0, "broadcast")
    private.away = True
    bench.clock.ahead_seconds += 30
    loop.step()
    assert (private.sent, bench.faulty.sent) == (1, 0)
    bench.clock.ahead_seconds += 31
    loop.step()
    assert bench.faulty.sent == 1
    bench.chain.mine()
    assert bench.paid() == 1


def test_one_node_error_in_a_group_holds_up_nobody_else(bench: Bench):
    """The signer is away for one row, refuses another, and the third is sent."""
    ids = [bench.enqueue(name) for name in ("fine", "also fine")]
    refused = bench.enqueue("refused")
    bench.signer.refuse_ref = bench.view(refused).ref
    bench.run()
    assert [bench.view(one).state for one in (*ids, refused)] == ["broadcast"] * 2 + ["failed"]
    bench.chain.mine()
    assert bench.paid() == 2


def test_when_the_signer_is_away_a_group_asks_it_few_times(bench: Bench):
    """Each call may last its whole time-out: sixty of them would outlive the lease."""
    for number in range(60):
        bench.enqueue(f"payment {number}")
    bench.signer.away = True
    assert bench.loop.step()
    assert bench.signer.asked <= CALLERS
