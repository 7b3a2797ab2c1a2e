"""The real parts, as fixtures. Each starts when a test first asks for it: unit tests start none."""

from tests.factories.parts.anvil import anvil, anvil_of_module
from tests.factories.parts.postgres import (
    database,
    database_numbers,
    durable_postgres,
    postgres,
    template_database,
)
from tests.factories.parts.softhsm import softhsm, softhsm_of_module
from tests.factories.parts.valkey import valkey, valkey_port

__all__ = [
    "anvil",
    "anvil_of_module",
    "database",
    "database_numbers",
    "durable_postgres",
    "postgres",
    "softhsm",
    "softhsm_of_module",
    "template_database",
    "valkey",
    "valkey_port",
]
