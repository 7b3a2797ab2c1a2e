import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom_protocol.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    key_hash,
    open_note,
    signed_note,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"\5" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(b"\6" * 32).public_key().public_bytes_raw()
LOG = "strongroom.test/log"
CHECKPOINT = Checkpoint(LOG, 42, b"\1" * 32, ("journal 7 0xab",))
NOTE = signed_note(CHECKPOINT, PUBLIC, KEY.sign(CHECKPOINT.text()))


def test_key_hash_of_the_go_checksum_database():
    public = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")[1:]
    assert key_hash("sum.golang.org", public).hex() == "033de0ae"


def test_a_signed_note_has_the_form_of_the_standard_and_opens():
    lines = NOTE.split("\n")
    assert lines[:3] == [LOG, "42", base64.b64encode(b"\1" * 32).decode()]
    assert lines[4] == ""
    assert lines[5].startswith(f"— {LOG} ")
    assert open_note(NOTE, LOG, PUBLIC) == CHECKPOINT


def test_lines_of_witnesses_are_passed_over():
    witness = "— witness.example " + base64.b64encode(bytes(68)).decode() + "\n"
    head, stamp = NOTE.split("\n\n")
    assert open_note(f"{head}\n\n{witness}{stamp}", LOG, PUBLIC) == CHECKPOINT


@pytest.mark.parametrize(
    "note",
    [
        "", NOTE[:-1], NOTE.replace("42", "43"), NOTE.replace("42", "042"),
        NOTE.replace("journal 7", "journal 8"), NOTE.replace("— ", "- "), NOTE.split("\n\n")[0],
        NOTE.replace(f"— {LOG} ", f"— {LOG} A"), NOTE.replace(LOG, "other.test/log"),
        NOTE.replace("\n\n", "\n"), NOTE + " " * 20_000,
    ],
)  # fmt: skip
def test_changed_notes_are_refused(note):
    with pytest.raises(CheckpointInvalid):
        open_note(note, LOG, PUBLIC)


def test_another_key_or_another_log_is_refused():
    with pytest.raises(CheckpointInvalid):
        open_note(NOTE, LOG, OTHER)
    with pytest.raises(CheckpointInvalid):
        open_note(NOTE, "other.test/log", PUBLIC)


@pytest.mark.parametrize(
    "parts",
    [
        ("two words", 1, bytes(32)), ("a+b", 1, bytes(32)), ("", 1, bytes(32)),
        (LOG, -1, bytes(32)), (LOG, 1, bytes(31)), (LOG, 1, bytes(32), ("",)),
        (LOG, 1, bytes(32), ("a\nb",)),
    ],
)  # fmt: skip
def test_checkpoints_that_cannot_be_written_are_refused(parts):
    with pytest.raises(CheckpointInvalid):
        Checkpoint(*parts)


def test_signatures_of_other_lengths_are_refused():
    with pytest.raises(CheckpointInvalid):
        signed_note(CHECKPOINT, PUBLIC, b"\0" * 63)
