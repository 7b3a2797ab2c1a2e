"""Python classes for EIP-712 structures: the Solidity type is written once and is the definition.

A class gives `TYPE`, e.g. "VaultPayment(bytes32 intent,…,uint256 units)", and the same members in
snake case. On the wire a structure is its EIP-712 message: camelCase names, 0x hex, checksummed
addresses, integers as decimal strings.
"""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, ClassVar, Self

from strongroom_protocol.addresses import Address, AddressInvalid, parse_address
from strongroom_protocol.encoding import from_decimal, from_hex
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.typed_data import (
    Domain,
    Field,
    TypedData,
    as_json,
    digest_of,
    encode_atom,
    encode_type,
    parse_type,
)

# Fits a hardware wallet's screen in a few pages.
TEXT_MAX = 280


class Structure:
    """Base of frozen dataclasses whose members are those of TYPE."""

    TYPE: ClassVar[str]

    @classmethod
    @cache
    def definition(cls) -> tuple[str, tuple[Field, ...]]:
        """Name and fields, from TYPE."""
        return parse_type(cls.TYPE)

    @classmethod
    @cache
    def layout(cls) -> tuple[bytes, tuple[tuple[str, Field], ...]]:
        """The type's hash, and each field with the attribute that holds it."""
        name, fields = cls.definition()
        type_hash = keccak256(encode_type({name: fields}, name).encode())
        return type_hash, tuple((_snake(field.name), field) for field in fields)

    @classmethod
    def from_fields(cls, message: object, *, field: str = "message") -> Self:
        """From the wire; exactly the members of TYPE. Raises FieldInvalid, AddressInvalid."""
        name, fields = cls.definition()
        names = [member.name for member in fields]
        if not isinstance(message, Mapping) or set(message) != set(names):
            raise FieldInvalid(f"{field}: a {name} has exactly the members {', '.join(names)}")
        return cls(
            **{
                _snake(member.name): _read(member.type, message[member.name], f"{field}.{name}")
                for member, name in zip(fields, names, strict=True)
            }
        )

    def __post_init__(self) -> None:
        """Check: every member fits its type, texts can be shown. FieldInvalid, RangeExceeded."""
        self.struct_hash()
        for name, _ in self.layout()[1]:
            value = getattr(self, name)
            if isinstance(value, str) and not (value.isprintable() and len(value) <= TEXT_MAX):
                raise FieldInvalid(
                    f"{name}: must be printable text of at most {TEXT_MAX} characters, because "
                    "people read it before they sign"
                )

    def values(self) -> dict[str, object]:
        """Members by their Solidity names."""
        return {field.name: getattr(self, name) for name, field in self.layout()[1]}

    def fields(self) -> dict[str, Any]:
        """The form on the wire, which `from_fields` reads."""
        message: dict[str, Any] = as_json(self.typed(Domain()))["message"]
        return message

    def typed(self, domain: Domain) -> TypedData:
        """The structure in a domain, to be shown or hashed."""
        name, fields = self.definition()
        return TypedData(domain, {name: fields}, name, self.values())

    def struct_hash(self) -> bytes:
        """The structure's hashStruct, without a domain: 32 bytes."""
        return self._struct_hash

    def digest_in(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed in that domain."""
        return digest_of(domain, self.struct_hash())

    @cached_property
    def _struct_hash(self) -> bytes:
        type_hash, members = self.layout()
        parts = [
            encode_atom(field.type, getattr(self, name), field.name) for name, field in members
        ]
        return keccak256(type_hash + b"".join(parts))


def address_at(value: object, field: str) -> Address:
    """The address in a field of a document; raises AddressInvalid with the field's path."""
    try:
        return parse_address(value)
    except AddressInvalid as error:
        raise type(error)(f"{field}: {error}") from error


@cache
def _snake(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _read(kind: str, value: object, field: str) -> object:
    if kind == "address":
        return address_at(value, field)
    if kind == "bytes32":
        return from_hex(value, 32, field=field)
    if kind == "bytes":
        return from_hex(value, field=field)
    if kind == "string":
        if not isinstance(value, str):
            raise FieldInvalid(f"{field}: must be text")
        return value
    return from_decimal(value, int(kind.removeprefix("uint")), field=field)
