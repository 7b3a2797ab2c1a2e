"""SoftHSM 2, the token of development: a configuration file and a folder of tokens.

The module is the system's (`softhsm2`); STRONGROOM_PKCS11_MODULE names another one. Making the
tokens and their keys is the key ceremony's work, not done here.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from strongroom.cli.dev.program import ProgramFailed

PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/{machine}-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)


class SoftToken:
    """A folder with its own SoftHSM configuration; nothing outside it is touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.configuration = self.folder / "softhsm2.conf"
        self.module = softhsm_module()

    def prepare(self) -> None:
        """Write the configuration and make the folder of tokens (0700), unless there."""
        tokens = self.folder / "objects"
        tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [f"directories.tokendir = {tokens}", "objectstore.backend = file"]
        lines += ["log.level = ERROR", "slots.removable = false", "slots.mechanisms = ALL"]
        self.configuration.write_text("\n".join(lines) + "\n")

    def environment(self) -> Mapping[str, str]:
        """Return what a process needs to find the tokens."""
        return {
            "SOFTHSM2_CONF": str(self.configuration),
            "STRONGROOM_PKCS11_MODULE": str(self.module),
        }


def softhsm_module() -> Path:
    """Return the PKCS#11 module. Raises ProgramFailed, saying what to install."""
    named = os.environ.get("STRONGROOM_PKCS11_MODULE")
    places = [named] if named else [p.format(machine=os.uname().machine) for p in PLACES]
    for place in places:
        if Path(place).exists():
            return Path(place)
    message = (
        f"no PKCS#11 module at {', '.join(places)}. Install SoftHSM (apt-get install softhsm2), "
        "or name another module in STRONGROOM_PKCS11_MODULE."
    )
    raise ProgramFailed(message)
