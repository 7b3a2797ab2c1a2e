"""What a node answers becomes changes and cautions; whatever it says, it clears nothing."""

from typing import Any

import pytest

from strongroom.withdrawals.simulating import (
    NATIVE_LOGS,
    TRANSFER_TOPIC,
    Change,
    Question,
    read_simulation,
    read_trace,
)
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.safe import Payment

WALLET, PAYEE, TOKEN, OTHER = (Address(bytes([one]) * 20) for one in (0x5A, 0x22, 0x70, 0x99))
PAID = Question(WALLET, Payment(TOKEN, PAYEE, 100))
COINS = Question(WALLET, Payment(ZERO, PAYEE, 100))


def log(token: str, sender: bytes, recipient: bytes, units: int) -> dict[str, Any]:
    topics = [TRANSFER_TOPIC, *("0x" + bytes(12).hex() + one.hex() for one in (sender, recipient))]
    return {"address": token, "topics": topics, "data": f"0x{units:064x}"}


def text(address: bytes) -> str:
    return "0x" + address.hex()


def balance(units: int) -> dict[str, Any]:
    return {"status": "0x1", "returnData": f"0x{units:064x}", "logs": []}


def simulated(
    *logs: Any, status: str = "0x1", before: tuple[int, int] = (500, 0),
    after: tuple[int, int] = (400, 100), asked: Question = PAID,
) -> Any:  # fmt: skip
    middle = {"status": status, "returnData": "0x", "logs": list(logs)}
    around = [[balance(one) for one in pair] for pair in (before, after)]
    calls = [*around[0], middle, *around[1]] if asked is PAID else [middle]
    return read_simulation(asked, [{"number": "0x10", "calls": calls}])


def codes(found: Any) -> list[str]:
    return [one.code for one in found.cautions]


GOOD = log(text(TOKEN), WALLET, PAYEE, 100)


def test_a_plain_payment_moves_what_it_says():
    found = simulated(GOOD)
    assert found.changes == (Change(PAYEE, TOKEN, 100), Change(WALLET, TOKEN, -100))
    assert (found.succeeded, found.block_height, codes(found)) == (True, 15, [])


def test_native_coins_are_told_by_the_nodes_own_logs():
    found = simulated(log(NATIVE_LOGS, WALLET, PAYEE, 100), asked=COINS)
    assert found.changes == (Change(PAYEE, ZERO, 100), Change(WALLET, ZERO, -100))
    assert codes(found) == []


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (simulated(status="0x0"), ["simulation_fails"]),
        # The log says 100, the balance 97: a fee on transfer, or a token that lies.
        (simulated(GOOD, after=(400, 97)), ["simulation_differs"]),
        (simulated(after=(500, 0)), ["simulation_differs", "simulation_differs"]),
        (simulated(GOOD, after=(300, 100)), ["simulation_differs"]),
        (simulated(GOOD, log(text(OTHER), WALLET, OTHER, 5)), ["simulation_differs"]),
        (simulated(GOOD, log(text(OTHER), OTHER, WALLET, 5)), ["simulation_differs"]),
        (simulated(asked=COINS), ["simulation_differs", "simulation_differs"]),
    ],
    ids=["fails", "fee", "nothing moved", "more is lost", "other lost", "other gained", "no coins"],
)
def test_what_differs_from_the_payment_is_a_caution(found, wanted):
    assert codes(found) == wanted


def test_a_failed_payment_moves_nothing():
    assert simulated(GOOD, status="0x0").changes == ()


def test_a_trace_tells_the_same():
    frame = {"type": "CALL", "from": text(WALLET), "to": text(TOKEN), "value": "0x0"}
    found = read_trace(PAID, 15, {**frame, "logs": [GOOD]})
    assert found.changes == (Change(PAYEE, TOKEN, 100), Change(WALLET, TOKEN, -100))
    assert codes(found) == []
    coins = {**frame, "to": text(PAYEE), "value": "0x64"}
    assert codes(read_trace(COINS, 15, coins)) == []
    inner = {**frame, "to": text(OTHER), "value": "0x5"}
    assert codes(read_trace(COINS, 15, {**coins, "calls": [inner]})) == ["simulation_differs"]
    undone = {**inner, "error": "execution reverted", "calls": [inner]}
    assert codes(read_trace(COINS, 15, {**coins, "calls": [undone]})) == []
    assert codes(read_trace(COINS, 15, {**coins, "error": "reverted"})) == ["simulation_fails"]
    borrowed = {**inner, "type": "DELEGATECALL"}
    assert codes(read_trace(COINS, 15, {**coins, "calls": [borrowed]})) == []


def test_logs_of_another_shape_are_left_aside():
    """An NFT's Transfer has four topics; another event none of ours."""
    nft = {**GOOD, "topics": [*GOOD["topics"], GOOD["topics"][1]]}
    assert simulated(GOOD, nft, {**GOOD, "topics": []}, asked=COINS).changes == (
        Change(PAYEE, TOKEN, 100),
        Change(WALLET, TOKEN, -100),
    )


@pytest.mark.parametrize("answer", [[], [{}], None, [{"calls": [], "number": "0x1"}], "0x"])
def test_what_is_no_answer_is_an_error_and_never_an_all_clear(answer):
    with pytest.raises((ValueError, LookupError, TypeError)):
        read_simulation(PAID, answer)
