"""What a person reads when `scripts/run` cannot start, and what it leaves alone."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.cli.dev.ports import Ports
from strongroom.cli.dev.program import ProgramFailed
from strongroom.cli.dev.state import State
from tests.factories.parts.place import REPOSITORY, free_base, short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder("st") as made:
        yield made / "state"


def dev(*words: str) -> subprocess.CompletedProcess[str]:
    front = "from strongroom.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", front, "dev", *words]
    return subprocess.run(
        command, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=60
    )


def test_a_port_in_use_is_named_with_its_holder_and_another_base(folder: Path) -> None:
    base = free_base()
    with socket.create_server(("127.0.0.1", base + 1)):
        done = dev("--state", str(folder), "--port-base", str(base))
    assert done.returncode == 1
    assert f"port {base + 1} (anvil) is in use by process {os.getpid()}" in done.stderr
    assert "scripts/run --port-base" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "postgres").exists()


def test_a_port_in_use_does_not_make_the_state_half_made(folder: Path) -> None:
    base = free_base()
    with socket.create_server(("127.0.0.1", base)):
        for _ in range(2):
            done = dev("--state", str(folder), "--port-base", str(base))
            assert "is in use by" in done.stderr


def test_a_half_made_state_is_refused_and_fresh_mends_it(folder: Path) -> None:
    state = State(folder)
    state.open(fresh=False)
    state.close()
    (folder / "postgres").mkdir()
    done = dev("--state", str(folder), "--port-base", str(free_base()))
    assert done.returncode == 1
    assert "is half made" in done.stderr
    assert "scripts/run --fresh" in done.stderr
    State(folder).open(fresh=True)
    assert not (folder / "postgres").exists()


def test_a_state_of_another_version_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "stamp.json").write_text(json.dumps({"layout": 999, "made": True}))
    done = dev("--state", str(folder), "--port-base", str(free_base()))
    assert done.returncode == 1
    assert "another version (layout 999" in done.stderr


@pytest.mark.parametrize("words", [(), ("--fresh",)])
def test_a_folder_without_our_stamp_is_left_alone_even_when_fresh(
    folder: Path, words: tuple[str, ...]
) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    done = dev("--state", str(folder), "--port-base", str(free_base()), *words)
    assert done.returncode == 1
    assert "no stamp of ours" in done.stderr
    assert [entry.name for entry in folder.iterdir()] == ["thesis.tex"]


def test_a_second_instance_on_the_same_folder_is_refused(folder: Path) -> None:
    State(folder).open(fresh=False)
    done = dev("--state", str(folder), "--fresh", "--port-base", str(free_base()))
    assert done.returncode == 1
    assert "already runs on" in done.stderr


def test_a_missing_part_is_named_with_what_to_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_PKCS11_MODULE", "/nowhere/libsofthsm2.so")
    done = dev("--state", str(folder), "--port-base", str(free_base()))
    assert done.returncode == 1
    assert "apt-get install softhsm2" in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


def test_killing_what_does_not_run_says_what_does(folder: Path) -> None:
    done = dev("--state", str(folder), "kill", "relay")
    assert done.returncode == 1
    assert "no process 'relay' runs" in done.stderr


def test_ports_have_one_owner_each() -> None:
    ports = Ports(9000).by_name
    assert len(set(ports.values())) == len(ports) == 9


def test_free_ports_pass() -> None:
    Ports(free_base()).check_free()


def test_a_taken_port_raises() -> None:
    base = free_base()
    with (
        socket.create_server(("127.0.0.1", base + 8)),
        pytest.raises(ProgramFailed, match="beat"),
    ):
        Ports(base).check_free()


def test_the_holder_of_a_port_is_named_on_a_line_of_80_columns() -> None:
    port = free_base()
    serve = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(1); s.accept()"
    command = [sys.executable, "-uc", serve, "/a/long/way/to/some/file", "--and", "more" * 20]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(ProgramFailed) as caught:
                Ports(port).check_free()
        finally:
            process.kill()
    line = str(caught.value).splitlines()[0]
    assert f"by process {process.pid} (python" in line
    assert line.endswith("…)")
    assert len(line) <= 76


@pytest.mark.parametrize("word", ["70000", "65528", "80", "-1", "many"])
def test_a_base_that_leaves_no_nine_ports_is_refused(folder: Path, word: str) -> None:
    done = dev("--state", str(folder), f"--port-base={word}")
    assert done.returncode == 2
    assert "is not a port from 1024 to 65527" in done.stderr
    assert "Traceback" not in done.stderr
