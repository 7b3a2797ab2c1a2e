"""One stack for all end-to-end tests: it plays the first day once, then they use what is there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from first_day.cast import Cast
from tests.e2e.stack import Stack, running_stack
from tests.factories.parts.place import free_base


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A stack on which the first day has been played."""
    with (
        tempfile.TemporaryDirectory(prefix="sr-") as folder,
        running_stack(Path(folder), free_base()) as found,
    ):
        yield found


@pytest.fixture(scope="session")
def cast(stack: Stack) -> Iterator[Cast]:
    """The people of that day."""
    with stack.cast() as found:
        yield found
