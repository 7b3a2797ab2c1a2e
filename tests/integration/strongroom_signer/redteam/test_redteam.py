"""P1: whoever owns database, API and relay asks in every way we know, and is refused each time:
with a code, a receipt in the chain, no use of a key, and nothing else changed.
"""

from collections import Counter

import pytest

from tests.integration.strongroom_signer.redteam.cases import CASES, SUBJECTS
from tests.integration.strongroom_signer.redteam.stage import (
    Case,
    Honoured,
    Stage,
    ask,
    permit,
)
from tests.integration.strongroom_signer.test_relay import ask_for, sweep


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.subject}.{case.name}")
def test_attack_is_refused(case: Case, stage: Stage, record_property) -> None:
    record_property("subject", case.subject)
    record_property("tried", case.tried)
    scene = stage.scene()
    request = case.build(scene)
    words = stage.strike(request, case.code)
    record_property("refusal", f"signer.{case.code}: {words}")


def test_each_case_says_what_it_tries_and_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 50
    assert {case.subject for case in CASES} == set(SUBJECTS)
    names = Counter((case.subject, case.name) for case in CASES)
    assert max(names.values()) == 1
    assert all(case.tried.endswith(".") for case in CASES)


def test_the_judge_sees_an_honest_request_pass(stage: Stage) -> None:
    """Or no case could fail: what is honoured is no refusal, uses a key, and leaves entries."""
    it = stage.scene()
    for request, uses in (
        (permit(it.company.payment(it.intent(), 0)), 1),
        (ask("relay", ask_for(it.company, "sweep", **sweep(it.company))), 3),
        (ask("provenance", {"organisation": it.company.reference, "index": 0}), 1),
    ):
        used, entries = stage.uses.count, stage.entries()
        with pytest.raises(Honoured, match="was honoured"):
            stage.strike(request, "request_differs")
        assert stage.uses.count == used + uses
        assert stage.entries()["request"] == entries["request"] + 1


def test_the_judge_knows_one_refusal_from_another(stage: Stage) -> None:
    it = stage.scene()
    with pytest.raises(Honoured, match="something else"):
        stage.strike(permit(it.company.payment(it.intent(), 0), clearance=None), "suspended")
