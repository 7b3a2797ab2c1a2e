"""Guard version and HSM key change hands under a running vault; what strangers do is heard of."""

from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.cli.dev.postgres import EmbeddedPostgres
from strongroom.cli.dev.softhsm import SoftToken
from strongroom.policy import service as policy
from strongroom.vaults import service
from strongroom.vaults.leaving import paper
from strongroom.vaults.room import standing
from strongroom_protocol.addresses import Address, checksum, create2
from strongroom_protocol.deployment import DEPLOYER
from strongroom_protocol.signatures import Signature
from tests.factories.governed import Governing, Keeper, held_stage
from tests.factories.safes import signed
from tests.factories.stage import Stage

SECOND_SALT = (2).to_bytes(32, "big")
Held = tuple[Stage, Governing, Keeper]


@pytest.fixture(scope="module")
def held(
    postgres: EmbeddedPostgres,
    template_database: str,
    database_numbers: Iterator[int],
    softhsm_of_module: SoftToken,
) -> Iterator[Held]:
    name = f"test_{next(database_numbers)}"
    with held_stage(postgres, template_database, name, softhsm_of_module) as (stage, keeper):
        governing = Governing(stage)
        governing.look()
        yield stage, governing, keeper


def controls(stage: Stage, **changes: Any) -> dict[str, Any]:
    with stage.unit() as uow:
        control = policy.active(uow, stage.id).bundle.control
        deployment = service.platform(uow, stage.chain.chain_id).deployment
    return {
        "owners": [checksum(one) for one in control.owners],
        "threshold": control.threshold,
        "guard": checksum(control.guard or deployment.guard),
        "permit_signer": checksum(control.permit_signer),
        "freezers": [],
        **changes,
    }


def second_guard(stage: Stage) -> Address:
    """The next version of the guard: here the same code at another address."""
    with stage.unit() as uow:
        code = service.platform(uow, stage.chain.chain_id).deployment.guard_init_code
    house = stage.house
    house.send(
        {
            "from": house.money,
            "to": "0x" + DEPLOYER.hex(),
            "data": "0x" + (SECOND_SALT + code).hex(),
            "gas": hex(8_000_000),
        }
    )
    return create2(DEPLOYER, SECOND_SALT, code)


def pay(stage: Stage, reference: str) -> None:
    """A payment goes through, under whatever guards the vault now."""
    view = stage.approved(reference)
    stage.drive(until=lambda: stage.view(view.id).state == "finalized")


def test_the_hsm_key_is_rotated_and_payments_go_on(held: Held) -> None:
    stage, governing, keeper = held
    amir, bea = stage.cast.amir, stage.cast.bea
    new_key = stage.house.ceremony("rotate-permit")["permit"]
    keeper.restart()
    governing.update_policy(controls=controls(stage, permit_signer=new_key))
    governing.look()
    [wanted] = governing.pending()
    assert (wanted.change.kind, wanted.phase) == ("set_permit_signer", "announce")
    pay(stage, "while the old key stands on chain")
    assert governing.carry_out(amir, bea) == [
        "set_permit_signer:announce",
        "set_permit_signer:execute",
    ]
    with stage.unit() as uow:
        record = standing(uow).found.record
    assert record is not None
    assert checksum(record.permit_signer) == new_key
    pay(stage, "by the new key")


def test_the_guard_is_replaced_by_its_next_version(held: Held) -> None:
    stage, governing, _ = held
    guard = second_guard(stage)
    governing.update_policy(controls=controls(stage, guard=checksum(guard)))
    governing.look()
    pay(stage, "while the old guard stands")
    done = governing.carry_out(stage.cast.amir, stage.cast.bea)
    assert done == ["replace_guard:announce", "replace_guard:execute"]
    with stage.unit() as uow:
        found = standing(uow).found
    assert (found.guard, found.module_guard) == (guard, guard)
    pay(stage, "under the next guard")
    alerts = stage.house.query("SELECT kind FROM alert WHERE kind LIKE 'vault.%%'")
    assert alerts == [], "what we did ourselves is no alarm"


def test_an_exit_that_people_announce_is_seen(held: Held) -> None:
    stage, governing, _ = held
    with stage.unit() as uow:
        deployment = service.platform(uow, stage.chain.chain_id).deployment
        found = standing(uow).found
    sheet = paper(found, "announce", stage.chain.chain_id, deployment.exit)
    given: list[Signature] = [
        signed(one, sheet.structure, sheet.domain) for one in (stage.cast.amir, stage.cast.bea)
    ]
    data = sheet.calldata(found, given)
    house = stage.house
    house.send({"from": house.money, "to": checksum(sheet.to), "data": "0x" + data.hex()})
    governing.look()
    rows = stage.house.query("SELECT kind, detail FROM alert WHERE kind LIKE 'vault.%%'")
    assert [kind for kind, _ in rows] == ["vault.exit"]
    assert "announced their exit" in rows[0][1]["sentence"]
    governing.look()
    assert len(stage.house.query("SELECT 1 FROM alert WHERE kind = 'vault.exit'")) == 1
    with stage.unit() as uow:
        checks = {one.name: one.state for one in standing(uow).health.checks}
    assert checks["exit and freeze"] == "attention"
