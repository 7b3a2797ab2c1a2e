"""What an attacker with the PIN has before him, and the table of attacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from strongroom_signer.audit.raw import Denied, RawSession, Template

_OWN_KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Target:
    """A key under attack. `blob` opens under a KEK; `forge(content, padded=True)` wraps what
    the attacker likes under a trial KEK, whose value is known, and is None for the real one.
    """

    name: str
    handle: int
    kind: str
    blob: bytes = b""
    forge: Callable[..., bytes] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A session that is logged in, and keys of the attacker's own: AES, and RSA's public half."""

    raw: RawSession
    own_aes: int
    own_rsa: int

    @classmethod
    def set_up(cls, raw: RawSession) -> Stage:
        """Make the attacker's keys, as session objects."""
        flags = (Attribute.WRAP, Attribute.UNWRAP, Attribute.ENCRYPT, Attribute.DECRYPT)
        aes = raw.create(
            [
                (Attribute.CLASS, ObjectClass.SECRET_KEY),
                (Attribute.KEY_TYPE, KeyType.AES),
                (Attribute.TOKEN, False),
                (Attribute.VALUE, _OWN_KEY),
                *((flag, True) for flag in flags),
            ]
        )
        rsa = raw.create(
            [
                (Attribute.CLASS, ObjectClass.PUBLIC_KEY),
                (Attribute.KEY_TYPE, KeyType.RSA),
                (Attribute.TOKEN, False),
                (Attribute.MODULUS, b"\xc5" * 256),
                (Attribute.PUBLIC_EXPONENT, b"\x01\x00\x01"),
                (Attribute.WRAP, True),
                (Attribute.ENCRYPT, True),
            ]
        )
        return cls(raw, aes, rsa)

    def soft(self, handle: int, attribute: Attribute | None = None, value: Any = None) -> str:
        """What is won with this object: words, or nothing. `attribute` was asked to be `value`."""
        if attribute is not None and self._is(handle, attribute, value=value):
            return f"the token made a key with {attribute.name} = {value}"
        for what in (Attribute.VALUE, Attribute.PRIVATE_EXPONENT):
            try:
                if self.raw.get(handle, what):
                    return "the key's secret was read out"
            except Denied:
                continue
        return ""

    def _is(self, handle: int, attribute: Attribute, *, value: Any) -> bool:
        try:
            return bool(self.raw.get(handle, attribute) == bytes([value]))
        except Denied:
            return False


def use(raw: RawSession, target: Target) -> bytes | int:
    """What the signer does with such a key. Raises Denied."""
    if target.kind == "kek":
        return raw.unwrap(Mechanism.AES_KEY_WRAP_PAD, target.handle, target.blob, leaf_template())
    how = {"ed": Mechanism.EDDSA, "hmac": Mechanism.SHA256_HMAC}.get(target.kind, Mechanism.ECDSA)
    return raw.use("Sign", how, target.handle, _OWN_KEY)


# Raises Denied, or returns what was won; nothing won = the empty text.
Attempt = Callable[[Stage, Target], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing to try on each target of its kinds."""

    id: str
    tries: str
    kinds: frozenset[str]
    attempt: Attempt


ATTACKS: list[Attack] = []


def attack(name: str, tries: str, *kinds: str) -> Callable[[Attempt], Attempt]:
    """Put a function into the table of attacks."""

    def listed(attempt: Attempt) -> Attempt:
        ATTACKS.append(Attack(name, tries, frozenset(kinds), attempt))
        return attempt

    return listed


def leaf_template(*changes: tuple[Attribute, Any]) -> Template:
    """What an honest unwrap of a leaf asks for, with changes. The changes come first, because some
    tokens read no attribute behind MODIFIABLE = False.
    """
    honest: Iterable[tuple[Attribute, Any]] = (
        (Attribute.CLASS, ObjectClass.PRIVATE_KEY),
        (Attribute.KEY_TYPE, KeyType.EC),
        (Attribute.TOKEN, False),
        (Attribute.PRIVATE, True),
        (Attribute.SENSITIVE, True),
        (Attribute.EXTRACTABLE, False),
        (Attribute.SIGN, True),
        (Attribute.DERIVE, False),
        (Attribute.COPYABLE, False),
        (Attribute.MODIFIABLE, False),
    )
    changed = {attribute for attribute, _ in changes}
    return [*changes, *(pair for pair in honest if pair[0] not in changed)]
