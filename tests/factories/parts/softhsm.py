"""A real PKCS#11 module on a fresh, empty folder of tokens."""

from collections.abc import Iterator

import pytest

from strongroom.cli.dev.softhsm import SoftToken
from tests.factories.parts.place import short_folder


@pytest.fixture
def softhsm() -> Iterator[SoftToken]:
    """Give the test tokens of its own.

    PKCS#11 reads SOFTHSM2_CONF once a process: give `softhsm.environment()` to a child process,
    or set it before the module is loaded for the first time.
    """
    with short_folder("hsm") as folder:
        token = SoftToken(folder)
        token.prepare()
        yield token


@pytest.fixture(scope="module")
def softhsm_of_module() -> Iterator[SoftToken]:
    """Tokens shared by the tests of a module."""
    with short_folder("hsm") as folder:
        token = SoftToken(folder)
        token.prepare()
        yield token
