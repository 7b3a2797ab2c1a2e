"""The ceremony as people run it: shares, a lost vault token, a new KEK, drill, transcript."""

import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strongroom_protocol.addresses import checksum
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.transcript import CeremonyTranscript, head_of, read_transcript
from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.people import CHAIN_ID, OFFICERS
from tests.integration.strongroom_signer.test_process import Signer, signer_in
from tests.integration.strongroom_signer.test_relay import ask_for, sweep

COUNT, SPENDING = 220, 3
DRILLED = 200


@pytest.fixture(scope="module")
def founded() -> Iterator[Signer]:
    """A seed in three shares, an account with a pool; copied for each test."""
    with short_folder("crf") as place:
        made = signer_in(Path(place))
        made.init()
        made.ceremony("new", "--shares", "2of3", "--shares-dir", str(made.folder / "shares"))
        words = ("--index", "0", "--count", str(COUNT), "--spending", str(SPENDING))
        out = str(made.folder / "account.json")
        made.accounts[0] = made.ceremony("account", *words, "--out", out)
        yield made


@pytest.fixture
def signer(founded: Signer) -> Iterator[Signer]:
    with short_folder("cry") as place:
        shutil.copytree(founded.folder, place, dirs_exist_ok=True)
        made = signer_in(Path(place))
        made.accounts, made.permit = founded.accounts, founded.permit
        yield made
        if made.child is not None:
            made.stop(signal.SIGKILL)


def _shares(signer: Signer, *numbers: int) -> list[str]:
    files = sorted((signer.folder / "shares").iterdir())
    return [word for number in numbers for word in ("--share-file", str(files[number - 1]))]


def _lose_the_vault(signer: Signer) -> None:
    """Another token with other PIN parts takes the lost one's place."""
    parts = ",".join(str(signer.folder / f"new-{one}.pin") for one in "ab")
    signer.environment |= {
        "STRONGROOM_VAULT_TOKEN": "vault two",
        "STRONGROOM_VAULT_PIN_FILES": parts,
    }


def _again(signer: Signer) -> dict[str, Any]:
    words = ("--index", "0", "--count", str(COUNT), "--spending", str(SPENDING))
    return signer.ceremony("account", *words, "--out", str(signer.folder / "again.json"))


def _rows(signer: Signer, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(signer.folder / "signer" / "pool.sqlite") as pool:
        found = pool.execute(query).fetchall()
    pool.close()
    return found


def _receipts(signer: Signer) -> list[dict[str, Any]]:
    with sqlite3.connect(signer.folder / "signer" / "journal.sqlite") as journal:
        rows = journal.execute("SELECT body FROM receipt ORDER BY seq").fetchall()
    journal.close()
    bodies = [json.loads(row[0]) for row in rows]
    return [body for body in bodies if body["op"] == "ceremony"]


def test_share_files_are_each_officers_own(signer: Signer) -> None:
    files = sorted((signer.folder / "shares").iterdir())
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert len({path.read_text() for path in files}) == 3
    assert {len(path.read_text().split()) for path in files} == {33}


def test_two_shares_bring_a_lost_vault_token_back(signer: Signer) -> None:
    _lose_the_vault(signer)
    one = signer.command("ceremony", "restore", *_shares(signer, 1))
    assert one.returncode == 78
    assert "not enough" in one.stderr
    restored = signer.ceremony("restore", *_shares(signer, 1, 3))
    assert restored["keys"] == COUNT + SPENDING
    assert restored["first"] == signer.accounts[0]["addresses"][0]
    assert _again(signer) == signer.accounts[0]
    signer.start()
    company = signer.company()
    assert signer.get("relay", ask_for(company, "sweep", **sweep(company)))["hash"]


def test_a_lost_signer_token_leaves_the_same_addresses(signer: Signer) -> None:
    """Its own keys are gone for ever; what the seed leads to comes back, from the vault token or,
    when that is lost too, from shares.
    """
    for loss in ("signer", "both"):
        signer.environment |= {
            "STRONGROOM_SIGNER_DIR": str(signer.folder / f"new {loss}"),
            "STRONGROOM_SIGNER_TOKEN": f"signer {loss}",
        }
        if loss == "both":
            _lose_the_vault(signer)
        signer.init()
        if loss == "both":
            assert signer.ceremony("restore", *_shares(signer, 2, 3))["accounts"] == 0
        assert _again(signer) == signer.accounts[0]


def test_another_seed_is_refused(signer: Signer) -> None:
    with short_folder("oth") as place:
        other = signer_in(Path(place))
        other.init()
        other.ceremony("new", "--shares", "2of2", "--shares-dir", str(other.folder / "shares"))
        _lose_the_vault(signer)
        done = signer.command("ceremony", "restore", *_shares(other, 1, 2))
    assert done.returncode == 78
    assert "another seed" in done.stderr
    assert "nothing was changed" in done.stderr
    assert signer.ceremony("restore", *_shares(signer, 2, 3))["keys"] == COUNT + SPENDING


def test_a_new_kek_takes_over_while_the_signer_serves(signer: Signer) -> None:
    signer.start()
    company = signer.company()
    before = _rows(signer, "SELECT address, wrapped FROM sealed_key ORDER BY address")
    facts = signer.ceremony("rotate-kek")
    assert facts["generation"] == 2
    assert facts["keys"] == COUNT + SPENDING
    assert re.fullmatch("[0-9a-f]{16}", facts["check_value"])
    after = _rows(signer, "SELECT address, wrapped FROM sealed_key ORDER BY address")
    assert [row[0] for row in after] == [row[0] for row in before]
    assert not {row[1] for row in after} & {row[1] for row in before}
    assert signer.get("relay", ask_for(company, "sweep", **sweep(company)))["hash"]
    assert signer.stop() == 0
    signer.start()
    assert signer.get("status", {})["pool"] == {"0": COUNT}
    assert signer.stop() == 0
    assert _again(signer) == signer.accounts[0]
    assert signer.ceremony("rotate-kek")["generation"] == 3, "KEK 1 is gone from both tokens"


@pytest.mark.parametrize("point", ["rotate.carried", "rotate.staged", "rotate.swapped"])
def test_an_interrupted_rotation_goes_on(signer: Signer, point: str) -> None:
    signer.environment["STRONGROOM_CRASH_AT"] = point
    assert signer.command("ceremony", "rotate-kek").returncode not in (0, 78)
    del signer.environment["STRONGROOM_CRASH_AT"]
    swapped = point == "rotate.swapped"
    assert _rows(signer, "SELECT DISTINCT kek FROM sealed_key") == [(2 if swapped else 1,)]
    staged = _rows(signer, "SELECT count(*) FROM staged_key")[0][0]
    assert staged == (COUNT if point == "rotate.staged" else 0)
    signer.start()
    company = signer.company()
    assert signer.get("relay", ask_for(company, "sweep", **sweep(company)))["hash"]
    facts = signer.ceremony("rotate-kek")
    assert (facts["generation"], facts["keys"]) == (2, 0 if swapped else COUNT + SPENDING)
    assert _rows(signer, "SELECT DISTINCT kek FROM sealed_key") == [(2,)]
    assert _rows(signer, "SELECT count(*) FROM staged_key") == [(0,)]
    assert signer.stop() == 0
    signer.start()
    assert signer.get("status", {})["pool"] == {"0": COUNT}


def test_a_staged_blob_that_was_changed_is_never_put_in_place(signer: Signer) -> None:
    signer.environment["STRONGROOM_CRASH_AT"] = "rotate.staged"
    assert signer.command("ceremony", "rotate-kek").returncode not in (0, 78)
    del signer.environment["STRONGROOM_CRASH_AT"]
    _rows(signer, "UPDATE staged_key SET wrapped = zeroblob(72) WHERE leaf_index = 3")
    done = signer.command("ceremony", "rotate-kek")
    assert done.returncode == 78
    assert "changed by somebody else" in done.stderr
    assert _rows(signer, "SELECT DISTINCT kek FROM sealed_key") == [(1,)]


def test_the_drill_signs_from_random_leaves_and_leaves_nothing(signer: Signer) -> None:
    words = ("--manifest", str(signer.folder / "account.json"), "--leaves", str(DRILLED))
    before = set(Path("/dev/shm").glob("strongroom-drill-*"))
    signer.environment["STRONGROOM_SIGNER_PIN_FILE"] = "/nowhere"
    report = signer.ceremony("drill", *_shares(signer, 2, 3), *words)
    assert report["keys"] == DRILLED
    assert report["deposit"] + report["spending"] == DRILLED
    assert report["in_manifests"] == report["deposit"]
    assert set(Path("/dev/shm").glob("strongroom-drill-*")) == before


def test_the_drill_fails_for_other_shares_and_other_manifests(signer: Signer) -> None:
    with short_folder("oth") as place:
        other = signer_in(Path(place))
        other.init()
        other.ceremony("new", "--shares", "1of1", "--shares-dir", str(other.folder / "shares"))
        done = signer.command("ceremony", "drill", *_shares(other, 1))
    assert done.returncode == 78
    assert "the drill failed" in done.stderr
    manifest = signer.folder / "account.json"
    document = parse_json(manifest.read_bytes())
    document["addresses"][7] = checksum(OFFICERS[0].address)
    manifest.write_text(json.dumps(document))
    done = signer.command("ceremony", "drill", *_shares(signer, 1, 2), "--manifest", str(manifest))
    assert done.returncode == 78
    assert "its addresses do not lead to its root" in done.stderr


def test_officers_sign_the_transcript_and_the_next_start_journals_it(signer: Signer) -> None:
    path = signer.folder / "signer" / "transcript.jsonl"
    acts = read_transcript(path.read_bytes())
    assert [act["act"] for act in acts] == ["init", "new", "shares", "account"]
    wanted = CeremonyTranscript(head_of(acts), len(acts))
    assert signer.ceremony("sign-off")["message"] == wanted.as_json(CHAIN_ID)["message"]
    signatures = [
        word
        for officer in OFFICERS[:2]
        for word in ("--officer-signature", officer.sign(wanted.digest(CHAIN_ID)))
    ]
    few = signer.command("ceremony", "sign-off", *signatures[:2])
    assert few.returncode == 78
    assert "not signed off" in few.stderr
    assert signer.ceremony("sign-off", *signatures)["lines"] == len(acts)
    signer.start()
    assert signer.stop() == 0
    receipts = _receipts(signer)
    assert [one["lines"] for one in receipts] == [len(acts) + 1]
    assert receipts[0]["head"] == "0x" + head_of(read_transcript(path.read_bytes())).hex()
    signer.start()
    assert signer.stop() == 0
    assert _receipts(signer) == receipts, "a head is journalled once"


def test_a_changed_transcript_stops_a_ceremony_before_it_does_anything(signer: Signer) -> None:
    path = signer.folder / "signer" / "transcript.jsonl"
    path.write_text(path.read_text().replace('"files":true', '"files":false'))
    done = signer.command("ceremony", "rotate-kek")
    assert done.returncode == 78
    assert "line 4 of the transcript does not fit" in done.stderr
    assert _rows(signer, "SELECT DISTINCT kek FROM sealed_key") == [(1,)]


@pytest.mark.parametrize("lines", [0, 2])
def test_a_shortened_transcript_stops_the_start(signer: Signer, lines: int) -> None:
    signer.start()
    assert signer.stop() == 0
    path = signer.folder / "signer" / "transcript.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    signer.start()
    assert signer.stop() == 78
    assert "not the transcript that was journalled" in signer.log


def test_no_secret_reaches_the_transcript_or_the_words(signer: Signer) -> None:
    secrets = [path.read_text().split() for path in (signer.folder / "shares").iterdir()]
    done = signer.command("ceremony", "drill", *_shares(signer, 1, 2), "--leaves", "1")
    text = done.stdout + done.stderr
    text += (signer.folder / "signer" / "transcript.jsonl").read_text()
    for share in secrets:
        assert not any(" ".join(share[at : at + 2]) in text for at in range(len(share) - 1))


def test_dice_are_dice_and_enough() -> None:
    with short_folder("dic") as place:
        other = signer_in(Path(place))
        other.init()
        for rolls, passes in (("123456" * 8, False), ("1234567" * 10, False), ("1652 " * 20, True)):
            done = subprocess.run(
                [sys.executable, "-m", "strongroom_signer.main", "ceremony", "new", "--dice"],
                env=other.environment, input=rolls + "\n", capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert (done.returncode == 0) == passes, done.stderr
            assert passes or "dice are at least 50 digits" in done.stderr
            assert rolls not in done.stdout + done.stderr


class _Person:
    """Sits at a terminal, reads what is on it and types."""

    def __init__(self, line: list[str], environment: dict[str, str]) -> None:
        self.child, self._terminal = pty.fork()
        if self.child == 0:
            os.execve(line[0], line, environment)
        self.seen, self._read = "", 0

    def read_until(self, text: str) -> str:
        """What appeared since the last call, up to and with `text`."""
        began, deadline = self._read, time.monotonic() + 30
        while text not in self.seen[began:]:
            left = deadline - time.monotonic()
            assert left > 0, self.seen
            assert select.select([self._terminal], [], [], left)[0], self.seen
            self.seen += os.read(self._terminal, 65536).decode()
        self._read = self.seen.index(text, began) + len(text)
        return self.seen[began : self._read]

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode() + b"\n")

    def leave(self) -> int:
        _, status = os.waitpid(self.child, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)


def test_an_officer_alone_sees_a_share_and_three_words_are_asked_back(signer: Signer) -> None:
    main = [sys.executable, "-m", "strongroom_signer.main", "ceremony", "new"]
    person = _Person([*main, "--shares", "2of2", "--show"], signer.environment)
    shares = []
    for number in (1, 2):
        person.read_until(f"Share {number} of 2. Let nobody else see")
        person.type("")
        screen = person.read_until("the screen is cleared.")
        words = dict(re.findall(r"(\d+)\. ([a-z]+)", screen.partition("\033[?1049h")[2]))
        assert len(words) == 33
        shares.append(" ".join(words[str(place)] for place in range(1, 34)))
        person.type("")
        for _ in range(3):
            asked = person.read_until("(not shown while you type):")
            person.type(words[re.findall(r"Word (\d+) ", asked)[-1]])
        person.read_until("right. Keep it")
    person.read_until("Older sets of this seed still work.")
    assert person.leave() == 0
    screens = re.sub(r"\033\[\?1049h.*?\033\[\?1049l", "", person.seen, flags=re.DOTALL)
    assert not re.search(r"\d+\. [a-z]+", screens), "a word stood outside the second screen"
    _lose_the_vault(signer)
    person = _Person([*main[:-1], "restore"], signer.environment)
    for number, share in enumerate(shares, 1):
        person.read_until(f"Share {number} (not shown while you type):")
        person.type(share)
    person.read_until("Compare with what you know")
    assert person.leave() == 0
    assert shares[0] not in person.seen
