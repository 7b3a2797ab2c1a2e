"""`strongroom webhooks`: what an operator sees and does from the command line."""

import json
from uuid import uuid4

import pytest

from strongroom.cli import webhooks as command
from strongroom.kit.clock import SystemClock


@pytest.fixture
def run(post, connect, monkeypatch, capsys):
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", connect.found.url("strongroom_worker"))

    def run(verb: str, *words: object) -> tuple[int, str]:
        code = command.run([verb, str(post.organisation), *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_endpoints_are_shown_switched_and_their_events_sent_again(post, receiver, run):
    assert run("list") == (0, "Nothing yet.\n")
    receiver.answer = lambda n: 500 if n == 0 else 200
    endpoint = post.endpoint(receiver.url)
    post.happen("deposit.seen")
    post.plan()
    post.send()
    code, said = run("list")
    assert code == 1
    assert f"{endpoint.id}  {receiver.url}  ours" in said
    assert "enabled, failing since 2026-05-01 00:00 (1 in a row); *; 1 wait; Added." in said
    assert run("disable", endpoint.id, "--why", "asked") == (0, "disabled\n")
    assert json.loads(run("list", "--json")[1])[0]["reason"] == "asked"
    assert run("enable", endpoint.id)[1].startswith("enabled; 1 events wait")
    code, said = run("log", endpoint.id)
    assert (code, "deposit.seen" in said, "Answered 500." in said) == (0, True, True)
    since = post.clock.now().isoformat()
    assert run("replay", endpoint.id, "--since", since) == (0, "1 events are sent again\n")
    # The command has the machine's clock; the couriers here are moved up to it.
    post.later((SystemClock().now() - post.clock.now()).total_seconds() + 60)
    post.send()
    assert receiver.types == ["deposit.seen"] * 2
    assert run("test", endpoint.id)[0] == 0
    assert run("list")[0] == 0


def test_what_is_wrong_is_said(run):
    code, said = run("enable", uuid4())
    assert (code, said) == (1, "strongroom webhooks: The organisation has no such webhook.\n")
    with pytest.raises(SystemExit):
        run("replay", uuid4(), "--since", "2026-05-01T09:00")
    with pytest.raises(SystemExit):
        run("replay", uuid4())
