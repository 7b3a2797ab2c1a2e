"""P4: one administrator's Suspend reaches the signer at its own machine, and files are enough."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.people import Company
from tests.integration.strongroom_signer.test_process import Signer, signer_in

Body = dict[str, Any]


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    """Founded, not serving; tests that start it stop it."""
    with short_folder("sgd") as place:
        made = signer_in(Path(place))
        made.init()
        made.ceremony("new")
        out = str(made.folder / "account.json")
        made.accounts[0] = made.ceremony("account", "--index", "0", "--count", "2", "--out", out)
        yield made


@pytest.fixture(scope="module")
def company(signer: Signer) -> Company:
    made = Company("Delivered", signer.accounts[0], 1_800_000_000, permit_signer=signer.permit)
    made.bundle["valid_until"] = 4_000_000_000
    return made


def request(op: str, body: Body) -> Body:
    return {"op": op, "trace": "by hand", "body": body}


def deliver(
    signer: Signer, document: object, *words: str
) -> tuple[subprocess.CompletedProcess[str], Any]:
    file, out = signer.folder / "request.json", signer.folder / "answers.json"
    out.unlink(missing_ok=True)
    file.write_text(json.dumps(document))
    done = signer.command("deliver", str(file), "--out", str(out), *words)
    return done, json.loads(out.read_text()) if out.exists() else None


def suspension(company: Company) -> Body:
    return company.suspension()


def test_files_are_honoured_by_a_signer_that_serves_nobody(
    signer: Signer, company: Company
) -> None:
    both = [request("policy_first", company.policy_first()), request("status", {})]
    document = {"type": "strongroom.requests/1", "requests": both}
    done, answers = deliver(signer, document, "--yes")
    assert done.returncode == 0, done.stderr
    assert "POLICY version 1" in done.stderr
    assert answers["type"] == "strongroom.answers/1"
    assert [answer["op"] for answer in answers["answers"]] == ["policy_first", "status"]
    organisation = answers["answers"][1]["body"]["organisations"][0]
    assert organisation["organisation"] == company.reference


def test_what_is_refused_ends_the_file_and_says_so(signer: Signer, company: Company) -> None:
    wrong = {**suspension(company), "organisation": "0x" + "99" * 32}
    document = {
        "type": "strongroom.requests/1",
        "requests": [request("suspend", wrong), request("status", {})],
    }
    done, answers = deliver(signer, document, "--yes")
    assert done.returncode == 1
    assert "REFUSED" in done.stderr
    assert [answer["ok"] for answer in answers["answers"]] == [False]


@pytest.mark.parametrize("serving", [False, True])
def test_a_suspend_is_delivered_to_a_signer_that_serves_and_to_one_that_does_not(
    signer: Signer, company: Company, *, serving: bool
) -> None:
    if serving:
        signer.start()
    try:
        done, answers = deliver(signer, request("suspend", suspension(company)), "--yes")
    finally:
        if serving:
            signer.stop()
    assert done.returncode == 0, done.stderr
    assert "SUSPEND" in done.stderr
    assert answers["answers"][0]["body"]["suspended"] is True


@pytest.mark.parametrize(("word", "code"), [("yes", 0), ("no", 78), ("", 78)])
def test_a_person_at_the_terminal_must_say_yes(signer: Signer, word: str, code: int) -> None:
    file = signer.folder / "request.json"
    file.write_text(json.dumps(request("status", {})))
    ours, theirs = os.openpty()
    os.write(ours, word.encode() + b"\n")
    line = [sys.executable, "-m", "strongroom_signer.main", "deliver", str(file)]
    done = subprocess.run(
        line, env=signer.environment, stdin=theirs, capture_output=True, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)


def test_without_a_terminal_somebody_must_have_said_yes(signer: Signer) -> None:
    done, answers = deliver(signer, request("status", {}))
    assert done.returncode == 78
    assert "--yes" in done.stderr
    assert answers is None


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"op": "status", "body": {}},
        {"type": "strongroom.requests/1", "requests": []},
        {"type": "strongroom.requests/1", "requests": [{"op": "status", "trace": "", "body": []}]},
        {"op": "status", "trace": "", "body": {"a": 1.5}},
    ],
)
def test_a_file_that_is_no_request_is_named(signer: Signer, document: object) -> None:
    done, answers = deliver(signer, document, "--yes")
    assert done.returncode == 78
    assert "request.json" in done.stderr
    assert answers is None
