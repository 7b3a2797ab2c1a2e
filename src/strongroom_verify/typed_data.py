"""EIP-712 for the few flat structures that a vault's people sign, and EIP-55 for what they read.

The type strings here are the definitions; a file that brings other types is refused.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from strongroom_verify.errors import Malformed
from strongroom_verify.keccak import keccak256

SAFE_TX = (
    "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,"
    "uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
# Primary type → (its definition, the name and version in its domain; Safe's domain has none).
STRUCTURES = {
    ("SafeTx", ""): SAFE_TX,
    ("Announce", "StrongroomExit"): "Announce(address safe,uint256 id)",
    ("Cancel", "StrongroomExit"): "Cancel(address safe,uint256 id)",
    ("Unfreeze", "StrongroomGuard"): "Unfreeze(address safe,uint256 count)",
}
_SAFE_DOMAIN = "EIP712Domain(uint256 chainId,address verifyingContract)"
_NAMED_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,64}|0|[1-9][0-9]{0,77}")


@dataclass(frozen=True)
class Message:
    """One structure in its domain. `values`: members by name; addresses 20 bytes."""

    kind: str
    domain_name: str
    chain_id: int
    contract: bytes
    values: dict[str, Any]

    def domain_hash(self) -> bytes:
        """The 32 bytes that a device shows as domain hash."""
        members: dict[str, Any] = {"chainId": self.chain_id, "verifyingContract": self.contract}
        if not self.domain_name:
            return _hash_struct(_SAFE_DOMAIN, members)
        return _hash_struct(_NAMED_DOMAIN, members | {"name": self.domain_name, "version": "1"})

    def message_hash(self) -> bytes:
        """The 32 bytes that a device shows as message hash."""
        return _hash_struct(STRUCTURES[self.kind, self.domain_name], self.values)

    def digest(self) -> bytes:
        """What is signed; of a SafeTx it is the Safe transaction hash."""
        return keccak256(b"\x19\x01" + self.domain_hash() + self.message_hash())


def parse(raw: bytes) -> Message:
    """What eth_signTypedData_v4 would be given. Raises Malformed for anything else."""
    try:
        document = json.loads(raw, object_pairs_hook=_object)
        kind, domain, message = (document[key] for key in ("primaryType", "domain", "message"))
        types, named = document["types"], domain.get("name", "")
        definition = STRUCTURES.get((kind, named)) if isinstance(named, str) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed("the file is not EIP-712 typed data in JSON") from error
    if definition is None:
        raise Malformed(f"typed data of type {str(kind)[:40]!r} is none that a vault's people sign")
    wanted = {"EIP712Domain": _NAMED_DOMAIN if named else _SAFE_DOMAIN, kind: definition}
    if types != {name: _fields(text) for name, text in wanted.items()}:
        raise Malformed(
            f"the types of {kind} are not the known ones: another thing would be signed"
        )
    parts = {
        name: _values(wanted[name], value)
        for name, value in (("EIP712Domain", domain), (kind, message))
    }
    if named and parts["EIP712Domain"]["version"] != "1":
        raise Malformed("the domain's version is unknown")
    return Message(
        kind,
        named,
        parts["EIP712Domain"]["chainId"],
        parts["EIP712Domain"]["verifyingContract"],
        parts[kind],
    )


def address(text: object, what: str) -> bytes:
    """20 bytes of an address in EIP-55 or lower case. Raises Malformed."""
    if not isinstance(text, str) or not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise Malformed(f"{what} is not an address of 0x and 40 hexadecimal digits")
    raw = bytes.fromhex(text[2:])
    if text not in (checksum(raw), text.lower()):
        raise Malformed(f"{what} fails its EIP-55 checksum: a digit or its case was changed")
    return raw


def checksum(raw: bytes) -> str:
    """EIP-55 text of 20 bytes."""
    plain = raw.hex()
    marks = keccak256(plain.encode()).hex()
    pairs = zip(plain, marks[:40], strict=True)
    return "0x" + "".join(sign.upper() if mark >= "8" else sign for sign, mark in pairs)


def number(value: object, what: str, bits: int = 256) -> int:
    """An integer in decimal, in 0x hex, or as a JSON number. Raises Malformed."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value, 16 if value.startswith("0x") else 10)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value >> bits:
        raise Malformed(f"{what} is not a whole number that fits {bits} bits")
    return value


def octets(value: object, what: str) -> bytes:
    """Bytes in 0x hex. Raises Malformed."""
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise Malformed(f"{what} is not 0x hex")
    return bytes.fromhex(value[2:])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("the file names the same member twice")
    return found


def _members(definition: str) -> list[list[str]]:
    return [part.split(" ") for part in definition.partition("(")[2][:-1].split(",")]


def _fields(definition: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for kind, name in _members(definition)]


def _values(definition: str, given: object) -> dict[str, Any]:
    members = _members(definition)
    if not isinstance(given, dict) or set(given) != {name for _, name in members}:
        raise Malformed(f"the members are not those of {definition}")
    return {name: _value(kind, given[name], name) for kind, name in members}


def _value(kind: str, value: object, name: str) -> Any:
    if kind == "address":
        return address(value, name)
    if kind == "bytes":
        return octets(value, name)
    if kind == "string":
        if not isinstance(value, str):
            raise Malformed(f"{name} is not text")
        return value
    return number(value, name, int(kind.removeprefix("uint")))


def _hash_struct(definition: str, values: dict[str, Any]) -> bytes:
    words = [keccak256(definition.encode())]
    for kind, name in _members(definition):
        value = values[name]
        if kind in ("bytes", "string"):
            words.append(keccak256(value if isinstance(value, bytes) else value.encode()))
        else:
            words.append(value.rjust(32, b"\0") if kind == "address" else value.to_bytes(32, "big"))
    return keccak256(b"".join(words))
