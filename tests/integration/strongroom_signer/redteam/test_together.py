"""P1, P4: requests that arrive together share one commit, and none of them gains by it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.strongroom_signer.redteam.stage import (
    Attack,
    Scene,
    Stage,
    ask,
    judge,
    permit,
    relay,
)
from tests.integration.strongroom_signer.spending import hot_company, hot_intent, spend
from tests.integration.strongroom_signer.test_relay import ask_for, sweep

# What must come of each request: "ok", or the refusal's code.
Batch = list[tuple[Attack, str]]


def one_nonce_for_two_payments(it: Scene) -> Batch:
    """Two approved payments under one Safe nonce, in one batch."""
    first, second = (it.company.payment(it.intent(), 0) for _ in range(2))
    return [(permit(first), "ok"), (permit(second), "safe_nonce_taken")]


def one_limit_for_two_payments(it: Scene) -> Batch:
    """Two payments that are each below the day's limit and together above it."""
    bodies = [it.company.payment(it.intent(units=5_000_000), nonce) for nonce in (0, 1)]
    return [(permit(bodies[0]), "ok"), (permit(bodies[1]), "policy_denied")]


def one_float_for_two_payments(it: Scene) -> Batch:
    """Two payments of a hot key, together above its float."""
    it.company = company = hot_company(it.desk)
    asked = [spend(company, hot_intent(company, units=3_000_000)) for _ in range(2)]
    return [
        (ask("spending_payment", asked[0]), "ok"),
        (ask("spending_payment", asked[1]), "policy_denied"),
    ]


def one_deposit_for_two_sweeps(it: Scene) -> Batch:
    """One cleared deposit, swept twice in one batch."""
    first = ask_for(it.company, "sweep", "a", **sweep(it.company))
    second = ask_for(it.company, "sweep", "b", **sweep(it.company))
    return [(relay(first), "ok"), (relay(second), "units_uncleared")]


def one_name_for_two_contents(it: Scene) -> Batch:
    """One intent, paid under two nonces in one batch."""
    intent = it.intent()
    bodies = [it.company.payment(intent, nonce) for nonce in (0, 1)]
    return [(permit(bodies[0]), "ok"), (permit(bodies[1]), "request_differs")]


def payment_behind_a_suspension(it: Scene) -> Batch:
    """A payment that arrives together with the word that stops it."""
    stop = it.company.suspension()
    return [
        (ask("suspend", stop), "ok"),
        (permit(it.company.payment(it.intent(), 0)), "suspended"),
    ]


def execution_beside_its_permit(it: Scene) -> Batch:
    """A Safe transaction executed before its Permit is stored."""
    intent = it.intent()
    body = it.company.payment(intent, 0)
    dry = it.get("vault_permit", body | {"dry_run": True, "clearance": None})
    signatures = [one["safe_tx_signature"] for one in body["approvals"]]
    more = {"safe_tx_hash": dry["safe_tx_hash"], "signatures": signatures}
    return [
        (permit(body), "ok"),
        (relay(ask_for(it.company, "vault_execution", **more)), "safe_tx_unknown"),
    ]


def honest_payment_among_attacks(it: Scene) -> Batch:
    """An honest payment in the middle of what is refused, which must not be undone with it."""
    wrong = permit(it.company.payment(it.intent(), 7, it.company.approvers[:1]))
    around: Batch = [(wrong, "approvals_missing")] * 20
    return [*around, (permit(it.company.payment(it.intent(), 0)), "ok"), *around]


BATCHES: tuple[Callable[[Scene], Batch], ...] = (
    one_nonce_for_two_payments,
    one_limit_for_two_payments,
    one_float_for_two_payments,
    one_deposit_for_two_sweeps,
    one_name_for_two_contents,
    payment_behind_a_suspension,
    execution_beside_its_permit,
    honest_payment_among_attacks,
)


@pytest.mark.parametrize("build", BATCHES, ids=lambda build: build.__name__)
def test_together_as_one_after_the_other(
    build: Callable[[Scene], Batch], stage: Stage, record_property
) -> None:
    record_property("subject", "together")
    record_property("tried", " ".join((build.__doc__ or "").split()))
    it = stage.scene()
    batch = build(it)
    journal, requests = stage.desk.house.journal, stage.entries()["request"]
    size = journal.size
    answers = stage.desk.dispatcher.answer_all([(request, False) for request, _ in batch])
    outcomes = ["ok" if one["ok"] else one["code"].removeprefix("signer.") for one in answers]
    judge(outcomes == [wanted for _, wanted in batch], f"{outcomes}")
    rows = journal.all("SELECT body FROM receipt WHERE seq > ?", size)
    refused = sum('"outcome":"refused"' in row[0] for row in rows)
    judge(refused == sum(wanted != "ok" for _, wanted in batch), "a refusal left no receipt")
    entered = stage.entries()["request"] - requests
    judge(entered <= sum(wanted == "ok" for _, wanted in batch), "a refused request was entered")
    journal.verify_chain()
    record_property("refusal", ", ".join(f"signer.{one}" for one in outcomes if one != "ok"))


def test_the_same_request_sixty_times_in_a_batch_is_signed_once(stage: Stage) -> None:
    it = stage.scene()
    for request in (
        permit(it.company.payment(it.intent(), 0)),
        relay(ask_for(it.company, "vault_creation")),
    ):
        used, entries = stage.uses.count, stage.entries()
        answers: list[dict[str, Any]] = stage.desk.dispatcher.answer_all([(request, False)] * 60)
        assert all(answer == answers[0] and answer["ok"] for answer in answers)
        assert stage.uses.count == used + 1
        assert stage.entries()["request"] == entries["request"] + 1
        assert stage.desk.get(request["op"], request["body"]) == answers[0]["body"]
