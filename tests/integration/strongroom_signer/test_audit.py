"""P6: whoever has a token's PIN still cannot take a key out of it, and no start on a softer one."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from strongroom_protocol.addresses import parse_address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.token_audit import verify_audit
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.people import CHAIN_ID
from tests.integration.strongroom_signer.test_process import Signer, signer_in

ATTACKS_MIN = 28


@pytest.fixture(scope="module")
def founded() -> Iterator[tuple[Signer, dict[str, Any]]]:
    with short_folder("sga") as place:
        made = signer_in(Path(place))
        yield made, made.init()


@pytest.fixture
def signer(founded: tuple[Signer, dict[str, Any]]) -> Iterator[Signer]:
    """A copy that a test may spoil."""
    with short_folder("sgb") as place:
        shutil.copytree(founded[0].folder, place, dirs_exist_ok=True)
        made = signer_in(Path(place))
        yield made
        if made.child is not None:
            made.stop()


def softened(signer: Signer, plant: str) -> list[str]:
    """The attacks that win after the plant."""
    line = [sys.executable, "-m", "tests.integration.strongroom_signer.soften", plant]
    done = subprocess.run(
        line, env=signer.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["passed"] == (not answer["won"])
    return list(answer["won"])


def audited(signer: Signer, *words: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    file = signer.folder / "audit.json"
    done = signer.command("audit", "--json", str(file), *words)
    return done, json.loads(file.read_text())


def test_the_founded_token_withstands_and_its_attest_key_says_so(
    founded: tuple[Signer, dict[str, Any]],
) -> None:
    signer, facts = founded
    objects = sorted(path.name for path in (signer.folder / "hsm").rglob("*.object"))
    done, document = audited(signer)
    assert done.returncode == 0, done.stdout
    assert "none won" in done.stdout
    attest = parse_address(facts["keys"]["attest"])
    report = verify_audit(document, attest, CHAIN_ID)
    targets = {row["target"] for row in report["attacks"]}
    assert {"trial kek", "strongroom kek", "strongroom permit", "strongroom log"} <= targets
    assert len({row["id"] for row in report["attacks"]}) >= ATTACKS_MIN
    left = sorted(path.name for path in (signer.folder / "hsm").rglob("*.object"))
    assert left == objects, "an audit must leave nothing behind"

    for change in ("report", "signature", "row", "key"):
        changed, key = deepcopy(document), attest
        if change == "report":
            changed["report"]["at"] += 1
        elif change == "signature":
            changed["signature"] = None
        elif change == "row":
            changed["report"]["attacks"][0]["passed"] = False
        else:
            key = parse_address(facts["keys"]["relay"])
        with pytest.raises(ProtocolError):
            verify_audit(changed, key, CHAIN_ID)


def test_a_start_is_audited_and_journalled(signer: Signer) -> None:
    signer.start()
    assert signer.stop() == 0
    with sqlite3.connect(signer.folder / "signer" / "journal.sqlite") as journal:
        rows = [json.loads(text) for (text,) in journal.execute("SELECT body FROM receipt")]
    audits = [row for row in rows if row["op"] == "audit"]
    assert [row["outcome"] for row in audits] == ["passed"]
    assert audits[0]["attempts"] > 100


@pytest.mark.parametrize(
    ("plant", "attack"),
    [
        ("no unwrap template", "unwrap-sensitive-false"),
        ("leaves may be extractable", "unwrap-extractable-true"),
        ("leaves may change", "unwrap-modifiable-true"),
        ("leaves may be copied", "unwrap-copyable-true"),
        ("leaves may stay", "unwrap-token-true"),
        ("every mechanism", "other-mechanisms"),
        ("a KEK that can change", "set-decrypt-true"),
        ("a KEK that can be copied", "copy-decrypting"),
        ("a KEK that wraps", "wrap-with-kek"),
        ("a KEK that can leave", "wrap-out-aes"),
        ("a KEK that can be read", "read-value"),
        ("a permit key that can leave", "wrap-out-aes"),
        ("an attest key that derives", "derive-ecdh"),
        ("an orders key that can change", "set-derive-true"),
        ("no blob to try", "ready"),
    ],
)
def test_a_softer_token_is_caught_by_the_attack_on_it(
    signer: Signer, plant: str, attack: str
) -> None:
    assert attack in softened(signer, plant)


def test_the_plants_tool_itself_softens_nothing(signer: Signer) -> None:
    assert softened(signer, "nothing") == []


def test_no_start_and_no_signature_on_a_token_whose_kek_is_an_oracle(signer: Signer) -> None:
    softened(signer, "no unwrap template")
    done = signer.command("serve")
    assert done.returncode == 78
    assert "unwrap a leaf as not sensitive" in done.stderr
    done, document = audited(signer)
    assert done.returncode == 1
    assert "do not use this token" in done.stdout
    assert document["signature"] is None
    assert document["report"]["passed"] is False


def test_a_candidate_is_audited_without_a_signer_and_unsigned(signer: Signer) -> None:
    make = "import sys; from strongroom_signer.token.provisioning import make_token as m; "
    line = [sys.executable, "-c", make + "m(*sys.argv[1:])"]
    module = signer.environment["STRONGROOM_PKCS11_MODULE"]
    subprocess.run([*line, module, "candidate", "a user's pin"], env=signer.environment, check=True)
    pin = signer.folder / "candidate.pin"
    pin.write_text("a user's pin")
    pin.chmod(0o600)
    for name in list(signer.environment):
        if name.startswith("STRONGROOM_"):
            del signer.environment[name]
    words = ("--module", module, "--token", "candidate", "--pin-file", str(pin))
    done, document = audited(signer, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Unsigned" in done.stdout
    assert document["report"]["ours"] is False
    assert {row["target"] for row in document["report"]["attacks"]} >= {"trial kek", "trial key"}
    done = signer.command("audit", *words[:4], "--pin-file", str(signer.folder / "nowhere"))
    assert done.returncode == 78


@pytest.mark.parametrize("missing", ["CKM_SHA256_HMAC", "CKM_ECDSA"])
def test_a_token_without_a_mechanism_that_we_use_is_named(signer: Signer, missing: str) -> None:
    conf = Path(signer.environment["SOFTHSM2_CONF"])
    assert "slots.mechanisms = ALL" in conf.read_text()
    conf.write_text(conf.read_text().replace("= ALL", f"= -CKM_MD5,{missing}"))
    done = signer.command("serve")
    assert done.returncode == 78
    assert missing in done.stderr
