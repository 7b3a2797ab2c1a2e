"""Python classes for EIP-712 structures: the Solidity type is written once and is the definition.

A class gives `TYPE`, e.g. "VaultPayment(bytes32 intent,…,uint256 units)", and the same members in
snake case. On the wire a structure is its EIP-712 message: camelCase names, 0x hex, checksummed
addresses, integers as decimal strings.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self

from strongroom_protocol.addresses import Address, AddressInvalid, parse_address
from strongroom_protocol.encoding import from_decimal, from_hex
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.typed_data import (
    Domain,
    Field,
    TypedData,
    as_json,
    digest,
    hash_struct,
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
        for name, value in self.values().items():
            if isinstance(value, str) and not (value.isprintable() and len(value) <= TEXT_MAX):
                raise FieldInvalid(
                    f"{name}: must be printable text of at most {TEXT_MAX} characters, because "
                    "people read it before they sign"
                )

    def values(self) -> dict[str, object]:
        """Members by their Solidity names."""
        _, fields = self.definition()
        return {field.name: getattr(self, _snake(field.name)) for field in fields}

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
        name, fields = self.definition()
        return hash_struct({name: fields}, name, self.values())

    def digest_in(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed in that domain."""
        return digest(self.typed(domain))


def address_at(value: object, field: str) -> Address:
    """The address in a field of a document; raises AddressInvalid with the field's path."""
    try:
        return parse_address(value)
    except AddressInvalid as error:
        raise type(error)(f"{field}: {error}") from error


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
