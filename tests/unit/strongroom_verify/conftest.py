"""A sealed bundle, made once, and the verifier pointed at changed copies of it."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom_verify.verify import Report, verify
from tests.factories.bundles import Draft, first_day, seal, write

Judge = Callable[..., Report]


@pytest.fixture(scope="session")
def draft() -> Draft:
    return first_day()


@pytest.fixture(scope="session")
def files(draft: Draft) -> dict[str, bytes]:
    return seal(draft)


@pytest.fixture
def judge(draft: Draft, tmp_path: Path) -> Judge:
    """Verify files, with the log's key unless another is given."""
    numbers = itertools.count()

    def run(files: dict[str, bytes], *, key: bytes | None = draft.log_key) -> Report:
        return verify(write(files, tmp_path / f"{next(numbers)}.zip"), key)

    return run


def failures(report: Report) -> dict[str, str]:
    """Check → where, for the checks that failed."""
    return {found.check: found.where for found in report.outcomes if found.state == "FAIL"}
