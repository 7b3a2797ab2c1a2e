"""Opening a token: module, label, PIN. One thread a process may use it, and no fork after it.
Initialisation is serialised by a file lock, since racing processes get CKR_GENERAL_ERROR.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, ObjectClass, PKCS11Error

from strongroom_signer.errors import Unfit
from strongroom_signer.token.attributes import TokenAttributes


class TokenSession:
    """A logged-in read-write session on one token."""

    def __init__(self, module_path: str, label: str, pin: str, lock_file: Path) -> None:
        """Raises Unfit: no such module or token, wrong PIN."""
        with _locked(lock_file):
            try:
                token = pkcs11.lib(module_path).get_token(token_label=label)
                self.session = token.open(rw=True, user_pin=pin, attribute_mapper=TokenAttributes())
            except (PKCS11Error, RuntimeError) as error:
                raise Unfit(
                    f"the token {label!r} cannot be opened ({type(error).__name__}): check the "
                    "PIN file, the module and, for SoftHSM, SOFTHSM2_CONF; a token is made by "
                    "'strongroom-signer ceremony init'"
                ) from None
        self.label = label
        self.manufacturer = token.manufacturer_id

    def find(self, kind: ObjectClass, label: str) -> Any | None:
        """The one object of that class and label, or None; raises Unfit if there are several."""
        found = list(self.session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))
        if len(found) > 1:
            raise Unfit(f"the token {self.label!r} holds {len(found)} objects named {label!r}")
        return found[0] if found else None

    def need(self, kind: ObjectClass, label: str) -> Any:
        """Like `find`, but raises Unfit when it is missing."""
        found = self.find(kind, label)
        if found is None:
            raise Unfit(
                f"the token {self.label!r} holds no {label!r}: run 'strongroom-signer ceremony "
                "init', which completes what is missing"
            )
        return found

    def create(self, attributes: Mapping[Attribute, Any]) -> Any:
        """C_CreateObject."""
        return self.session.create_object(dict(attributes))

    def random(self, size: int) -> bytes:
        """`size` bytes from the token's generator."""
        return self.session.generate_random(size * 8)

    def put_data(self, label: str, value: bytes) -> None:
        """Store a private data object: the new one first, then the old ones go. A crash between
        leaves both; `data` reads all.
        """
        wanted = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label}
        old = list(self.session.get_objects(wanted))
        self.create(
            {**wanted, Attribute.TOKEN: True, Attribute.PRIVATE: True, Attribute.VALUE: value}
        )
        for item in old:
            item.destroy()

    def drop_data(self, label: str) -> None:
        """Destroy the data objects of that label."""
        wanted = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label}
        for item in list(self.session.get_objects(wanted)):
            item.destroy()

    def data(self, label: str) -> list[bytes]:
        """The values of all data objects of that label."""
        wanted = {Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: label}
        return [bytes(item[Attribute.VALUE]) for item in self.session.get_objects(wanted)]

    def close(self) -> None:
        """Log out. Other sessions of this process on the same token lose their login too."""
        self.session.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
