"""Two organisations in a real database, and the parts of screening with their own roles."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.kit.clock import FixedClock
from strongroom.kit.ids import HOUSE
from strongroom.screening import service
from strongroom.screening.screener import Screener
from strongroom.screening.types import DepositFacts, ListVersion, ScreeningView
from tests.factories.parts.postgres import TestDatabase

ONE = UUID("0198c000-0000-8000-8000-000000000001")
TWO = UUID("0198c000-0000-8000-8000-000000000002")
OFFICER = Actor("person", "carla")
INNOCENT, LISTED = bytes([0x11]) * 20, bytes([0x66]) * 20
DEPOSIT = DepositFacts(31337, bytes([7]) * 32, 3, bytes([0x70]) * 20, bytes([0xDD]) * 20, 250)


def text(*addresses: bytes) -> bytes:
    return "".join(f"0x{address.hex()}\n" for address in addresses).encode()


@dataclass
class Room:
    """Screening as its neighbours see it."""

    database: TestDatabase
    clock: FixedClock
    api: Database
    indexer: Database
    screener_database: Database
    key: Ed25519PrivateKey

    def screener(self) -> Screener:
        return Screener(self.screener_database, self.key)

    def import_list(self, content: bytes, name: str = "ofac-eth", **more: Any) -> ListVersion:
        with self.api.unit(HOUSE, OFFICER) as uow:
            return service.import_list(uow, name=name, source="test", content=content, **more)

    def ask(self, subject: bytes, reference: str = "d1", organisation: UUID = ONE) -> UUID:
        """As the indexer asks, in a unit for all organisations."""
        with self.indexer.unit(None, OFFICER) as uow:
            return service.request(
                uow,
                organisation_id=organisation,
                direction="in",
                subject=subject,
                reference=reference,
                topic="deposits.settle",
                payload={"deposit_id": reference},
                deposit=DEPOSIT,
            )

    def answer(self, request_id: UUID, organisation: UUID = ONE) -> ScreeningView:
        with self.api.read(organisation, OFFICER) as uow:
            return service.clearance(uow, request_id)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.conninfo()) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture
def room(database: TestDatabase) -> Iterator[Room]:
    clock = FixedClock(datetime(2026, 11, 22, 9, tzinfo=UTC))
    made: list[Database] = []

    def connect(role: str) -> Database:
        made.append(Database(database.url(role), clock=clock, pool_size=4, application_name="test"))
        return made[-1]

    with psycopg.connect(database.conninfo()) as connection:
        for number, organisation in enumerate((ONE, TWO), start=1):
            connection.execute(
                "INSERT INTO organisation (id, ref, name, chain_id, account_index, genesis, "
                "created_at) VALUES (%s, %s, %s, 31337, %s, '{}', now())",
                (organisation, bytes([number]) * 32, f"Organisation {number}", number),
            )
    yield Room(
        database,
        clock,
        connect("strongroom_api"),
        connect("strongroom_indexer"),
        connect("strongroom_screener"),
        Ed25519PrivateKey.generate(),
    )
    for one in made:
        one.close()
