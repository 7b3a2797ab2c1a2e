"""PKCS#11 attributes that python-pkcs11 cannot pack by itself (PKCS#11 2.40, 4.1 and 4.9):
CKA_UNWRAP_TEMPLATE (an array of attributes) and CKA_ALLOWED_MECHANISMS (an array of mechanisms).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from struct import pack
from typing import Any

from pkcs11 import Attribute, Mechanism
from pkcs11.attributes import AttributeMapper


class _CkAttribute(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_ulong),
        ("value", ctypes.c_void_p),
        ("length", ctypes.c_ulong),
    )


class TokenAttributes(AttributeMapper):
    """An attribute mapper that also knows unwrap templates and allowed mechanisms.

    The packed template holds pointers; the buffers stay alive as long as this object does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._buffers: list[Any] = []
        self.register_handler(Attribute.UNWRAP_TEMPLATE, self._pack_template, bytes)
        self.register_handler(Attribute.ALLOWED_MECHANISMS, _pack_mechanisms, bytes)

    def _pack_template(self, template: Mapping[Attribute, Any]) -> bytes:
        array = (_CkAttribute * len(template))()
        for position, (kind, value) in enumerate(template.items()):
            packed = self.pack_attribute(kind, value)
            buffer = ctypes.create_string_buffer(packed, len(packed))
            self._buffers.append(buffer)
            array[position] = _CkAttribute(
                int(kind), ctypes.cast(buffer, ctypes.c_void_p), len(packed)
            )
        return bytes(array)


def _pack_mechanisms(mechanisms: Sequence[Mechanism]) -> bytes:
    return b"".join(pack("L", int(mechanism)) for mechanism in mechanisms)
