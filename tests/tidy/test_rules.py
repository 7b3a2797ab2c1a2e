"""Every rule passes its good sample, catches its bad one, and holds over all of our code."""

import pytest

from tests.tidy import rules
from tests.tidy.rules import RULES, Rule
from tests.tidy.source import Source, python_sources

LONG = "def f():\n" + "    x = 1\n" * 70
DEPENDS = "from fastapi import Depends\ndef unit():\n    yield 1\n"

# rule, path, good, bad
SAMPLES: tuple[tuple[Rule, str, str, str], ...] = (
    (rules.file_is_short, "src/a.py", "x = 1\n" * 400, "x = 1\n" * 401),
    (rules.function_is_short, "src/a.py", LONG[: -len("    x = 1\n")], LONG),
    (rules.nothing_is_left_open, "src/a.py", "x = 1", f"x = 1  # {rules.LEFT_OPEN[0]}: think"),
    (
        rules.domain_imports_downward,
        "src/strongroom/ledger/models.py",
        "from strongroom.ledger.types import Leg",
        "from strongroom.ledger.service import post",
    ),
    (
        rules.rules_are_pure,
        "src/strongroom/ledger/rules.py",
        "from strongroom.ledger.types import Leg",
        "from sqlalchemy import select",
    ),
    (
        rules.money_is_no_float,
        "src/strongroom/ledger/fees.py",
        "def f(idle_seconds: float = 0.5) -> int:\n    return 1\nf(idle_seconds=0.1)",
        "fee = 0.1",
    ),
    (rules.money_is_no_float, "src/strongroom/ledger/x.py", "int('1')", "float('1')"),
    (
        rules.money_is_no_float,
        "src/strongroom/ledger/x.py",
        "def age_seconds() -> float: ...",
        "def fee(units: float) -> int: ...",
    ),
    (
        rules.only_db_commits,
        "src/strongroom/ledger/service.py",
        "uow.execute('x')",
        "session.commit()",
    ),
    (
        rules.time_is_passed_in,
        "src/strongroom/ledger/service.py",
        "now = clock.now()",
        "from datetime import datetime\nnow = datetime.now(tz)",
    ),
    (rules.time_is_passed_in, "src/strongroom_verify/x.py", "time.monotonic()", "time.time()"),
    (rules.checks_survive_optimisation, "src/a.py", "check(x, 'it holds')", "assert x"),
    (
        rules.independent_packages_import_little,
        "src/strongroom_verify/merkle.py",
        "import hashlib\nfrom cryptography.hazmat import x",
        "import rfc8785",
    ),
    (
        rules.yielding_dependency_commits_first,
        "src/strongroom/api/unit.py",
        DEPENDS + 'U = Depends(unit, scope="function")',
        DEPENDS + "U = Depends(unit)",
    ),
)


@pytest.mark.parametrize(("rule", "path", "good", "bad"), SAMPLES)
def test_a_rule_passes_good_code_and_catches_bad(
    rule: Rule, path: str, good: str, bad: str
) -> None:
    assert list(rule(Source(path, good))) == []
    assert len(list(rule(Source(path, bad)))) == 1


def test_vague_names_are_caught() -> None:
    assert list(rules.name_says_something(Source("src/strongroom/ledger/service.py", ""))) == []
    assert list(rules.name_says_something(Source("src/strongroom/ledger/utils.py", ""))) != []


def test_every_rule_has_a_sample() -> None:
    sampled = {rule for rule, *_ in SAMPLES} | {rules.name_says_something}
    assert sampled == set(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_all_of_our_code_keeps_the_rule(rule: Rule) -> None:
    broken = [
        f"{source.path}:{line}: {what}"
        for source in python_sources()
        for line, what in rule(source)
    ]
    assert not broken, "\n" + "\n".join(broken)
