"""A vault changes hands as its policy says: proposed, signed, delayed, executed, seen by all."""

from collections.abc import Iterator
from typing import Any

import pytest

from strongroom.policy import service as policy
from strongroom.vaults import errors, service, steps
from strongroom.vaults.room import standing
from strongroom.withdrawals import turns
from strongroom_protocol.addresses import checksum, parse_address
from strongroom_protocol.vault_changes import change_document
from tests.factories.governed import Governing, chain_of_the_past
from tests.factories.house import person, sign
from tests.factories.parts.anvil import Chain
from tests.factories.stage import Stage, checked


@pytest.fixture(scope="module")
def anvil_of_module() -> Iterator[Chain]:
    with chain_of_the_past() as chain:
        yield chain


@pytest.fixture(scope="module")
def governing(stage: Stage) -> Governing:
    made = Governing(stage)
    made.look()
    return made


def address(who: Any) -> str:
    return checked(who.address)


def controls(stage: Stage, **changes: Any) -> dict[str, Any]:
    """The member `controls` of the next version."""
    with stage.unit() as uow:
        vault = service.get(uow)
        deployment = service.platform(uow, vault.chain_id).deployment
        permit = service.platform(uow, vault.chain_id).permit_signer
    return {
        "owners": sorted(vault.owners, key=str.lower),
        "threshold": vault.threshold,
        "guard": checksum(deployment.guard),
        "permit_signer": checksum(permit),
        "freezers": [],
        **changes,
    }


def test_a_new_vault_stands_as_its_policy_says(stage: Stage, governing: Governing) -> None:
    assert governing.pending() == []
    with stage.unit() as uow:
        found = standing(uow)
    assert found.health.score == 100
    assert found.snapshot.policy_version == 1


def test_what_no_policy_asks_for_is_not_proposed(governing: Governing) -> None:
    change = {"kind": "change_threshold", "threshold": 1}
    with pytest.raises(errors.NotPending, match="does not ask for this"):
        governing.propose(change)
    with pytest.raises(errors.NotPending, match="no change of a vault"):
        governing.propose({"kind": "set_guard"})


def test_a_step_waits_for_its_owners_and_holds_up_payments(
    stage: Stage, governing: Governing
) -> None:
    cast, newcomer = stage.cast, person("noor, new approver")
    people = [
        *cast.people(),
        {
            "id": "noor",
            "name": "Noor",
            "address": newcomer.address,
            "roles": ["approver"],
            "department": "board",
        },
    ]
    owners = sorted(
        (address(one) for one in (cast.amir, cast.bea, cast.ivo, newcomer)), key=str.lower
    )
    governing.update_policy(newcomer, people=people, controls=controls(stage, owners=owners))
    governing.look()
    [wanted] = governing.pending()
    assert (wanted.change.kind, wanted.phase) == ("add_owner", "announce")

    awaiting = stage.awaiting("before the change")
    with pytest.raises(errors.NonceBusy, match="before the change"):
        governing.propose(change_document(wanted.change))
    stage.approve(awaiting.id, cast.amir)
    stage.approve(awaiting.id, cast.bea)
    stage.drive(until=lambda: stage.view(awaiting.id).state == "finalized")
    governing.look()

    step = governing.propose(change_document(wanted.change))
    assert (step.state, step.safe_nonce, step.signed_by) == ("signing", 1, ())
    with pytest.raises(errors.NonceBusy, match="another change is open"):
        governing.propose(change_document(wanted.change))
    with pytest.raises(errors.SignatureWrong, match="no owner"):
        governing.sign(step.id, cast.stranger)
    assert step.typed is not None
    other = {**step.typed, "domain": {**step.typed["domain"], "chainId": "1"}}
    with stage.unit() as uow, pytest.raises(errors.SignatureWrong):
        steps.sign(uow, step.id, sign(cast.amir, other))
    with stage.unit() as uow, pytest.raises(errors.SignatureWrong, match="can't be read"):
        steps.sign(uow, step.id, "0x" + "11" * 65)
    governing.sign(step.id, cast.amir)
    again = governing.sign(step.id, cast.amir)
    assert again.signed_by == (parse_address(address(cast.amir)),)

    waiting = stage.order("behind the change")
    stage.drive(until=lambda: "change of the vault" in stage.view(waiting.id).reason)
    with stage.unit() as uow:
        assert steps.withdraw(uow, step.id, "tried it").state == "withdrawn"
    with stage.unit() as uow, pytest.raises(errors.StepNotOpen):
        steps.withdraw(uow, step.id, "again")
    stage.drive(until=lambda: stage.view(waiting.id).state == "awaiting_approval")
    stage.approve(waiting.id, cast.amir)
    stage.approve(waiting.id, cast.bea)
    stage.drive(until=lambda: stage.view(waiting.id).state == "finalized")
    with stage.unit() as uow:
        assert turns.vault_turn(uow).holder is None


def test_a_person_comes_after_the_delay_and_another_goes(
    stage: Stage, governing: Governing
) -> None:
    cast, newcomer = stage.cast, person("noor, new approver")
    done = governing.carry_out(cast.amir, cast.bea)
    assert done == ["add_owner:announce", "add_owner:execute"]
    with stage.unit() as uow:
        assert address(newcomer) in service.get(uow).owners

    owners = sorted((address(one) for one in (cast.amir, cast.bea, newcomer)), key=str.lower)
    governing.update_policy(controls=controls(stage, owners=owners, threshold=3))
    done = governing.carry_out(cast.amir, cast.bea, newcomer)
    assert done == [
        "remove_owner:announce",
        "change_threshold:announce",
        "remove_owner:execute",
        "change_threshold:execute",
    ]
    governing.look()
    with stage.unit() as uow:
        found = standing(uow).found
    assert sorted(map(checked_bytes, found.owners), key=str.lower) == owners
    assert found.threshold == 3
    alerts = stage.house.query("SELECT kind FROM alert WHERE kind LIKE 'vault.%%'")
    assert alerts == [], "what we did ourselves is no alarm"


def test_limits_and_destinations_follow_the_policy(stage: Stage, governing: Governing) -> None:
    cast, newcomer, payee = stage.cast, person("noor, new approver"), person("new payee")
    with stage.unit() as uow:
        content = policy.active(uow, stage.id).content
    book = [
        one for one in content["address_book"] if one["address"] != checked(cast.sanctioned)
    ] + [{"address": payee.address, "label": "New payee"}]
    limits = [dict(one) for one in content["limits"]]
    limits[0]["per_day_units"] = str(50 * 10**18)
    limits[1]["per_day_units"] = str(2_000_000 * 10**6)
    governing.update_policy(address_book=book, limits=limits)
    done = governing.carry_out(cast.amir, cast.bea, newcomer)
    assert sorted(done) == [
        "announce_destination:now", "lower_limit:now", "revoke_destination:now",
        "set_limit:announce", "set_limit:execute",
    ]  # fmt: skip
    governing.pass_days(1)
    governing.look()
    with stage.unit() as uow:
        record = standing(uow).found.record
    assert record is not None
    assert record.destinations[parse_address(payee.address)] > 0
    assert record.destinations[parse_address(cast.sanctioned)] == 0
    assert {one.day_units for one in record.limits.values()} == {50 * 10**18, 2_000_000 * 10**6}


def checked_bytes(place: bytes) -> str:
    return checksum(place)
