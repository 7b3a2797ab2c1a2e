"""P1, P4, P10: requests that share a commit are as apart from each other as if each came alone."""

import os
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

import pytest

from strongroom_protocol.encoding import to_hex
from strongroom_protocol.wire import HEADER_BYTES, body_length, frame, parse_body
from strongroom_signer.errors import Impossible
from strongroom_signer.serve.dispatch import BATCH_MAX
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.people import Company
from tests.integration.strongroom_signer.test_process import Signer, _exactly, founded, signer
from tests.integration.strongroom_signer.test_relay import ask_for, cancel, decoded, fees

__all__ = ["founded", "signer"]
Body = dict[str, Any]
GWEI = 10**9


def ask_all(desk: Desk, asked: Sequence[tuple[str, Body]]) -> list[Body]:
    requests = [({"op": op, "trace": "batch", "body": body}, False) for op, body in asked]
    return desk.dispatcher.answer_all(requests)


def bumps(body: Body, count: int) -> list[tuple[str, Body]]:
    """Attempts of one logical transaction, each dearer by an eighth or more."""
    found, fee = [("relay", body)], 2 * GWEI
    for attempt in range(1, count):
        fee = fee * 9 // 8 + 1
        dearer = fees(30_000, fee, fee)
        found.append(("relay", cancel(body, attempt, dearer)))
    return found


def cheap(company: Company, purpose: str, ref: str = "a") -> Body:
    return ask_for(company, purpose, ref, fees=fees(fee=2 * GWEI, tip=2 * GWEI))


def rows(desk: Desk) -> tuple[int, int]:
    journal = desk.house.journal
    nonces, spends = (
        journal.all(f"SELECT count(*) FROM {table}")[0][0] for table in ("nonce", "spend")
    )
    return nonces, spends


def test_a_full_batch_is_answered_like_one_after_the_other(desk: Desk) -> None:
    company, other = desk.company(), desk.company()
    asked = bumps(cheap(company, "vault_creation"), 20)
    asked += [("provenance", {"organisation": company.reference, "index": i}) for i in (0, 1)]
    asked += bumps(cheap(other, "delegate_deployment"), 20)
    asked += bumps(cheap(other, "vault_creation", "b"), 20)
    asked += [("status", {}), ("nonsense", {})]
    assert len(asked) == BATCH_MAX
    size = desk.house.journal.size
    answers = ask_all(desk, asked)
    assert [answer["ok"] for answer in answers] == [True] * (BATCH_MAX - 1) + [False]
    signed = [answer["body"] for answer in answers[:62] if "raw" in answer["body"]]
    first = signed[0]["nonce"]
    assert [decoded(one)["nonce"] for one in signed[::20]] == [first, first + 1, first + 2]
    assert {one["nonce"] for one in signed} == {first, first + 1, first + 2}
    assert desk.house.journal.size >= size + 2 * 62 + 1
    desk.house.journal.verify_chain()
    assert ask_all(desk, asked[:62]) == answers[:62]
    for (op, body), answer in zip(asked[:62:9], answers[:62:9], strict=True):
        assert desk.ask(op, body) == answer


def test_one_refused_among_many_leaves_its_receipt_and_nothing_else(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    # Refused after it took a nonce.
    low = ask_for(company, "delegate_deployment", "b", fees=fees(gas=21_000))
    over = company.payment(company.intent(vault, units=5_000_001), 7)
    before = rows(desk)
    answers = ask_all(
        desk,
        [
            ("relay", ask_for(company, "vault_creation")),
            ("relay", low),
            ("vault_permit", over),
            ("vault_permit", company.payment(company.intent(vault), 0)),
            ("relay", ask_for(company, "delegate_deployment", "b")),
        ],
    )
    assert [answer["ok"] for answer in answers] == [True, False, False, True, True]
    assert answers[1]["code"] == "signer.transaction_invalid"
    assert answers[2]["code"] == "signer.policy_denied"
    assert answers[4]["body"]["nonce"] == answers[0]["body"]["nonce"] + 1
    assert rows(desk) == (before[0] + 2, before[1] + 1)
    desk.house.journal.verify_chain()


def test_the_same_request_twice_in_a_batch_is_entered_and_signed_once(desk: Desk) -> None:
    company = desk.company()
    body = ask_for(company, "vault_creation")
    size = desk.house.journal.size
    one, two, three = ask_all(desk, [("relay", body)] * 3)
    assert one["ok"]
    assert one == two == three
    assert desk.house.journal.size == size + 2, "accepted and signed, once"
    assert desk.ask("relay", body) == one


def test_two_payments_of_one_intent_in_a_batch_pay_once(desk: Desk) -> None:
    company = desk.company()
    intent, other = company.intent(desk.vault(company)), company.intent(desk.vault(company))
    answers = ask_all(
        desk,
        [
            ("vault_permit", company.payment(intent, 0)),
            ("vault_permit", company.payment(intent, 1)),
            ("vault_permit", company.payment(other, 0)),
        ],
    )
    assert answers[0]["ok"]
    codes = [answer["code"] for answer in answers[1:]]
    assert codes == ["signer.request_differs", "signer.safe_nonce_taken"]


def test_a_suspension_in_a_batch_stops_what_stands_behind_it(desk: Desk) -> None:
    company = desk.company()
    stop = company.suspension()
    answers = ask_all(
        desk,
        [
            ("relay", ask_for(company, "vault_creation")),
            ("suspend", stop),
            ("relay", ask_for(company, "delegate_deployment", "b")),
        ],
    )
    assert [answer["ok"] for answer in answers] == [True, True, False]
    assert answers[2]["code"] == "signer.suspended"


def test_the_days_limit_holds_within_a_batch(desk: Desk) -> None:
    company = desk.company()
    vault = desk.vault(company)
    asked = [company.payment(company.intent(vault, units=3_000_000), nonce) for nonce in range(4)]
    answers = ask_all(desk, [("vault_permit", body) for body in asked])
    assert [answer["ok"] for answer in answers] == [True, True, False, False]


def test_the_mark_stays_ahead_of_full_batches(desk: Desk) -> None:
    journal = desk.house.journal
    wrong: list[tuple[str, Body]] = [("nonsense", {})] * BATCH_MAX
    desk.dispatcher._refusals_an_hour = 10**6
    for _ in range(40):
        ask_all(desk, wrong)
        mark = journal.mark()
        assert mark is not None
        assert mark.position <= journal.size <= mark.reserved_to
    journal.verify_chain()
    with pytest.raises(Impossible, match="fits"):
        ask_all(desk, [("nonsense", {})] * (BATCH_MAX + 1))


def ask_together(served: Signer, asked: Sequence[tuple[str, Body]]) -> list[Body | None]:
    """All wait in their sockets before the signer looks; None where it hung up."""
    assert served.child is not None
    os.kill(served.child.pid, signal.SIGSTOP)
    connections = []
    for op, body in asked:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(str(served.socket_path))
        connection.sendall(frame({"op": op, "trace": "t", "body": body}))
        connections.append(connection)
    os.kill(served.child.pid, signal.SIGCONT)
    answers: list[Body | None] = []
    for connection in connections:
        try:
            length = body_length(_exactly(connection, HEADER_BYTES))
            answers.append(parse_body(_exactly(connection, length)))
        except OSError:
            answers.append(None)
        connection.close()
    return answers


@pytest.mark.parametrize(
    "point", ["sign.before_journal:3", "sign.after_journal:1", "sign.after_sign:1"]
)
def test_a_batch_killed_between_its_phases_keeps_nonces_and_calls(
    signer: Signer, point: str
) -> None:
    signer.start()
    company = signer.company()
    size = signer.get("status", {})["journal"]["size"]
    signer.stop(signal.SIGKILL)
    signer.start(STRONGROOM_CRASH_AT=point)
    asked = [
        ("relay", ask_for(company, "vault_creation")),
        ("relay", ask_for(company, "vault_creation", "b")),
        ("provenance", {"organisation": company.reference, "index": 1}),
        ("relay", ask_for(company, "delegate_deployment", "c")),
        ("relay", ask_for(company, "vault_creation")),
    ]
    assert ask_together(signer, asked) == [None] * len(asked)
    assert signer.stop() == -signal.SIGKILL
    signer.start()
    entered = 0 if point.startswith("sign.before") else 4
    # Each of the three starts reserves, which is a receipt.
    assert signer.get("status", {})["journal"]["size"] == size + 4 + entered
    answers = [signer.get(op, body) for op, body in asked]
    assert [decoded(answers[i])["nonce"] for i in (0, 1, 3, 4)] == [0, 1, 2, 0]
    signer.stop(signal.SIGKILL)
    signer.start()
    assert [signer.get(op, body) for op, body in asked] == answers


def test_requests_that_wait_together_share_two_commits(signer: Signer) -> None:
    """Proof that they are drained: the n-th pass of a batch's own point is its n-th batch."""
    signer.start()
    company = signer.company()
    signer.stop()
    signer.start(STRONGROOM_CRASH_AT="sign.after_sign:2")
    refs = [to_hex(bytes([number]) * 32) for number in range(3)]
    asked = [("relay", ask_for(company, "vault_creation") | {"ref": ref}) for ref in refs]
    assert all(answer and answer["ok"] for answer in ask_together(signer, asked))
    assert ask_together(signer, asked[:1]) != [None], "a stored answer passes no key"
    asked = [("relay", ask_for(company, "delegate_deployment") | {"ref": to_hex(b"d" * 32)})]
    assert ask_together(signer, asked) == [None]


def test_a_peer_that_takes_no_answers_keeps_nobody_waiting(signer: Signer) -> None:
    signer.start()
    status = frame({"op": "status", "trace": "t", "body": {}})
    with socket.socket(socket.AF_UNIX) as greedy:
        greedy.connect(str(signer.socket_path))
        greedy.setblocking(False)
        for _ in range(50):
            try:
                greedy.send(status * 200)
            except BlockingIOError:
                time.sleep(0.01)
        begun = time.monotonic()
        for _ in range(5):
            assert signer.ask("status", {})["ok"]
        assert time.monotonic() - begun < 2, "a blocked send would hold the only thread"
