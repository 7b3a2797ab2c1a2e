"""What a newcomer types: each script explains itself, and says what is missing."""

import os
import signal
import subprocess
import time
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


def system_without(folder: Path, *missing: str, **stubs: str) -> str:
    """Return a PATH of this system's tools but for some, and with some replaced by sh scripts."""
    for source in ("/usr/bin", "/bin"):
        for tool in Path(source).iterdir():
            link = folder / tool.name
            if tool.name not in {*missing, *stubs} and not link.is_symlink():
                link.symlink_to(tool)
    for name, text in stubs.items():
        stub = folder / name.replace("_", "-")
        stub.unlink(missing_ok=True)
        stub.write_text(f"#!/bin/sh\n{text}\n")
        stub.chmod(0o755)
    return str(folder)


def test_without_root_a_missing_system_package_is_named_with_the_command(tmp_path: Path) -> None:
    path = system_without(tmp_path, "softhsm2-util", "sudo", id="echo 1000")
    done = run("setup", "--python-only", path=path)
    assert done.returncode == 1
    assert "apt-get install softhsm2" in done.stderr
    assert "as root" in done.stderr


def test_only_parts_that_drive_a_browser_ask_for_one(tmp_path: Path) -> None:
    path = system_without(tmp_path, "chromium", "chromium-browser", "sudo", id="echo 1000")
    with_browser = run("test", "e2e", path=path)
    assert with_browser.returncode == 1
    assert "apt-get install chromium" in with_browser.stderr
    without = run("test", "unit", "--collect-only", "-k", "no_such_test", path=path)
    assert "chromium" not in without.stderr
    assert "── unit" in without.stdout


def test_ctrl_c_in_a_step_says_that_what_was_done_is_kept(tmp_path: Path) -> None:
    tools, scratch = tmp_path / "tools", tmp_path / "scratch"
    tools.mkdir()
    scratch.mkdir()
    path = system_without(tools, "softhsm2-util", id="echo 0", apt_get="exec sleep 60")
    setup = subprocess.Popen(
        # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
        ["/usr/bin/env", "--default-signal=INT", "scripts/setup", "--python-only"],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": path, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    while not list(scratch.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(setup.pid, signal.SIGINT)
    _, said = setup.communicate(timeout=20)
    assert setup.returncode == 130
    assert "What was done is kept" in said
    assert list(scratch.iterdir()) == []
