"""What a newcomer types: each script explains itself, and says what is missing."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.factories.parts.place import REPOSITORY

SCRIPTS = sorted(p.name for p in (REPOSITORY / "scripts").iterdir() if p.is_file())


def run(*words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PATH": path} if path else {})}
    return subprocess.run(
        [f"scripts/{words[0]}", *words[1:]],
        cwd=REPOSITORY,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_prints_its_help(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"scripts/{name}" in done.stdout


@pytest.mark.parametrize("name", ["setup", "lint", "lock"])
def test_an_unknown_word_is_answered_by_the_usage(name: str) -> None:
    done = run(name, "--no-such-thing")
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_an_unknown_bench_is_answered_by_the_list() -> None:
    done = run("bench", "no-such-bench")
    assert done.returncode == 2
    assert "there is no bench 'no-such-bench'" in done.stderr


def test_a_second_setup_says_nothing() -> None:
    done = run("setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_root_a_missing_system_package_is_named_with_the_command(tmp_path: Path) -> None:
    missing = {"softhsm2-util", "sudo", "id"}
    for folder in ("/usr/bin", "/bin"):
        for tool in Path(folder).iterdir():
            link = tmp_path / tool.name
            if tool.name not in missing and not link.is_symlink():
                link.symlink_to(tool)
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = run("setup", "--python-only", path=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install softhsm2" in done.stderr
    assert "as root" in done.stderr
