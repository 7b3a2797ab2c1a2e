"""A part is away: requests wait or are refused with a 503, nothing is lost, health says so."""

import os
import signal
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from first_day.cast import SHIPPER, TUSD, Cast
from strongroom_client import Payment
from tests.e2e.stack import Stack, eventually

UNITS = 2_000_000
LOADERS = 4
TRANSFERS_MAX = 300
"""Of one loader; it goes on until the service is well again."""
DEPOSIT_WEI = 10**12


def _order(cast: Cast) -> dict[str, Any]:
    """A withdrawal of two dollars, requested by Ines and waiting for approvals."""
    ines, supplier = cast.service("ines"), cast.diary.get("supplier")
    reference = f"down-{uuid.uuid4().hex[:10]}"
    intent = ines.draft_withdrawal("treasury", TUSD, supplier, "2", reference)["intent"]
    meant = Payment(supplier, cast.diary.get("token"), UNITS)
    signature = cast.key("ines").sign_withdrawal(intent, cast.node.chain_id, meant)
    order = ines.request_withdrawal("treasury", intent, signature)
    return eventually(lambda: _state(cast, order["id"], "awaiting_approval"))


def _approve(cast: Cast, order: dict[str, Any]) -> None:
    meant = Payment(cast.diary.get("supplier"), cast.diary.get("token"), UNITS)
    for handle in ("anna", "boris"):
        signatures = cast.key(handle).approve_payment(
            order["intent"], cast.diary.get("vault"), order["safe_nonce"], cast.node.chain_id, meant
        )
        cast.service(handle).approve_withdrawal(order["id"], signatures)


def _state(cast: Cast, identifier: str, *states: str) -> dict[str, Any] | None:
    found = cast.service("ines").withdrawal(identifier)
    return found if found["state"] in states else None


def _paid(cast: Cast) -> int:
    return cast.node.balance(cast.diary.get("supplier"), cast.diary.get("token"))


def _is_ready(stack: Stack) -> Callable[[], bool]:
    return lambda: stack.ready()[0] == 200


def test_p10_the_signer_is_away_and_comes_back(stack: Stack, cast: Cast) -> None:
    order, before = _order(cast), _paid(cast)
    with stack.paused("signer"):
        _approve(cast, order)
        status, checks = stack.ready()
        assert status == 503
        assert checks["signer"] != "ok"
        assert _state(cast, order["id"], "finalized") is None
        assert _paid(cast) == before
    eventually(lambda: _state(cast, order["id"], "finalized"), 90)
    assert _paid(cast) == before + UNITS
    eventually(_is_ready(stack))


def test_p10_the_node_is_away_and_comes_back(stack: Stack, cast: Cast) -> None:
    order, before = _order(cast), _paid(cast)
    with stack.paused("anvil"):
        _approve(cast, order)
        answer = eventually(lambda: _unready(stack, "relay"), 40)
        assert answer
        assert _state(cast, order["id"], "finalized") is None
    eventually(lambda: _state(cast, order["id"], "finalized"), 90)
    assert _paid(cast) == before + UNITS


def test_p10_postgres_dies_in_the_middle(stack: Stack, cast: Cast) -> None:
    """Orders go on under their keys while PostgreSQL is killed; each is booked exactly once."""
    olivia = cast.service("olivia")
    run = uuid.uuid4().hex[:8]
    before = _operations(cast)
    for number in range(20):
        if number == 7:
            stack.kill("postgres")
        body = {
            "from_account": "treasury",
            "to_account": "operations",
            "asset": "EUR/2",
            "amount": "0.01",
            "reference": f"{run}-{number}",
        }
        olivia.transfer(body, f"{run}-key-{number}")
    assert _operations(cast) == before + 20
    eventually(_is_ready(stack), 60)
    order = _order(cast)
    _approve(cast, order)
    eventually(lambda: _state(cast, order["id"], "finalized"), 120)


@pytest.mark.parametrize(
    ("part", "blow"),
    [
        ("postgres", signal.SIGKILL),
        ("valkey", signal.SIGKILL),
        # This node writes its blocks down when it is asked to end: a real one has them on disk.
        ("anvil", signal.SIGINT),
    ],
)
def test_p10_a_part_that_falls_under_load_costs_nothing(
    stack: Stack, cast: Cast, part: str, blow: signal.Signals
) -> None:
    """Transfers, a payment in and a payment out are under way when it falls; each happens once.
    What Valkey carries begins with the payment in: it falls when that is in a block. The node has
    a pool to lose as soon as the payment out was sent to it.
    """
    run, before, paid = uuid.uuid4().hex[:8], _operations(cast), _paid(cast)
    address = cast.service("olivia").new_address(f"load {part} {run}")["address"]
    order, over = _order(cast), threading.Event()
    with ThreadPoolExecutor(LOADERS) as pool:
        loaders = [pool.submit(_load, cast, f"{run}-{who}", over) for who in range(LOADERS)]
        try:
            _approve(cast, order)
            paid_in = cast.node.signed(SHIPPER, address, DEPOSIT_WEI)
            cast.node.call("eth_sendRawTransaction", paid_in)
            if part == "valkey":
                eventually(lambda: _seen(cast, address))
            elif part == "anvil":
                eventually(lambda: _state(cast, order["id"], "broadcast", "mined"))
            assert not any(one.done() for one in loaders)
            os.kill(stack.pid(part), blow)
            eventually(_is_ready(stack), 90)
        finally:
            over.set()
    assert _operations(cast) == before + sum(one.result() for one in loaders)
    eventually(lambda: _state(cast, order["id"], "finalized"), 180)
    assert _paid(cast) == paid + UNITS
    cast.node.broadcast(paid_in)  # what a pool forgot is its sender's to send again, as ours is
    found = eventually(lambda: _credited(cast, address), 120)
    assert [row["amount"] for row in found] == ["0.000001"]


def _load(cast: Cast, run: str, over: threading.Event) -> int:
    """Transfer after transfer until it is over; gives how many there were."""
    for number in range(TRANSFERS_MAX):
        if over.is_set():
            return number
        _transfer(cast, f"{run}-{number}")
    return TRANSFERS_MAX


def _transfer(cast: Cast, key: str) -> None:
    body = {
        "from_account": "treasury",
        "to_account": "operations",
        "asset": "EUR/2",
        "amount": "0.01",
        "reference": key,
    }
    cast.service("olivia").transfer(body, key)


def _seen(cast: Cast, address: str) -> list[dict[str, Any]]:
    return [row for row in cast.service("ines").every("/v1/deposits") if row["address"] == address]


def _credited(cast: Cast, address: str) -> list[dict[str, Any]]:
    return [row for row in _seen(cast, address) if row["state"] in ("credited", "swept")]


def test_every_process_says_how_it_is(stack: Stack) -> None:
    for offset in (0, 3, 4, 5, 6, 7, 8):
        for path in ("healthz", "metrics"):
            answer = httpx.get(f"http://127.0.0.1:{stack.base + offset}/{path}", timeout=10)
            assert answer.status_code == 200, (offset, path)


def _operations(cast: Cast) -> int:
    rows = cast.service("ines").every("/v1/balances")
    text = next(
        row["posted"]
        for row in rows
        if (row["account"], row["asset"]) == ("client:operations", "EUR/2")
    )
    whole, _, cents = text.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0") or 0)


def _unready(stack: Stack, name: str) -> bool:
    offset = ["api", "anvil", "valkey", "signer", "indexer", "relay"].index(name)
    answer = httpx.get(f"http://127.0.0.1:{stack.base + offset}/readyz", timeout=30)
    return answer.status_code == 503
