"""Bundles: what is prepared is what is signed; the signer's word counts; nothing is rewritten."""

from typing import Any

import psycopg
import pytest

from strongroom.db.actor import system
from strongroom.kit.errors import StrongroomError
from strongroom.kit.ids import HOUSE
from strongroom.policy import service as policy
from strongroom.policy.errors import NoneActive
from strongroom.signing.errors import SignerRefused
from strongroom_protocol.authority import bundle_digest, parse_bundle
from tests.factories.house import OPERATOR, TUSD, sign
from tests.factories.stage import Stage


def content(stage: Stage, **changes: Any) -> dict[str, Any]:
    with stage.unit() as uow:
        return {**policy.active(uow, stage.id).content, **changes}


def refused(stage: Stage, document: dict[str, Any]) -> StrongroomError:
    with pytest.raises(StrongroomError) as caught, stage.unit() as uow:
        policy.prepare(uow, document)
    error = caught.value
    assert isinstance(error, StrongroomError)
    return error


def test_the_active_bundle_is_the_one_that_was_signed(stage: Stage):
    with stage.unit() as uow:
        active = policy.active(uow, stage.id)
    assert bundle_digest(parse_bundle(active.content)) == active.digest
    assert stage.house.signer.status()["organisations"] == [
        {"organisation": "0x" + stage.ref.hex(), "policy_version": 1, "suspended": False}
    ]


def test_a_wrong_bundle_names_the_path_of_what_is_wrong(stage: Stage):
    people = stage.cast.people()
    people[0]["address"] = "0x1234"
    error = refused(stage, content(stage, version=2, people=people))
    assert (error.code, "bundle.people[0].address" in error.message) == (
        "policy.bundle_invalid",
        True,
    )
    error = refused(stage, content(stage, surprise=1))
    assert "unknown surprise" in error.message


def test_a_bundle_follows_the_active_one_in_number_and_digest(stage: Stage):
    assert refused(stage, content(stage, version=3)).code == "policy.version_wrong"
    assert refused(stage, content(stage, version=2, previous="0x" + "11" * 32)).code == (
        "policy.version_wrong"
    )


def test_a_bundle_of_another_organisation_or_chain_is_refused(stage: Stage):
    other = content(stage, organisation="0x" + "22" * 32)
    assert refused(stage, other).code == "policy.organisation_wrong"
    assert refused(stage, content(stage, chain_id=1)).code == "policy.organisation_wrong"


def test_what_the_signer_refuses_stays_staged_and_counts_for_nothing(stage: Stage):
    before = content(stage)
    changed = {name: before[name] for name in before if name not in ("version", "previous")}
    with stage.unit() as uow:
        prepared = policy.prepare(uow, {**changed, "valid_until": before["valid_until"] + 1})
        staged = policy.stage_update(
            uow,
            bundle=prepared.content,
            signatures=[sign(stage.cast.stranger, prepared.typed_data)],
        )
    with pytest.raises(SignerRefused):
        stage.house.signer.policy_update(staged.body)
    with stage.unit() as uow:
        assert policy.active(uow, stage.id).version == 1
        assert [one.state for one in policy.versions(uow)] == ["staged", "active"]


def test_a_signed_update_supersedes_and_both_are_kept(stage: Stage):
    later = content(stage)["valid_until"] + 2
    stage.update_policy(valid_until=later)
    with stage.unit() as uow:
        states = {one.version: one.state for one in policy.versions(uow) if one.activated_at}
        assert states == {1: "superseded", 2: "active"}
        assert policy.at_version(uow, stage.id, 1).content["valid_until"] == later - 2


def test_an_activated_bundle_can_be_neither_changed_nor_deleted(stage: Stage):
    for statement in ("UPDATE policy_bundle SET content = '{}'", "DELETE FROM policy_bundle"):
        with (
            psycopg.connect(stage.house.database.conninfo()) as connection,
            pytest.raises(psycopg.errors.RaiseException),
        ):
            connection.execute(statement.encode())


def test_an_organisation_without_a_policy_can_do_nothing_yet(stage: Stage):
    with stage.house.role("api").read(HOUSE, system("test")) as uow, pytest.raises(NoneActive):
        policy.active(uow, HOUSE)


def test_a_preview_says_in_a_sentence_what_the_signer_would_say(stage: Stage):
    def ask(to: str, amount: str) -> tuple[str, str]:
        with stage.house.role("api").read(stage.id, OPERATOR) as uow:
            found = policy.preview(uow, initiator="ines", asset=TUSD, to=to, amount=amount)
        return found.kind, found.sentence

    supplier, stranger = stage.cast.supplier, stage.cast.stranger.address
    assert ask(supplier, "1") == (
        "awaiting_approvals",
        "1 TUSD waits for 2 approvers (rule two-approvers).",
    )
    assert ask(supplier, "1001")[0] == "denied"
    assert "not in the address book" in ask(stranger, "1")[1]
