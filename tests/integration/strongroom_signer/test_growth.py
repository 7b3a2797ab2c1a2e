"""P10: a request costs no more after a year than on the first day: what is worked out is kept,
by names that say its whole content, and no query looks through a table that grows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from strongroom_protocol.hashing import keccak256
from strongroom_protocol.windows import BUCKET_SECONDS
from strongroom_signer.authority import organisations
from strongroom_signer.errors import Impossible, Refused
from strongroom_signer.operations.limits import count_spend, spent_units
from strongroom_signer.pool import Pool
from tests.integration.strongroom_signer.conftest import Desk
from tests.integration.strongroom_signer.spending import bump, cancelled, hot_company, hot_intent
from tests.integration.strongroom_signer.spending import spend as pay
from tests.integration.strongroom_signer.test_relay import (
    GWEI,
    ask_for,
    cancel,
    fees,
    permitted,
    sweep,
)

# What an operation may look through: nothing grows here with requests.
SMALL = {"organisation", "epoch", "epoch_nonce", "policy", "suspension", "revocation"}


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> Iterator[list[int]]:
    """How often a function of ours ran; it does run."""
    real, calls = getattr(place, name), [0]

    def run(*arguments: Any) -> Any:
        calls[0] += 1
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, run)
        yield calls


def do_everything(desk: Desk) -> None:
    """Every operation that is asked for day by day, refused and retried too."""
    company = hot_company(desk)
    vault = desk.vault(company)
    intent = company.intent(vault)
    desk.ask("vault_permit", company.payment(intent, 0) | {"dry_run": True})
    desk.get("vault_permit", company.payment(intent, 0))
    desk.get("vault_permit", company.rejection(company.intent(vault), 1))
    body = ask_for(company, "vault_execution", "x", **permitted(desk, company, 2))
    for _ in range(2):
        desk.get("relay", body)
    body = ask_for(company, "sweep", "a", **sweep(company))
    desk.get("relay", body)
    desk.get("relay", body | {"attempt": 1, "fees": fees(fee=9 * GWEI, tip=9 * GWEI)})
    desk.get("relay", cancel(body, 2, fees(30_000, 11 * GWEI, 11 * GWEI)))
    assert not desk.ask("relay", ask_for(company, "sweep", "b", **sweep(company)))["ok"]
    body = pay(company, hot_intent(company))
    desk.get("spending_payment", body)
    desk.get("spending_payment", bump(body, 1))
    desk.get("spending_payment", cancelled(body, 2, 11))
    desk.get("provenance", {"organisation": company.reference, "index": 0})
    desk.get("status", {})


def test_no_query_looks_through_a_table_that_grows(desk: Desk) -> None:
    store = desk.house.journal._connection
    queries: set[str] = set()
    store.set_trace_callback(queries.add)
    do_everything(desk)
    store.set_trace_callback(None)
    reads = {query for query in queries if query.lstrip().upper().startswith("SELECT")}
    assert len(reads) > 25
    for query in sorted(reads):
        for step in store.execute(f"EXPLAIN QUERY PLAN {query}").fetchall():
            words = step[3].split()
            scanned = words[1] if words[0] == "SCAN" else ""
            whole = scanned and scanned not in SMALL and "CONSTANT" not in words
            assert not whole, f"{step[3]}: {query}"


def test_counters_equal_the_sum_of_what_was_counted_in_their_window(desk: Desk) -> None:
    """Rule 9: nine buckets of three hours; two organisations and two counters stay apart."""
    one, two = keccak256(b"one"), keccak256(b"two")
    entries: list[tuple[bytes, str, int, int]] = []
    journal = desk.house.journal
    for number in range(120):
        ref, counter = (one, two)[number % 2], ("EUR/2", "EUR/2 of a key")[number % 3 % 2]
        bucket = desk.clock.now() // BUCKET_SECONDS
        entries.append((ref, counter, number**9, bucket))
        name = keccak256(b"growth %d" % number)
        with journal.unit():
            count_spend(desk.house, name, ref, counter, number**9)
            journal.add("request", None, name, "test", b"", "{}", desk.clock.now())
        for ref in (one, two):
            for counter in ("EUR/2", "EUR/2 of a key", "never"):
                lately = [
                    units
                    for at, what, units, when in entries
                    if (at, what) == (ref, counter) and when >= bucket - 8
                ]
                assert spent_units(desk.house, ref, counter) == sum(lately)
        desk.clock.advance(number * 97)
    assert entries[0][3] < entries[-1][3] - 20


def test_a_count_that_was_undone_is_not_remembered(desk: Desk) -> None:
    ref, journal = keccak256(b"undone"), desk.house.journal

    def count_and_fail() -> None:
        with journal.unit():
            count_spend(desk.house, keccak256(b"undone payment"), ref, "EUR/2", 7)
            assert spent_units(desk.house, ref, "EUR/2") == 7
            raise Refused("test", "undone")

    with journal.unit():
        for _ in range(2):
            with pytest.raises(Refused):
                count_and_fail()
        assert spent_units(desk.house, ref, "EUR/2") == 0
    assert spent_units(desk.house, ref, "EUR/2") == 0


def test_a_policy_is_read_once_and_the_journal_says_which_is_in_force(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = desk.company()
    vault = desk.vault(company)
    desk.get("vault_permit", company.payment(company.intent(vault), 0))
    with counted(monkeypatch, organisations, "parse_bundle") as parsed:
        for nonce in range(1, 4):
            desk.get("vault_permit", company.payment(company.intent(vault), nonce))
        assert parsed == [0]
        looser = company.next_bundle(fees=company.bundle["fees"] | {"max_total_fee_wei": "2" * 20})
        desk.get("policy_update", company.policy_update(looser, company.administrators))
        desk.get("vault_permit", company.payment(company.intent(vault), 4))
        assert parsed == [1], "the newest is read, the one before is in force"
        desk.clock.advance(3600)
        company.now = desk.clock.now()
        old = company.payment(company.intent(vault), 5)
        assert desk.refused("vault_permit", old) == "signer.evidence_policy_version"
        company.bundle = looser
        desk.get("vault_permit", company.payment(company.intent(vault), 5))
        assert parsed == [1]


def test_a_stored_policy_that_is_not_what_was_signed_is_never_used(desk: Desk) -> None:
    company = desk.company()
    store = desk.house.journal._connection
    store.execute("SAVEPOINT attack")
    store.execute("DROP TRIGGER policy_no_update")
    store.execute(
        'UPDATE policy SET bundle = replace(bundle, \'"per_payment_units":"5\', '
        '\'"per_payment_units":"9\') WHERE organisation = ?',
        (company.ref,),
    )
    desk.house.bundles._values.clear()
    with pytest.raises(Impossible, match="digest"):
        organisations.find(desk.house, company.ref)
    store.execute("ROLLBACK TO attack")
    store.execute("RELEASE attack")


def test_a_manifest_is_hashed_once_and_a_changed_key_table_is_still_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = desk.company()
    with counted(monkeypatch, Pool, "manifest_leaves") as hashed:
        for index in (0, 1, 0):
            desk.get("provenance", {"organisation": company.reference, "index": index})
        assert hashed == [1]
    other = desk.company()
    desk.get("provenance", {"organisation": other.reference, "index": 0})
    place = desk.house.pool._connection
    account = other.account["account_index"]
    where = f"account_index = {account} AND branch = 0 AND leaf_index = 1"
    (kept,) = place.execute(f"SELECT address FROM sealed_key WHERE {where}").fetchone()
    try:
        place.execute(f"UPDATE sealed_key SET address = ? WHERE {where}", (b"\x66" * 20,))
        ask = {"organisation": other.reference, "index": 1}
        assert desk.refused("provenance", ask) == "signer.key_table_changed"
        monkeypatch.setattr(desk.house.pool, "_check_seal", lambda *_: None)
        assert desk.refused("provenance", ask) == "signer.merkle_proof_invalid"
    finally:
        place.execute(f"UPDATE sealed_key SET address = ? WHERE {where}", (kept,))
