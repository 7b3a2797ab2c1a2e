"""Strict reading of signed JSON documents: every member known, none missing, errors with paths."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.canonical import INTEGER_MAX
from strongroom_protocol.encoding import from_decimal, from_hex
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.structures import address_at

T = TypeVar("T")
TEXT_MAX = 200
LIST_MAX = 10_000


class Members:
    """The members of one JSON object at `path`; each method raises FieldInvalid with the path."""

    def __init__(
        self, value: object, path: str, required: set[str], optional: frozenset[str] = frozenset()
    ) -> None:
        if not isinstance(value, Mapping):
            raise FieldInvalid(f"{path}: must be an object")
        unknown, missing = set(value) - required - optional, required - set(value)
        if unknown or missing:
            wrong = [f"unknown {name}" for name in sorted(map(str, unknown))]
            wrong += [f"missing {name}" for name in sorted(missing)]
            raise FieldInvalid(f"{path}: {', '.join(wrong)}")
        self._value, self._path = value, path

    def __contains__(self, name: str) -> bool:
        """Whether an optional member is there."""
        return name in self._value

    def path(self, name: str) -> str:
        """Where the member stands in the whole document."""
        return f"{self._path}.{name}"

    def fail(self, name: str, why: str) -> FieldInvalid:
        """The error to raise for a member that reads well but is wrong."""
        return FieldInvalid(f"{self.path(name)}: {why}")

    def constant(self, name: str, expected: str) -> None:
        """Check: the member is exactly this text."""
        if self._value[name] != expected:
            raise self.fail(name, f"must be {expected!r}")

    def text(self, name: str, maximum: int = TEXT_MAX) -> str:
        """Printable text of 1 to `maximum` characters."""
        return text_at(self._value[name], self.path(name), maximum)

    def is_text(self, name: str) -> bool:
        """Whether the member is a text, where it may also be something else."""
        return isinstance(self._value[name], str)

    def is_null(self, name: str) -> bool:
        """Whether the member is null."""
        return self._value[name] is None

    def text_or_none(self, name: str) -> str | None:
        """Printable text, or null."""
        return None if self._value[name] is None else self.text(name)

    def choice(self, name: str, choices: frozenset[str]) -> str:
        """One of the words given."""
        value = self._value[name]
        if not isinstance(value, str) or value not in choices:
            raise self.fail(name, f"must be one of {', '.join(sorted(choices))}")
        return value

    def integer(self, name: str, minimum: int = 0, maximum: int = INTEGER_MAX) -> int:
        """A JSON integer within bounds."""
        value = self._value[name]
        if type(value) is not int or not minimum <= value <= maximum:
            raise self.fail(name, f"must be an integer from {minimum} to {maximum}")
        return value

    def boolean(self, name: str) -> bool:
        """`true` or `false`."""
        value = self._value[name]
        if not isinstance(value, bool):
            raise self.fail(name, "must be true or false")
        return value

    def units(self, name: str) -> int:
        """A decimal string below 2^256."""
        return from_decimal(self._value[name], field=self.path(name))

    def hash32(self, name: str) -> bytes:
        """32 bytes of 0x hex."""
        return from_hex(self._value[name], 32, field=self.path(name))

    def address(self, name: str, *, zero: bool = False) -> Address:
        """A checked address; the zero address only where it means something."""
        address = address_at(self._value[name], self.path(name))
        if address == ZERO and not zero:
            raise self.fail(name, "must not be the zero address")
        return address

    def address_or_none(self, name: str) -> Address | None:
        """A checked address other than zero, or null."""
        return None if self._value[name] is None else self.address(name)

    def addresses(self, name: str, minimum: int = 0) -> tuple[Address, ...]:
        """Addresses without zero, ascending by their bytes, so that one set has one form."""
        found = self.list(name, address_at, minimum)
        if list(found) != sorted(set(found)) or ZERO in found:
            raise self.fail(name, "must be ascending by address, each once, none zero")
        return found

    def list(
        self, name: str, read: Callable[[Any, str], T], minimum: int = 0, maximum: int = LIST_MAX
    ) -> tuple[T, ...]:
        """Each item read by `read(value, path)`."""
        value = self._value[name]
        if not isinstance(value, list | tuple) or not minimum <= len(value) <= maximum:
            raise self.fail(name, f"must be a list of {minimum} to {maximum} items")
        return tuple(read(item, f"{self.path(name)}[{i}]") for i, item in enumerate(value))

    def part(self, name: str, read: Callable[[Any, str], T]) -> T:
        """A nested object read by `read(value, path)`."""
        return read(self._value[name], self.path(name))


def text_at(value: object, path: str, maximum: int = TEXT_MAX) -> str:
    """Printable text of 1 to `maximum` characters; raises FieldInvalid."""
    if not isinstance(value, str) or not 0 < len(value) <= maximum or not value.isprintable():
        raise FieldInvalid(f"{path}: must be printable text of 1 to {maximum} characters")
    return value


def check_distinct(values: list[Any], path: str) -> None:
    """Check: nothing is listed twice; raises FieldInvalid."""
    if len(set(values)) != len(values):
        raise FieldInvalid(f"{path}: the same entry stands there twice")
