"""The fixture `stage`: a house founded, its signer serving, an organisation's vault active."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.program import running
from strongroom.cli.dev.softhsm import SoftToken
from tests.factories.house import House
from tests.factories.parts.anvil import Chain
from tests.factories.parts.place import short_folder
from tests.factories.parts.postgres import TestDatabase
from tests.factories.stage import Stage


@contextmanager
def open_stage(house: House, kind: type[Stage] = Stage) -> Iterator[Stage]:
    """The house founded, the signer serving, the organisation's vault active."""
    house.found()
    with running(house.serve_signer()):
        house.deploy()
        stage = kind(house)
        try:
            stage.found()
            yield stage
        finally:
            stage.close()
            house.close()


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest,
    postgres: EmbeddedPostgres,
    template_database: str,
    database_numbers: Iterator[int],
    anvil_of_module: Chain,
    softhsm_of_module: SoftToken,
) -> Iterator[Stage]:
    """One stage for all tests of a module: a withdrawal more costs less than a vault more. A module
    with a founding policy of its own names its STAGE.
    """
    name = f"test_{next(database_numbers)}"
    with (
        psycopg.connect(postgres.conninfo(), autocommit=True) as connection,
        short_folder("house") as folder,
    ):
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}".encode())
        house = House(TestDatabase(postgres, name), anvil_of_module, folder, softhsm_of_module)
        with open_stage(house, getattr(request.module, "STAGE", Stage)) as made:
            yield made
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
