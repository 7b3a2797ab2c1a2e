"""An organisation reads its own queue over the API, with what to do; nobody else's."""

from pathlib import Path
from uuid import UUID, uuid4

from strongroom.api.query import Query
from strongroom.api.v1 import transactions
from strongroom.bootstrap.api import build
from strongroom.config import Config
from strongroom.identity.types import Caller, Role
from strongroom.kit.ids import HOUSE
from tests.integration.strongroom.relay.bench import Bench


def read_as(bench: Bench, owner: UUID, folder: Path) -> transactions.QueueOut:
    services = build(
        Config.from_environment(
            {
                "STRONGROOM_DATABASE_URL": bench.test_database.url("strongroom_api"),
                "STRONGROOM_CHAIN_ID": str(bench.chain.chain_id),
                "STRONGROOM_SIGNER_SOCKET": str(folder / "nobody.sock"),
            }
        )
    )
    try:
        caller = Caller(owner, uuid4(), 1, None, frozenset({Role.AUDITOR}))
        return transactions.show(Query(services, caller))
    finally:
        services.database.close()


def test_a_queue_says_what_each_waits_for_to_its_owner_alone(bench: Bench, tmp_path: Path):
    bench.signer.away = True
    one = bench.enqueue("waits for the signer")
    bench.run()
    (shown,) = read_as(bench, HOUSE, tmp_path).transactions
    assert (shown.id, shown.state, shown.nonce, shown.stuck) == (one, "queued", None, False)
    assert "away for a test" in shown.waits_for
    assert shown.what_to_do == "Nothing: it goes on by itself."
    assert read_as(bench, uuid4(), tmp_path).transactions == []
