"""EIP-712: typed structures that people read and sign, hashed and shown from one definition.

`digest` is what is signed; `as_json` is what a wallet is given (eth_signTypedData_v4). Both come
from the same TypedData, so what is shown is what is hashed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import FieldInvalid, RangeExceeded
from strongroom_protocol.hashing import keccak256

_DOMAIN_FIELDS = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a structure: its name and its Solidity type."""

    name: str
    type: str


Types = Mapping[str, tuple[Field, ...]]


@dataclass(frozen=True, slots=True)
class Domain:
    """EIP-712 domain; members that are None are left out of its type."""

    name: str | None = None
    version: str | None = None
    chain_id: int | None = None
    verifying_contract: Address | None = None

    def members(self) -> dict[str, object]:
        """The members that are present, in the standard's order."""
        values = (self.name, self.version, self.chain_id, self.verifying_contract)
        pairs = zip(_DOMAIN_FIELDS, values, strict=True)
        return {name: value for (name, _), value in pairs if value is not None}

    def fields(self) -> tuple[Field, ...]:
        """The type of this domain."""
        present = self.members()
        return tuple(Field(name, kind) for name, kind in _DOMAIN_FIELDS if name in present)


@dataclass(frozen=True, slots=True)
class TypedData:
    """A structure in its domain. Values: int, bytes, str, bool, nested mappings, lists."""

    domain: Domain
    types: Types
    primary: str
    values: Mapping[str, object]


def parse_type(text: str) -> tuple[str, tuple[Field, ...]]:
    """("Mail", fields) of the text "Mail(address to,string contents)"."""
    name, _, inner = text.removesuffix(")").partition("(")
    members = [member.split(" ") for member in inner.split(",")]
    return name, tuple(Field(field, kind) for kind, field in members)


def encode_type(types: Types, primary: str) -> str:
    """encodeType: the primary structure, then those it refers to in alphabetical order."""
    others = sorted(_references(types, primary, set()) - {primary})
    return "".join(
        f"{name}({','.join(f'{field.type} {field.name}' for field in types[name])})"
        for name in (primary, *others)
    )


def hash_struct(types: Types, primary: str, values: Mapping[str, object]) -> bytes:
    """hashStruct: 32 bytes; raises FieldInvalid and RangeExceeded, naming the field."""
    fields = types[primary]
    if set(values) != {field.name for field in fields}:
        raise FieldInvalid(f"{primary}: its members must be {[field.name for field in fields]}")
    parts = [keccak256(encode_type(types, primary).encode())]
    parts += [_encode(types, field.type, values[field.name], field.name) for field in fields]
    return keccak256(b"".join(parts))


@lru_cache(maxsize=1024)
def domain_separator(domain: Domain) -> bytes:
    """The hashStruct of the domain: 32 bytes."""
    return hash_struct({"EIP712Domain": domain.fields()}, "EIP712Domain", domain.members())


def digest(typed: TypedData) -> bytes:
    """The 32 bytes that are signed: keccak(0x1901 ‖ domain ‖ structure)."""
    return digest_of(typed.domain, hash_struct(typed.types, typed.primary, typed.values))


def digest_of(domain: Domain, structure: bytes) -> bytes:
    """The 32 bytes that are signed, from a structure's hashStruct."""
    return keccak256(b"\x19\x01" + domain_separator(domain) + structure)


def encode_atom(kind: str, value: object, name: str) -> bytes:
    """encodeData of a member that is neither list nor structure: 32 bytes. Raises FieldInvalid and
    RangeExceeded, naming the field.
    """
    encoder = _ATOMS.get(kind)
    encoded = encoder(value) if encoder is not None else None
    if encoded is not None:
        return encoded
    if kind in _UINT_BITS and isinstance(value, int) and not isinstance(value, bool):
        raise RangeExceeded(f"{name}: {value} does not fit {kind}")
    raise FieldInvalid(f"{name}: a value of {type(value).__name__} is no {kind}")


def as_json(typed: TypedData) -> dict[str, Any]:
    """What eth_signTypedData_v4 takes; integers as decimal strings, bytes as 0x hex."""
    types = {"EIP712Domain": typed.domain.fields(), **typed.types}
    return {
        "types": {
            name: [{"name": field.name, "type": field.type} for field in fields]
            for name, fields in types.items()
        },
        "primaryType": typed.primary,
        "domain": {
            field.name: _show(types, field.type, typed.domain.members()[field.name])
            for field in typed.domain.fields()
        },
        "message": _show(types, typed.primary, typed.values),
    }


def _references(types: Types, name: str, found: set[str]) -> set[str]:
    if name in types and name not in found:
        found.add(name)
        for field in types[name]:
            _references(types, field.type.removesuffix("[]"), found)
    return found


def _encode(types: Types, kind: str, value: object, name: str) -> bytes:
    if kind.endswith("[]") and isinstance(value, list | tuple):
        return keccak256(b"".join(_encode(types, kind[:-2], item, name) for item in value))
    if kind in types and isinstance(value, Mapping):
        return hash_struct(types, kind, value)
    return encode_atom(kind, value, name)


def _string(value: object) -> bytes | None:
    return keccak256(value.encode("utf-8")) if isinstance(value, str) else None


def _bytes(value: object) -> bytes | None:
    return keccak256(value) if isinstance(value, bytes) else None


def _bytes32(value: object) -> bytes | None:
    return value if isinstance(value, bytes) and len(value) == 32 else None


def _address(value: object) -> bytes | None:
    return value.rjust(32, b"\0") if isinstance(value, bytes) and len(value) == 20 else None


def _bool(value: object) -> bytes | None:
    return int(value).to_bytes(32, "big") if isinstance(value, bool) else None


def _uint(bits: int) -> Callable[[object], bytes | None]:
    def encode(value: object) -> bytes | None:
        if not isinstance(value, int) or isinstance(value, bool) or value >> bits:
            return None
        return value.to_bytes(32, "big")

    return encode


_UINT_BITS = {f"uint{bits}": bits for bits in (8, 16, 32, 64, 128, 256)}
_ATOMS: Mapping[str, Callable[[object], bytes | None]] = {
    "string": _string,
    "bytes": _bytes,
    "bytes32": _bytes32,
    "address": _address,
    "bool": _bool,
    **{kind: _uint(bits) for kind, bits in _UINT_BITS.items()},
}


def _show(types: Types, kind: str, value: object) -> Any:
    if isinstance(value, Mapping):
        return {field.name: _show(types, field.type, value[field.name]) for field in types[kind]}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_show(types, kind[:-2], item) for item in value]
    if isinstance(value, bytes):
        return checksum(value) if kind == "address" else to_hex(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value
