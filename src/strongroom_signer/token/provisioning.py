"""Making a token: C_InitToken, C_InitPIN (PKCS#11 2.40, 5.5), which python-pkcs11 does not offer.
Used by the ceremony only. The security officer's PIN is random and forgotten: a token whose user
PIN is lost is made again from the seed's shares, never unlocked.
"""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from strongroom_signer.errors import Unfit

CKF_SERIAL_RW = 0x4 | 0x2
CKF_TOKEN_INITIALIZED = 0x400
CKU_SO = 0
ALREADY_INITIALIZED = 0x191
_TOKEN_INFO_BYTES = 256


def token_labels(module_path: str) -> frozenset[str]:
    """The labels of the initialised tokens that the module shows."""
    with _module(module_path) as library:
        return frozenset(label for label in _slots_by_label(library) if label)


def make_token(module_path: str, label: str, user_pin: str) -> None:
    """Initialise the first free slot as a token named `label`, opened by `user_pin`.

    Raises Unfit when the label is taken or no slot is free.
    """
    with _module(module_path) as library:
        slots = _slots_by_label(library)
        if label in slots:
            raise Unfit(f"a token named {label!r} exists already; nothing was changed")
        if "" not in slots:
            raise Unfit("no free slot is left; initialise a token with your HSM's own tool")
        so_pin = secrets.token_hex(16).encode()
        padded = label.encode().ljust(32)[:32]
        made = library.C_InitToken(slots[""], so_pin, len(so_pin), padded)
        _must(made, "initialise the token")
        _set_user_pin(library, _slots_by_label(library)[label], so_pin, user_pin.encode())


def _set_user_pin(library: ctypes.CDLL, slot: int, so_pin: bytes, pin: bytes) -> None:
    session = ctypes.c_ulong()
    opened = library.C_OpenSession(slot, CKF_SERIAL_RW, None, None, ctypes.byref(session))
    _must(opened, "open a session")
    try:
        _must(library.C_Login(session, CKU_SO, so_pin, len(so_pin)), "log in as its officer")
        _must(library.C_InitPIN(session, pin, len(pin)), "set the user's PIN")
        _must(library.C_Logout(session), "log out")
    finally:
        library.C_CloseSession(session)


def _slots_by_label(library: ctypes.CDLL) -> dict[str, int]:
    slots: dict[str, int] = {}
    for slot in _slots(library):
        information = (ctypes.c_ubyte * _TOKEN_INFO_BYTES)()
        if library.C_GetTokenInfo(ctypes.c_ulong(slot), information) != 0:
            continue
        label = bytes(information[:32]).decode("utf-8", "replace").rstrip()
        # CK_TOKEN_INFO: label 32, manufacturer 32, model 16, serial 16, then the flags.
        flags = int.from_bytes(bytes(information[96:104]), "little")
        slots.setdefault(label if flags & CKF_TOKEN_INITIALIZED else "", slot)
    return slots


@contextmanager
def _module(module_path: str) -> Iterator[ctypes.CDLL]:
    """The module, initialised for as long as this lasts unless it was so before."""
    library = _load(module_path)
    started = library.C_Initialize(None)
    if started not in (0, ALREADY_INITIALIZED):
        raise Unfit(f"the PKCS#11 module does not start (CKR 0x{started:X}): {module_path}")
    try:
        yield library
    finally:
        if started == 0:
            library.C_Finalize(None)


def _load(module_path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(module_path)
    except OSError as error:
        raise Unfit(
            f"the PKCS#11 module {module_path!r} cannot be loaded; set STRONGROOM_PKCS11_MODULE"
        ) from error
    for name in ("C_InitToken", "C_OpenSession", "C_Login", "C_InitPIN"):
        getattr(library, name).restype = ctypes.c_ulong
    library.C_InitToken.argtypes = [
        ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p,
    ]  # fmt: skip
    library.C_OpenSession.argtypes = [
        ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    library.C_Login.argtypes = [
        ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong,
    ]  # fmt: skip
    library.C_InitPIN.argtypes = [ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong]
    return library


def _slots(library: ctypes.CDLL) -> list[int]:
    count = ctypes.c_ulong()
    _must(library.C_GetSlotList(1, None, ctypes.byref(count)), "list the slots")
    found = (ctypes.c_ulong * count.value)()
    _must(library.C_GetSlotList(1, found, ctypes.byref(count)), "list the slots")
    return [int(slot) for slot in found]


def _must(result: int, what: str) -> None:
    if result != 0:
        raise Unfit(f"the token refused to {what} (CKR 0x{result & 0xFFFFFFFF:X})")
