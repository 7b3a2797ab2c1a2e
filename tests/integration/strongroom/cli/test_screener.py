"""`strongroom screener`: its key stays its own, its lists are shown, its process ends when told."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strongroom.cli import screener
from tests.factories.parts.postgres import TestDatabase

LISTED = "0x7F367cC41522cE07553e823bf3be79A889DEbe1B"


def test_the_key_is_made_once_readable_by_its_owner_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secrets" / "screener.key"
    monkeypatch.setenv("STRONGROOM_SCREENER_KEY_FILE", str(path))
    assert screener.run(["key"]) == 0
    first = capsys.readouterr().out.split()[-1]
    assert screener.run(["key"]) == 0
    assert capsys.readouterr().out.split()[-1] == first
    assert len(bytes.fromhex(first)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["screener.key"]
    path.chmod(0o644)
    assert screener.run(["key"]) == 1
    assert "chmod 600" in capsys.readouterr().out


def test_a_list_is_imported_and_shown(
    tmp_path: Path,
    database: TestDatabase,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", database.url("strongroom_screener"))
    file = tmp_path / "list.txt"
    file.write_text(f"{LISTED}\nnonsense\n")
    assert screener.run(["lists"]) == 0
    assert "nobody can be cleared" in capsys.readouterr().out
    assert screener.run(["import", str(file), "--name", "ofac-eth"]) == 0
    shown = capsys.readouterr().out
    assert "version 1  1 addresses  +1 -0, 1 lines refused" in shown
    assert "refused line 2: 'nonsense'" in shown
    assert screener.run(["lists"]) == 0
    assert capsys.readouterr().out.startswith("ofac-eth  version 1")


def test_the_process_starts_and_ends_when_told(tmp_path: Path, database: TestDatabase) -> None:
    environment = {
        **os.environ,
        "STRONGROOM_DATABASE_URL": database.url("strongroom_screener"),
        "STRONGROOM_SCREENER_KEY_FILE": str(tmp_path / "screener.key"),
        "STRONGROOM_HEALTH_PORT": "0",
    }
    command = [sys.executable, "-c", "import sys; from strongroom.cli.screener import run; "]
    command[-1] += "sys.exit(run(sys.argv[1:]))"
    assert subprocess.run([*command, "key"], env=environment, check=False).returncode == 0
    with subprocess.Popen(command, env=environment) as process:
        time.sleep(2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
