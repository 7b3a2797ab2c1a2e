"""`strongroom policy`: what needs no server needs none, and says everything at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from strongroom.cli.main import main
from strongroom.policy.sources import TEMPLATES, template
from tests.factories.policies import bundle_of, filled


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("STRONGROOM_DATABASE_URL", raising=False)

    def write(name: str, document: Any) -> str:
        path = tmp_path / name
        path.write_text(json.dumps(document))
        return str(path)

    return write


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_printed_as_it_is(name, capsys):
    assert main(["policy", "template", name]) == 0
    assert json.loads(capsys.readouterr().out) == template(name)


def test_a_draft_without_errors_is_valid_and_said_in_words(written, capsys):
    assert main(["policy", "validate", written("a.json", filled("middle"))]) == 0
    shown = capsys.readouterr().out
    assert "Nothing is wrong." in shown
    assert "need 2 approvers of treasury, then 1 approver of board." in " ".join(shown.split())
    assert "the chain does not enforce it" in " ".join(shown.split())
    assert "Ines, Tara and Udo could pay out USDC" in " ".join(shown.split())


def test_blanks_and_errors_are_named_and_answered_with_1(written, capsys):
    assert main(["policy", "validate", written("a.json", template("small"))]) == 1
    assert capsys.readouterr().out.count("policy.blank") == 7
    wrong = filled("small") | {"administrator_quorum": 9}
    assert main(["policy", "validate", written("b.json", wrong)]) == 1
    assert "policy.threshold_deadlock" in capsys.readouterr().out
    rules = [{"id": "a", "then": "deny"}, {"id": "b", "then": "2 approvers"}]
    assert main(["policy", "validate", written("c.json", filled("small", rules=rules))]) == 1
    assert "policy.rule_contradicted" in capsys.readouterr().out


def test_a_later_version_is_checked_against_the_active_one(written, capsys):
    active = written("active.json", bundle_of(filled("small")).document())
    changed = filled("small", vault={"owners": ["anna", "ben"], "threshold": 2})
    path = written("next.json", changed)
    assert main(["policy", "validate", path, "--active", active]) == 1
    assert "policy.guard_untold" in capsys.readouterr().out


def test_two_files_differ_in_words(written, capsys):
    before = written("a.json", filled("small"))
    after = written("b.json", filled("small") | {"rules": []})
    assert main(["policy", "diff", before, after]) == 0
    assert "Gone: known-addresses" in capsys.readouterr().out
    assert main(["policy", "diff", before, before]) == 0
    assert "Nothing changes." in capsys.readouterr().out


def test_a_signed_bundle_is_shown_in_the_same_words(written, capsys):
    path = written("bundle.json", bundle_of(filled("large")).document())
    assert main(["policy", "show", path]) == 0
    assert "payments worth more than 25,000 USD outside" in " ".join(
        capsys.readouterr().out.split()
    )


def test_what_is_no_document_is_refused_with_a_sentence(tmp_path, capsys):
    path = tmp_path / "torn.json"
    path.write_text("{")
    assert main(["policy", "validate", str(path)]) == 1
    assert main(["policy", "show", str(tmp_path / "nowhere.json")]) == 1
    assert "organisation" in capsys.readouterr().err
