"""What is set wrongly is named, before anything is opened."""

from pathlib import Path

import pytest

from strongroom_signer.errors import Unfit
from strongroom_signer.settings import Settings
from strongroom_signer.token.session import read_pin

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
