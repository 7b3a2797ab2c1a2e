"""What is set wrongly is named, before anything is opened."""

import hashlib
import os
from pathlib import Path

import pytest

from strongroom_signer.errors import Unfit
from strongroom_signer.settings import Settings
from strongroom_signer.token.pins import join_parts, read_pin
from strongroom_signer.token.selfcheck import is_stuck

GOOD = {
    "STRONGROOM_SIGNER_DIR": "/nowhere/signer",
    "STRONGROOM_CHAIN_ID": "31337",
    "STRONGROOM_SIGNER_PIN_FILE": "/nowhere/pin",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(Unfit, match=name):
        Settings.from_environment({**GOOD, name: ""})


@pytest.mark.parametrize("wrong", ["0", "-1", "one", "1.5", "0x1"])
def test_a_chain_id_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(Unfit, match="STRONGROOM_CHAIN_ID"):
        Settings.from_environment({**GOOD, "STRONGROOM_CHAIN_ID": wrong})


def test_a_pin_file_open_to_others_is_refused_without_showing_the_pin(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text("a secret pin\n")
    file.chmod(0o640)
    with pytest.raises(Unfit, match="open to others") as refusal:
        read_pin(file)
    assert "secret" not in str(refusal.value)
    file.chmod(0o600)
    assert read_pin(file) == "a secret pin"
    file.write_text("short\n")
    with pytest.raises(Unfit, match="shorter") as refusal:
        read_pin(file)
    assert "short\n" not in str(refusal.value)


@pytest.mark.parametrize("wrong", ["/nowhere/a", "/nowhere/a,/nowhere/a", "/nowhere/a,"])
def test_one_officer_cannot_open_the_vault_alone(wrong: str) -> None:
    with pytest.raises(Unfit, match="two officers"):
        Settings.from_environment({**GOOD, "STRONGROOM_VAULT_PIN_FILES": wrong})


def test_parts_are_joined_behind_their_lengths() -> None:
    joined = join_parts(["partpart", "another part"])
    framed = b"strongroom vault pin 1" + b"\0\0\0\x08partpart" + b"\0\0\0\x0canother part"
    assert joined == hashlib.sha256(framed).hexdigest()[:32]
    assert join_parts(["partparta", "nother part"]) != joined
    assert join_parts(["another part", "partpart"]) != joined
    with pytest.raises(Unfit, match="the same"):
        join_parts(["partpart", "partpart"])


def test_a_descriptor_gives_its_pin_once() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a secret pin\n")
    os.close(writer)
    settings = Settings.from_environment({**GOOD, "STRONGROOM_SIGNER_PIN_FD": str(reader)})
    assert [settings.signer_pin.read() for _ in range(2)] == ["a secret pin"] * 2
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("first", "second", "stuck"),
    [
        (bytes(range(32)), bytes(range(1, 33)), False),
        (bytes(range(32)), bytes(range(32)), True),
        (bytes(32), bytes(range(32)), True),
        (bytes(range(32)), b"\xff" * 32, True),
    ],
)
def test_a_generator_that_repeats_itself_is_stuck(
    first: bytes, second: bytes, *, stuck: bool
) -> None:
    assert is_stuck(first, second) is stuck
