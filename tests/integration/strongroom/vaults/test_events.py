"""What the vault tells of itself is kept, with whether somebody of ours ordered it."""

from typing import Any

from strongroom.vaults import events
from strongroom_protocol import abi
from strongroom_protocol.addresses import checksum
from tests.factories.governed import Governing
from tests.factories.safes import address_of
from tests.factories.stage import Stage


def told(stage: Stage, *names: str) -> list[dict[str, Any]]:
    rows = stage.house.query("SELECT name, body, ours FROM vault_event ORDER BY id")
    return [
        {"name": name, "body": body, "ours": ours}
        for name, body, ours in rows
        if not names or name in names
    ]


def alerts(stage: Stage) -> list[str]:
    return [
        row[0]
        for row in stage.house.query(
            "SELECT detail->>'sentence' FROM alert WHERE kind = 'vault.event'"
        )
    ]


def test_the_vaults_making_is_ours_and_tells_who_guards_it(stage: Stage):
    names = [row["name"] for row in told(stage)]
    assert "ProxyCreation" in names
    assert events.PLACED in names
    assert {"EnabledModule", "ChangedGuard"} <= set(names)
    assert all(row["ours"] for row in told(stage))
    assert alerts(stage) == []


def test_a_payments_execution_is_ours(stage: Stage):
    view = stage.approved("an event's payment")
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")
    (executed,) = told(stage, "ExecutionSuccess")
    assert executed["ours"]
    assert executed["body"]["safe_tx_hash"].startswith("0x")
    assert alerts(stage) == []


def test_a_change_past_the_policy_is_an_alert(stage: Stage):
    governing, cast = Governing(stage), stage.cast
    vault, before = stage.vault.address, len(told(stage))
    stage.chain.rpc("anvil_impersonateAccount", "0x" + vault.hex())
    stage.chain.rpc("anvil_setBalance", "0x" + vault.hex(), hex(10**18))
    owner = address_of(cast.stranger)
    add = abi.call("addOwnerWithThreshold(address,uint256)", abi.address(owner), abi.uint(2))
    sent = {"from": "0x" + vault.hex(), "to": "0x" + vault.hex(), "data": "0x" + add.hex()}
    stage.house.send({**sent, "gas": hex(300_000)})
    governing.look()
    fresh = told(stage)[before:]
    assert [(row["name"], row["ours"]) for row in fresh] == [("AddedOwner", False)]
    assert fresh[0]["body"] == {"address": checksum(owner)}
    (sentence,) = alerts(stage)
    assert "AddedOwner" in sentence
    assert checksum(owner) in sentence
    with stage.unit() as uow:
        (newest,) = events.newest(uow, stage.vault.id, 1)
    assert (newest.name, newest.ours) == ("AddedOwner", False)
