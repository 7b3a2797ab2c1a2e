"""PKCS#11 2.40 spoken directly: an attacker is not held back by a library's good manners, and the
token's own answer (CKR_…) is what counts. A session of its own; closing it removes what it made.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref, c_ulong, c_void_p
from typing import Any

from pkcs11 import Attribute, Mechanism

SERIAL, READ_WRITE = 0x4, 0x2
USER = 1
_BUFFER_BYTES = 4096
_FOUND_MAX = 256
# What tokens answer to attacks (PKCS#11 2.40, 5.1); others are shown as numbers.
_NAMES = {
    0x05: "GENERAL_ERROR", 0x06: "FUNCTION_FAILED", 0x07: "ARGUMENTS_BAD",
    0x10: "ATTRIBUTE_READ_ONLY", 0x11: "ATTRIBUTE_SENSITIVE", 0x12: "ATTRIBUTE_TYPE_INVALID",
    0x13: "ATTRIBUTE_VALUE_INVALID", 0x1B: "ACTION_PROHIBITED", 0x20: "DATA_INVALID",
    0x21: "DATA_LEN_RANGE", 0x40: "ENCRYPTED_DATA_INVALID", 0x41: "ENCRYPTED_DATA_LEN_RANGE",
    0x54: "FUNCTION_NOT_SUPPORTED", 0x60: "KEY_HANDLE_INVALID", 0x62: "KEY_SIZE_RANGE",
    0x63: "KEY_TYPE_INCONSISTENT", 0x68: "KEY_FUNCTION_NOT_PERMITTED", 0x69: "KEY_NOT_WRAPPABLE",
    0x6A: "KEY_UNEXTRACTABLE", 0x70: "MECHANISM_INVALID", 0x71: "MECHANISM_PARAM_INVALID",
    0x82: "OBJECT_HANDLE_INVALID", 0xA0: "PIN_INCORRECT", 0xA4: "PIN_LOCKED",
    0xB5: "SESSION_READ_ONLY", 0xD0: "TEMPLATE_INCOMPLETE", 0xD1: "TEMPLATE_INCONSISTENT",
    0xF0: "UNWRAPPING_KEY_HANDLE_INVALID", 0xF2: "UNWRAPPING_KEY_TYPE_INCONSISTENT",
    0x101: "USER_NOT_LOGGED_IN", 0x110: "WRAPPED_KEY_INVALID", 0x112: "WRAPPED_KEY_LEN_RANGE",
    0x113: "WRAPPING_KEY_HANDLE_INVALID", 0x115: "WRAPPING_KEY_TYPE_INCONSISTENT",
}  # fmt: skip
# A list, because an attacker may name an attribute twice.
Template = Sequence[tuple[Attribute, Any]]


class Denied(Exception):
    """The token said no: `answer` is its CKR_ code."""

    def __init__(self, code: int) -> None:
        self.code = code & 0xFFFFFFFF
        self.answer = f"CKR_{_NAMES[self.code]}" if self.code in _NAMES else f"CKR {self.code:#x}"
        super().__init__(self.answer)


class _Attribute(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class _Mechanism(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


class RawSession:
    """One session; every method raises Denied unless the token answers CKR_OK."""

    def __init__(self, module_path: str, slot: int, *, read_write: bool = True) -> None:
        self._library = ctypes.CDLL(module_path)
        self._session = c_ulong()
        flags = SERIAL | (READ_WRITE if read_write else 0)
        self._call("C_OpenSession", c_ulong(slot), c_ulong(flags), None, None, byref(self._session))

    def close(self) -> None:
        """End the session; its session objects are gone."""
        self._library.C_CloseSession(self._session)

    def login(self, pin: bytes) -> None:
        """C_Login as the user."""
        self._in("C_Login", c_ulong(USER), pin, c_ulong(len(pin)))

    def find(self, template: Template) -> list[int]:
        """Handles of the objects that this session may see."""
        packed, count, _keep = _pack(template)
        self._in("C_FindObjectsInit", packed, count)
        found, number = (c_ulong * _FOUND_MAX)(), c_ulong()
        self._in("C_FindObjects", found, c_ulong(_FOUND_MAX), byref(number))
        self._in("C_FindObjectsFinal")
        return [int(handle) for handle in found[: number.value]]

    def create(self, template: Template) -> int:
        """C_CreateObject."""
        packed, count, _keep = _pack(template)
        return self._new("C_CreateObject", packed, count)

    def copy(self, handle: int, template: Template) -> int:
        """C_CopyObject."""
        packed, count, _keep = _pack(template)
        return self._new("C_CopyObject", c_ulong(handle), packed, count)

    def destroy(self, handle: int) -> None:
        """C_DestroyObject."""
        self._in("C_DestroyObject", c_ulong(handle))

    def get(self, handle: int, attribute: Attribute) -> bytes:
        """C_GetAttributeValue of one plain attribute."""
        buffer = ctypes.create_string_buffer(_BUFFER_BYTES)
        wanted = _Attribute(int(attribute), ctypes.cast(buffer, c_void_p), _BUFFER_BYTES)
        self._in("C_GetAttributeValue", c_ulong(handle), byref(wanted), c_ulong(1))
        return buffer.raw[: wanted.length]

    def set(self, handle: int, attribute: Attribute, value: Any) -> None:
        """C_SetAttributeValue."""
        packed, count, _keep = _pack([(attribute, value)])
        self._in("C_SetAttributeValue", c_ulong(handle), packed, count)

    def wrap(self, mechanism: Mechanism, by: int, key: int, parameter: bytes = b"") -> bytes:
        """C_WrapKey."""
        with _mechanism(mechanism, parameter) as how:
            return self._bytes("C_WrapKey", how, c_ulong(by), c_ulong(key))

    def unwrap(
        self, mechanism: Mechanism, by: int, blob: bytes, template: Template, parameter: bytes = b""
    ) -> int:
        """C_UnwrapKey."""
        packed, count, _keep = _pack(template)
        with _mechanism(mechanism, parameter) as how:
            asked = how, c_ulong(by), blob, c_ulong(len(blob)), packed, count
            return self._new("C_UnwrapKey", *asked)

    def use(
        self, verb: str, mechanism: Mechanism, key: int, data: bytes, parameter: bytes = b""
    ) -> bytes:
        """C_EncryptInit and C_Encrypt, or the pair of another verb (Decrypt, Sign)."""
        with _mechanism(mechanism, parameter) as how:
            self._in(f"C_{verb}Init", how, c_ulong(key))
            return self._bytes(f"C_{verb}", data, c_ulong(len(data)))

    def derive_by_string(self, mechanism: Mechanism, key: int, data: bytes, out: Template) -> int:
        """C_DeriveKey from an AES key by encrypting `data` (CK_KEY_DERIVATION_STRING_DATA)."""
        buffer = ctypes.create_string_buffer(data, len(data))
        return self._derive(mechanism, key, ulongs(ctypes.addressof(buffer), len(data)), out)

    def derive_ecdh(self, key: int, public: bytes, out: Template) -> int:
        """C_DeriveKey by ECDH with an own point (CK_ECDH1_DERIVE_PARAMS, CKD_NULL)."""
        buffer = ctypes.create_string_buffer(public, len(public))
        parameter = ulongs(1, 0, 0, len(public), ctypes.addressof(buffer))
        return self._derive(Mechanism.ECDH1_DERIVE, key, parameter, out)

    def _derive(self, mechanism: Mechanism, key: int, parameter: bytes, out: Template) -> int:
        packed, count, _keep = _pack(out)
        with _mechanism(mechanism, parameter) as how:
            return self._new("C_DeriveKey", how, c_ulong(key), packed, count)

    def _new(self, name: str, *arguments: Any) -> int:
        handle = c_ulong()
        self._in(name, *arguments, byref(handle))
        return int(handle.value)

    def _bytes(self, name: str, *arguments: Any) -> bytes:
        buffer, length = ctypes.create_string_buffer(_BUFFER_BYTES), c_ulong(_BUFFER_BYTES)
        self._in(name, *arguments, buffer, byref(length))
        return buffer.raw[: length.value]

    def _in(self, name: str, *arguments: Any) -> None:
        self._call(name, self._session, *arguments)

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name)
        function.restype = c_ulong
        code = int(function(*arguments))
        if code:
            raise Denied(code)


def _pack(template: Template) -> tuple[Any, c_ulong, list[Any]]:
    """The C array, its length, and the buffers that it points to."""
    array, keep = (_Attribute * len(template))(), []
    for position, (kind, value) in enumerate(template):
        data, inner = _value(value)
        buffer = ctypes.create_string_buffer(data, len(data))
        keep += [buffer, inner]
        array[position] = _Attribute(int(kind), ctypes.cast(buffer, c_void_p), len(data))
    return array, c_ulong(len(template)), keep


def _value(value: Any) -> tuple[bytes, Any]:
    if isinstance(value, bool):
        return bytes([value]), None
    if isinstance(value, int):
        return bytes(c_ulong(value)), None
    if isinstance(value, list):
        packed, _, keep = _pack(value)
        return bytes(packed), (packed, keep)
    return bytes(value), None


@contextmanager
def _mechanism(kind: Mechanism, parameter: bytes) -> Iterator[Any]:
    """CK_MECHANISM; its parameter lives as long as this block."""
    buffer = ctypes.create_string_buffer(parameter, len(parameter)) if parameter else None
    where = ctypes.cast(buffer, c_void_p) if buffer else c_void_p(None)
    yield byref(_Mechanism(int(kind), where, len(parameter)))


def ulongs(*values: int) -> bytes:
    """A parameter block of CK_ULONGs and pointers."""
    return b"".join(bytes(c_ulong(value)) for value in values)
