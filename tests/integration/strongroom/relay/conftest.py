"""A relay on real parts; what it signs with is a key of the test's own, behind the relay's port."""

from collections.abc import Iterator

import pytest

from strongroom.chain.node import Node
from strongroom.db.database import Database
from tests.factories.house import ShiftedClock
from tests.factories.parts.anvil import Chain
from tests.factories.parts.postgres import TestDatabase
from tests.integration.strongroom.relay.bench import Bench


@pytest.fixture
def bench(database: TestDatabase, anvil: Chain) -> Iterator[Bench]:
    clock = ShiftedClock()
    connected = Database(
        database.url("strongroom_relay"), clock=clock, pool_size=12, application_name="test-relay"
    )
    with Node([anvil.url], anvil.chain_id) as node:
        yield Bench(connected, database, anvil, node, clock)
    connected.close()
