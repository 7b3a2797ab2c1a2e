"""Drafts: composed, signed one person after the other, rehearsed, published through the signer."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from strongroom.cli.main import main
from strongroom.db.actor import Actor
from strongroom.identity import service as identity
from strongroom.identity.types import NewPerson
from strongroom.kit.errors import StrongroomError
from strongroom.policy import book, drafts
from strongroom.policy import service as policy
from strongroom.policy.rehearsal import rehearse
from strongroom.policy.types import DraftView, NewEntry
from strongroom.withdrawals import past
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.amounts import Amount, Asset, format_amount
from strongroom_protocol.errors import ProtocolError
from tests.factories.house import ETH, TUSD, person, sign
from tests.factories.stage import Stage

NEWCOMER = person("a new approver")


def source(stage: Stage, **changes: Any) -> dict[str, Any]:
    """The active policy of the stage as a source document."""
    with stage.unit() as uow:
        active = policy.active(uow, stage.id)
    bundle, content = active.bundle, active.content
    limits = {limit.asset.code: limit for limit in bundle.limits}

    def text(units: int, asset: str) -> str:
        return format_amount(Amount(units, Asset(asset)))

    return {
        "type": "strongroom.policy-source/1",
        "people": content["people"],
        "administrator_quorum": bundle.administrator_quorum,
        "vault": {"owners": ["amir", "bea", "ivo"], "threshold": 2},
        "assets": [
            {
                "asset": token["asset"],
                "contract": token["contract"],
                "per_payment": text(limits[token["asset"]].per_payment_units, token["asset"]),
                "per_day": text(limits[token["asset"]].per_day_units, token["asset"]),
            }
            for token in content["tokens"]
        ],
        "address_book": [
            {"name": entry["label"], "address": entry["address"]}
            for entry in content["address_book"]
        ],
        "rules": [{"id": "two-approvers", "when": {"to": "address_book"}, "then": "2 approvers"}],
        "fees": {"max_fee_per_gas_gwei": "1,000", "max_total_fee": "10"},
        "valid_until": "2027-02-20",
        **changes,
    }


def drafted(stage: Stage, document: dict[str, Any], note: str = "") -> DraftView:
    with stage.unit() as uow:
        around, now = drafts.context(uow, drafts.Told()), int(uow.now.timestamp())
    composed = drafts.compose(document, around, now)
    with stage.unit() as uow:
        return drafts.keep(uow, composed, note)


def signed(stage: Stage, view: DraftView, *keys: Any) -> DraftView:
    for key in keys:
        assert view.typed_data is not None
        with stage.unit() as uow:
            view = drafts.sign(uow, view.id, sign(key, view.typed_data))
    return view


def published(stage: Stage, view: DraftView) -> DraftView:
    with stage.unit() as uow:
        staged = drafts.stage(uow, view.id)
    stage.house.signer.policy_update(staged.body)
    with stage.unit() as uow:
        return drafts.publish(uow, view.id, staged)


def refused(stage: Stage, work: Any) -> str:
    with pytest.raises((StrongroomError, ProtocolError)) as caught, stage.unit() as uow:
        work(uow)
    return str(getattr(caught.value, "code", ""))


def codes(view: DraftView) -> list[str]:
    return [one.code for one in view.findings if one.severity == "error"]


def newcomers(stage: Stage) -> dict[str, Any]:
    """The people of the stage, and one more who never signed anything."""
    people = [*source(stage)["people"]]
    more = {"id": "nora", "name": "Nora", "address": NEWCOMER.address, "roles": ["approver"]}
    return source(stage, people=[*people, {**more, "department": "board"}])


def test_a_draft_collects_its_signatures_and_says_who_is_missing(stage: Stage):
    view = drafted(stage, newcomers(stage), "Nora joins")
    assert (view.state, codes(view)) == ("open", [])
    assert view.missing == (
        f"1 more of the administrators Ada; Nora with the new key {NEWCOMER.address}."
    )
    assert refused(stage, lambda uow: drafts.stage(uow, view.id)) == "policy.signatures_missing"
    typed = view.typed_data or {}
    stranger = sign(stage.cast.stranger, typed)
    assert refused(stage, lambda uow: drafts.sign(uow, view.id, stranger)) == (
        "policy.signature_unwanted"
    )
    view = signed(stage, view, stage.cast.ada)
    assert view.missing == f"Nora with the new key {NEWCOMER.address}."
    assert refused(stage, lambda uow: drafts.stage(uow, view.id)) == "policy.signatures_missing"
    view = signed(stage, view, NEWCOMER, NEWCOMER, stage.cast.ada)
    assert [one.name for one in view.signatures] == ["Ada", "Nora"]
    assert view.missing == ""
    before = view.version - 1
    done = published(stage, view)
    assert done.state == "published"
    with stage.unit() as uow:
        active = policy.active(uow, stage.id)
        assert policy.at_version(uow, stage.id, before).version == before
    assert (active.version, active.digest) == (view.version, view.digest)
    assert "nora" in {one.id for one in active.bundle.people}
    again = refused(stage, lambda uow: drafts.stage(uow, view.id))
    assert again == "policy.draft_ended"


def test_a_draft_that_another_version_overtook_is_signed_no_more(stage: Stage):
    late = drafted(stage, source(stage))
    with stage.unit() as uow:
        until = policy.active(uow, stage.id).content["valid_until"]
    stage.update_policy(valid_until=until + 7)
    with stage.unit() as uow:
        assert drafts.get(uow, late.id).state == "outdated"
    signature = sign(stage.cast.ada, late.typed_data or {})
    code = refused(stage, lambda uow: drafts.sign(uow, late.id, signature))
    assert code == "policy.draft_outdated"


def test_a_draft_with_errors_is_kept_and_can_not_be_signed(stage: Stage):
    wrong = drafted(stage, source(stage, rules=[{"id": "x", "then": "9 approvers"}]))
    assert (wrong.state, wrong.typed_data) == ("invalid", None)
    contradicted = drafted(
        stage, source(stage, rules=[{"id": "a", "then": "deny"}, {"id": "b", "then": "allow"}])
    )
    assert (contradicted.state, codes(contradicted)) == ("invalid", ["policy.rule_contradicted"])
    signature = sign(stage.cast.ada, contradicted.typed_data or {})
    code = refused(stage, lambda uow: drafts.sign(uow, contradicted.id, signature))
    assert code == "policy.draft_invalid"


def test_a_draft_is_never_rewritten_and_withdrawn_once(stage: Stage):
    view = drafted(stage, source(stage))
    for statement in ("UPDATE policy_draft SET note = 'x'", "DELETE FROM policy_draft"):
        with (
            psycopg.connect(stage.house.database.conninfo()) as connection,
            pytest.raises(psycopg.errors.RaiseException),
        ):
            connection.execute(statement.encode())
    with stage.unit() as uow:
        assert drafts.withdraw(uow, view.id).state == "withdrawn"
    assert refused(stage, lambda uow: drafts.withdraw(uow, view.id)) == "policy.draft_ended"
    signature = sign(stage.cast.ada, view.typed_data or {})
    code = refused(stage, lambda uow: drafts.sign(uow, view.id, signature))
    assert code == "policy.draft_ended"


def test_an_address_enters_a_draft_by_four_eyes_only_and_cools_when_it_is_active(stage: Stage):
    fresh = person("a payee of tomorrow").address
    entries = source(stage)["address_book"]
    one = {"name": "Tomorrow", "address": fresh}
    alone = drafted(stage, source(stage, address_book=[*entries, one]))
    assert codes(alone) == ["policy.entry_not_agreed"]
    with stage.unit() as uow:
        people = [
            identity.add_person(
                uow, NewPerson(f"eyes{i}", f"Eyes {i}", ("approver",), None, None)
            ).id
            for i in (1, 2)
        ]
    new = NewEntry(parse_address(fresh), "Tomorrow", "Tomorrow Ltd", ("soon",), "a contract")
    proposal = _as(stage, people[0], lambda uow: book.propose(uow, new))
    _as(stage, people[1], lambda uow: book.decide(uow, proposal.id, "agreed"))
    view = drafted(stage, source(stage, address_book=[*entries, {**one, "tags": ["soon"]}]))
    assert codes(view) == []
    published(stage, signed(stage, view, stage.cast.ada))
    with stage.unit() as uow:
        (entry,) = book.entries(uow)
        activated = next(one for one in policy.versions(uow) if one.state == "active").activated_at
    assert activated is not None
    assert entry.usable_from == activated + timedelta(days=1)
    taken = drafted(stage, source(stage, address_book="agreed"))
    labels = {entry["label"] for entry in (taken.content or {})["address_book"]}
    assert labels == {"Tomorrow", "Supplier", "Old partner"}, "the founders' entries stay"
    gone = NewEntry(parse_address(stage.cast.sanctioned), "Old partner", "x", (), "long over")
    proposal = _as(stage, people[0], lambda uow: book.propose(uow, gone, kind="retire"))
    _as(stage, people[1], lambda uow: book.decide(uow, proposal.id, "agreed"))
    taken = drafted(stage, source(stage, address_book="agreed"))
    labels = {entry["label"] for entry in (taken.content or {})["address_book"]}
    assert labels == {"Tomorrow", "Supplier"}


def _as(stage: Stage, who: UUID, work: Any) -> Any:
    with stage.house.role("api").unit(stage.id, Actor("person", str(who))) as uow:
        return work(uow)


def test_a_rehearsal_judges_what_was_really_ordered(stage: Stage):
    view = stage.order("rehearsed", amount="700")
    stage.order("small", amount="5")
    strict = {
        "id": "not-above-500",
        "when": {"assets": ["TUSD"], "above": "500 TUSD"},
        "then": "deny",
    }
    after = drafted(stage, source(stage, rules=[*source(stage)["rules"], strict]))
    assert codes(after) == []
    with stage.unit() as uow:
        before = policy.active(uow, stage.id).bundle
        begins, ends = uow.now - timedelta(days=1), uow.now + timedelta(days=1)
        payments = past.between(uow, begins, ends)
        nothing = past.between(uow, begins - timedelta(days=90), begins - timedelta(days=60))
    found = rehearse(
        before,
        drafts.bundle_of(after),
        payments,
        begins=int(begins.timestamp()),
        now=int(ends.timestamp()),
    )
    assert (found.looked_at, nothing) == (2, [])
    (changed,) = found.changed
    assert changed.payment.reference == view.reference == "rehearsed"
    assert (changed.before.kind, changed.after.kind) == ("awaiting_approvals", "denied")
    powers = {one.what: one for one in found.powers}
    assert len(powers[f"drain:{TUSD}"].needs.people or ()) == 3
    assert powers[f"drain:{ETH}"].needs.exact


def test_the_command_reads_versions_and_rehearses_by_the_workers_own_role(
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", stage.house.database.url("strongroom_worker"))
    own = ("--organisation", str(stage.id))
    stage.order("by-command", amount="700")
    strict = {"id": "not-above-500", "when": {"above": "500 TUSD"}, "then": "deny"}
    path = tmp_path / "draft.json"
    path.write_text(json.dumps(source(stage, rules=[*source(stage)["rules"], strict])))
    asked = ["policy", "rehearse", str(path), "--from", "2020-01-01", "--until", "2099-01-01", *own]
    assert main(asked) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "by-command: now:" in shown
    assert "Rule not-above-500 denies" in shown
    assert "could pay out TUSD" in shown
    assert main(["policy", "show", "1", *own]) == 0
    assert "two-approvers: payments to the address book" in capsys.readouterr().out
    assert main(["policy", "diff", "1", str(path), *own]) == 0
    assert "New: not-above-500" in capsys.readouterr().out
    assert main(["policy", "show", "1"]) == 1
    assert "--organisation" in capsys.readouterr().err
