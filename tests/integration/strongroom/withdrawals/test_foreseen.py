"""A vault's execution is simulated to the last byte before the relay's nonce is taken for it."""

from typing import Any

import psycopg

from tests.factories.house import TUSD
from tests.factories.stage import Stage


def rows(stage: Stage, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(stage.house.database.conninfo()) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_what_a_vaults_execution_will_move_is_foretold_and_happens(stage: Stage):
    view = stage.approved("foretold", amount="3")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    ((predicted,),) = rows(
        stage, "SELECT predicted FROM outgoing WHERE purpose = 'vault_execution'"
    )
    (moved,) = predicted
    assert moved["from"] == stage.vault.address.hex()
    assert (moved["to"], moved["units"]) == (stage.cast.supplier[2:].lower(), "3000000")
    assert rows(stage, "SELECT key FROM outbox WHERE topic = 'relay.alert'") == []
    assert stage.available(TUSD) > 0


def test_an_execution_that_the_safe_would_refuse_takes_no_nonce(stage: Stage):
    """The vault reverts: the node says so before the relay's key signs."""
    view = stage.approved("vault reverts", amount="1")
    stage.house.chain.rpc("anvil_setCode", "0x" + stage.vault.address.hex(), "0x5f5ffd")
    stage.drive(until=lambda: bool(held(stage)))
    ((state, nonce, error),) = held(stage)
    assert (state, nonce) == ("queued", None)
    assert "would do nothing now" in str(error)
    assert stage.view(view.id).state == "signed"


def held(stage: Stage) -> list[tuple[Any, ...]]:
    return rows(
        stage,
        "SELECT state, nonce, last_error FROM outgoing WHERE purpose = 'vault_execution'"
        " AND state = 'queued' AND last_error IS NOT NULL",
    )
