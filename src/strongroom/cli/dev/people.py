"""Secrets of a first day on one machine: the operator's token, the custody officers' keys.

The service never reads the folder of people's keys; it learns addresses only.
"""

import os
import secrets
from pathlib import Path

import coincurve

from strongroom_protocol.addresses import address_of_public_key, checksum

OFFICERS = 2


def make_officers(folder: Path) -> list[str]:
    """Make `officer-N.key` (0x hex, 0600) and `officers.txt`, unless there; return addresses."""
    listed = folder / "officers.txt"
    if listed.exists():
        return listed.read_text().split()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    addresses = []
    for number in range(1, OFFICERS + 1):
        key = coincurve.PrivateKey()
        write_private(folder / f"officer-{number}.key", f"0x{key.secret.hex()}\n")
        public = key.public_key.format(compressed=False)
        addresses.append(checksum(address_of_public_key(public)))
    making = listed.with_suffix(".making")
    making.write_text("\n".join(addresses) + "\n")
    making.rename(listed)
    return addresses


def make_secret(path: Path, bytes_of_randomness: int = 24) -> None:
    """Make a file with a fresh random hex secret, unless it is there."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(bytes_of_randomness) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file that we alone may read, in one step."""
    making = path.with_name(path.name + ".making")
    making.unlink(missing_ok=True)
    descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    making.rename(path)
