"""`strongroom vault`: any Safe is inspected, and people leave, with a node and their own keys."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.cli.main import main
from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.controls import vault_document
from strongroom_verify.main import main as verify
from tests.factories.house import mining
from tests.factories.parts.anvil import Chain
from tests.factories.safes import SafeStage, address_of, person

WEEK = 7 * 86_400
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def safes(anvil_of_module: Chain) -> Iterator[SafeStage]:
    made = SafeStage(anvil_of_module)
    yield made
    made.close()


@pytest.fixture
def keys(safes: SafeStage, tmp_path: Path) -> list[str]:
    """Files with the three people's keys, each on its own machine in life."""
    files = []
    for number, one in enumerate(safes.people):
        file = tmp_path / f"key-{number}"
        file.write_text(bytes(one.key).hex())
        files.append(str(file))
    return files


def command(safes: SafeStage, *words: str) -> int:
    with mining(safes.chain):
        return main(["vault", *words, "--node", safes.chain.url])


def signatures(
    safes: SafeStage, vault: str, keys: list[str], capsys: Capture, *words: str
) -> list[str]:
    found: list[str] = []
    for key in keys:
        assert command(safes, "leave", vault, *words, "--key-file", key) == 0
        found += ["--signature", capsys.readouterr().out.split()[-1]]
    return found


def test_inspect_scores_and_ends_by_what_blocks(safes: SafeStage, capsys: Capture) -> None:
    vault, plain = checksum(safes.vault(1)), checksum(safes.plain_safe(2, threshold=1))
    assert command(safes, "inspect", vault) == 0
    told = capsys.readouterr().out
    assert "Score 100 of 100. It stands under Strongroom's guard." in told
    assert "\033" not in told
    assert command(safes, "inspect", plain, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in report["checks"] if one["blocks"]] == ["threshold"]
    assert command(safes, "inspect", safes.chain.accounts()[0]) == 1
    assert "does not answer as a Safe" in capsys.readouterr().err


def test_the_batch_of_taking_in_can_be_read_by_the_verifier(
    safes: SafeStage, tmp_path: Path, capsys: Capture
) -> None:
    safe = safes.plain_safe(3, handler=safes.dollar)
    bundle = tmp_path / "bundle.json"
    content = vault_document(safes.vault_content(adopted=safe))
    bundle.write_text(json.dumps({"vault": content}))
    assert command(safes, "adopt", checksum(safe), "--bundle", str(bundle)) == 0
    shown = capsys.readouterr()
    typed = tmp_path / "typed.json"
    typed.write_text(shown.out)
    assert verify(["safe-hash", "--file", str(typed)]) == 0
    told = capsys.readouterr().out
    for line in ("fallback handler (zero = none)", "Enables the module", "takes the vault under"):
        assert line in told
    digest = shown.err.split("hash: ")[1].split()[0]
    assert digest in told
    bundle.write_text(json.dumps({"vault": content | {"adopted": checksum(safes.dollar)}}))
    assert command(safes, "adopt", checksum(safe), "--bundle", str(bundle)) == 1


def test_people_leave_and_move_their_money_with_nothing_of_the_custodians(
    safes: SafeStage, keys: list[str], capsys: Capture
) -> None:
    at = safes.vault(7)
    vault, payer = checksum(at), ["--payer-key-file", keys[2]]
    safes.fund(at)
    safes.fund(address_of(safes.people[2]), units=1)
    heir = address_of(person("heir"))
    pay = ["pay", "--token", checksum(safes.dollar), "--to", checksum(heir), "--units", "7"]
    assert command(safes, "leave", vault, *pay) == 1
    assert "guard still stands" in capsys.readouterr().err

    one = signatures(safes, vault, keys[:1], capsys, "announce")
    assert command(safes, "leave", vault, "announce", *one, *payer) == 1
    assert "1 owners signed; it takes 2" in capsys.readouterr().err
    two = signatures(safes, vault, keys[:2], capsys, "announce")
    assert command(safes, "leave", vault, "end", *payer) == 1
    assert "announce it first" in capsys.readouterr().err
    assert command(safes, "leave", vault, "announce", *two, *payer) == 0
    assert command(safes, "leave", vault, "status") == 0
    assert "until then it waits" in capsys.readouterr().out
    assert command(safes, "leave", vault, "end", *payer) == 1
    assert "the chain's clock says" in capsys.readouterr().err

    stay = signatures(safes, vault, keys[1:], capsys, "cancel")
    assert command(safes, "leave", vault, "cancel", *stay, *payer) == 0
    assert command(safes, "leave", vault, "announce", *two, *payer) == 1
    assert "over something else" in capsys.readouterr().err
    again = signatures(safes, vault, keys[1:], capsys, "announce")
    assert command(safes, "leave", vault, "announce", *again, *payer) == 0

    # A freeze holds the exit up, and the people end it.
    safes.pass_time(WEEK)
    freeze = abi.call("freeze(address)", abi.address(at))
    safes.call(safes.deployment.guard, freeze)
    capsys.readouterr()
    assert command(safes, "leave", vault, "status") == 0
    assert "held up until" in capsys.readouterr().out
    thaw = signatures(safes, vault, keys[:2], capsys, "unfreeze")
    assert command(safes, "leave", vault, "unfreeze", *thaw, *payer) == 0
    assert command(safes, "leave", vault, "end", *payer) == 0
    found = safes.read(at)
    assert (found.guard, found.module_guard) == (ZERO, ZERO)

    signed = signatures(safes, vault, keys[:2], capsys, *pay)
    capsys.readouterr()
    assert command(safes, "leave", vault, *pay, *signed, *payer) == 0
    assert safes.units(Address(heir)) == 7


def test_what_is_to_be_signed_is_printed_for_any_wallet(
    safes: SafeStage, tmp_path: Path, capsys: Capture
) -> None:
    vault = checksum(safes.vault(8))
    for step, said in (("announce", "Announces"), ("unfreeze", "Ends the freeze")):
        assert command(safes, "leave", vault, step) == 0
        typed = tmp_path / "typed.json"
        typed.write_text(capsys.readouterr().out)
        assert verify(["safe-hash", "--file", str(typed)]) == 0
        assert said in capsys.readouterr().out
