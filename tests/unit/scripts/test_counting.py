"""`scripts/test` ends with a count that machines read: it must not say good of bad."""

from collections.abc import Sequence

import pytest

from verbs import test as verb


def part(monkeypatch: pytest.MonkeyPatch, code: int, lines: list[str]) -> verb.Outcome:
    def stream(_command: Sequence[str]) -> tuple[int, list[str]]:
        return code, lines

    monkeypatch.setattr(verb, "stream", stream)
    return verb.pytest_part("unit")([])


@pytest.mark.parametrize(
    ("closing", "code", "passed", "failed"),
    [
        ("5 passed in 1.03s", 0, 5, 0),
        ("==== 5 passed, 1 warning in 61.03s (0:01:01) ====", 0, 5, 0),
        ("2 failed, 5 passed in 1.03s", 1, 5, 2),
        ("1 failed, 5 passed, 3 errors in 1.03s", 1, 5, 4),
        ("1 error in 0.10s", 2, 0, 1),
        ("no tests ran in 0.01s", 5, 0, 1),
        ("Segmentation fault", -11, 0, 1),
        ("5 passed in 1.03s", 3, 5, 1),
    ],
)
def test_a_part_counts_what_pytest_said_and_never_less_than_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, closing: str, code: int, passed: int, failed: int
) -> None:
    outcome = part(monkeypatch, code, ["... [100%]", closing])
    assert (outcome.passed, outcome.failed) == (passed, failed)


def test_foundry_is_counted_by_its_closing_line(monkeypatch: pytest.MonkeyPatch) -> None:
    closing = "Ran 7 test suites in 2.1s (3.0s CPU time): 41 tests passed, 2 failed, 0 skipped (43)"
    monkeypatch.setattr(verb, "stream", lambda *_: (1, ["Ran 3 tests for x", closing]))
    outcome = verb.contracts([])
    assert (outcome.passed, outcome.failed) == (41, 2)


def test_the_last_line_is_the_sum_of_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    verb.tell([verb.Outcome("a", passed=3), verb.Outcome("b", passed=2, failed=1)], 1.0)
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 1 failed"
