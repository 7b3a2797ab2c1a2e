"""The screener's Ed25519 key: a file that only its own user may read.

It moves no money: it states a verdict, and the signer checks that statement beside people's
signatures and the signed policy.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from strongroom.screening.errors import ScreenerKeyMissing


def make_key(path: Path) -> Ed25519PrivateKey:
    """Make the key file (mode 0600) unless it is there already; returns the key in it."""
    if path.exists():
        return load_key(path)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where another process was faster; a rename would throw its key away.
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            return load_key(path)
    finally:
        fresh.unlink()
    return key


def load_key(path: Path | None) -> Ed25519PrivateKey:
    """Read the key file. Raises ScreenerKeyMissing."""
    if path is None:
        raise ScreenerKeyMissing(
            "STRONGROOM_SCREENER_KEY_FILE is not set; name the file that "
            "`strongroom screener key` made."
        )
    try:
        mode = path.stat().st_mode & 0o077
        raw = path.read_bytes()
    except OSError as error:
        raise ScreenerKeyMissing(
            f"The screener's key file {path} cannot be read ({error.strerror}); make it with "
            "`strongroom screener key`."
        ) from error
    if mode:
        raise ScreenerKeyMissing(
            f"The screener's key file {path} may be read by others; run chmod 600 on it, and make "
            "a new key if others have used this machine."
        )
    try:
        key = load_pem_private_key(raw, password=None)
    except ValueError as error:
        raise ScreenerKeyMissing(f"The screener's key file {path} holds no key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ScreenerKeyMissing(f"The screener's key file {path} holds no Ed25519 key.")
    return key


def public_key_hex(key: Ed25519PrivateKey) -> str:
    """The public half: 64 hexadecimal digits, as the signer's configuration wants it."""
    return key.public_key().public_bytes_raw().hex()
