"""P6: what the signer is given at its start, and what it does not start with."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.factories.parts.place import short_folder
from tests.integration.strongroom_signer.test_process import Signer, signer_in


@pytest.fixture
def signer() -> Iterator[Signer]:
    with short_folder("sgs") as place:
        made = signer_in(Path(place))
        yield made
        if made.child is not None and made.child.poll() is None:
            made.stop()


def test_soft_tokens_are_refused_on_a_public_main_network_unless_on_trial(signer: Signer) -> None:
    signer.environment["STRONGROOM_CHAIN_ID"] = "1"
    signer.init()
    done = signer.command("serve")
    assert done.returncode == 78
    assert "SoftHSM" in done.stderr
    signer.start(STRONGROOM_SOFTHSM_TRIAL="1")
    assert signer.get("status", {})["trial"] is True
    assert signer.stop() == 0
    assert "TRIAL: A SOFTWARE TOKEN" in signer.log


def open_files(pid: int) -> set[Path]:
    """What a process has open; one that it closes meanwhile is not."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(entry.readlink())
    return found


def test_a_pin_by_descriptor_is_read_once_and_closed(signer: Signer) -> None:
    signer.init()
    file = Path(signer.environment.pop("STRONGROOM_SIGNER_PIN_FILE"))
    ours, theirs = os.pipe()
    os.write(theirs, file.read_bytes())
    os.close(theirs)
    pipe = Path(f"/proc/self/fd/{ours}").readlink()
    file.unlink()
    signer.start(STRONGROOM_SIGNER_PIN_FD=str(ours), pass_fds=(ours,))
    os.close(ours)
    assert signer.get("status", {})["trial"] is False
    assert signer.child is not None
    assert pipe not in open_files(signer.child.pid)


def test_the_vault_needs_every_officers_part(signer: Signer) -> None:
    signer.init()
    assert signer.ceremony("new") == {"made": True}
    first, second = signer.environment["STRONGROOM_VAULT_PIN_FILES"].split(",")
    assert Path(first).read_text() != Path(second).read_text()
    for wrong in (f"{second},{first}", first, f"{first},{first}"):
        signer.environment["STRONGROOM_VAULT_PIN_FILES"] = wrong
        assert signer.command("ceremony", "new").returncode == 78
