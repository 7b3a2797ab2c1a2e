"""One stack for all end-to-end tests: it plays the first day once, then they use what is there."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from first_day.cast import Cast
from tests.e2e.stack import Stack, running_stack
from tests.factories.parts.place import free_base

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a screen."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield found
        found.close()


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
