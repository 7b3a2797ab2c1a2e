"""Attacks on every key that the signer holds, and on sessions: to read it, copy it, soften it, or
use it for what it is not for.
"""

from __future__ import annotations

from typing import Any

import coincurve
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from strongroom_signer.audit.stage import ATTACKS, Attack, Attempt, Stage, Target, attack

_EVERY = ("kek", "ec", "ed", "hmac", "leaf")
_SIGNING = ("ec", "leaf")


def _changed_to(attribute: Attribute, *, value: bool) -> Attempt:
    def attempt(stage: Stage, target: Target) -> str:
        stage.raw.set(target.handle, attribute, value)
        return stage.soft(target.handle, attribute, value)

    return attempt


for _attribute, _value, _kinds in (
    (Attribute.SENSITIVE, False, _EVERY),
    (Attribute.EXTRACTABLE, True, _EVERY),
    (Attribute.MODIFIABLE, True, _EVERY),
    (Attribute.COPYABLE, True, ("kek", "ec", "ed", "hmac")),
    (Attribute.DECRYPT, True, ("kek",)),
    (Attribute.ENCRYPT, True, ("kek",)),
    (Attribute.WRAP, True, ("kek",)),
    (Attribute.DERIVE, True, _EVERY),
    (Attribute.UNWRAP, True, ("ec", "ed", "hmac")),
):
    ATTACKS.append(
        Attack(
            f"set-{_attribute.name.lower()}-{str(_value).lower()}",
            f"set the key's {_attribute.name} to {_value}",
            frozenset(_kinds),
            _changed_to(_attribute, value=_value),
        )
    )


@attack("read-value", "read the key's secret (CKA_VALUE)", *_EVERY)
def _read_value(stage: Stage, target: Target) -> str:
    return f"{len(stage.raw.get(target.handle, Attribute.VALUE))} bytes were read"


def _copied(*changes: tuple[Attribute, Any]) -> Attempt:
    def attempt(stage: Stage, target: Target) -> str:
        made = stage.raw.copy(target.handle, [*changes, (Attribute.TOKEN, False)])
        return stage.soft(made, *changes[0])

    return attempt


ATTACKS += [
    Attack(
        "copy-not-sensitive",
        "copy the key as not sensitive",
        frozenset(_EVERY),
        _copied((Attribute.SENSITIVE, False)),
    ),
    Attack(
        "copy-extractable",
        "copy the key as extractable",
        frozenset(_EVERY),
        _copied((Attribute.EXTRACTABLE, True)),
    ),
    Attack(
        "copy-changeable",
        "copy the key so that it can be changed later",
        frozenset(_EVERY),
        _copied((Attribute.MODIFIABLE, True)),
    ),
    Attack(
        "copy-decrypting",
        "copy the KEK so that it decrypts",
        frozenset({"kek"}),
        _copied((Attribute.DECRYPT, True)),
    ),
]


@attack("copy-to-token", "copy an unwrapped leaf into the token, to keep it", "leaf")
def _copy_to_token(stage: Stage, leaf: Target) -> str:
    stage.raw.destroy(stage.raw.copy(leaf.handle, [(Attribute.TOKEN, True)]))
    return "a lasting copy was made"


@attack(
    "derive-ecdh", "derive a shared secret with an own point, to learn about the key", *_SIGNING
)
def _derive_ecdh(stage: Stage, target: Target) -> str:
    point = coincurve.PrivateKey(b"\x01" * 32).public_key.format(compressed=False)
    out = [
        (Attribute.CLASS, ObjectClass.SECRET_KEY),
        (Attribute.KEY_TYPE, KeyType.GENERIC_SECRET),
        (Attribute.TOKEN, False),
        (Attribute.SENSITIVE, False),
        (Attribute.EXTRACTABLE, True),
        (Attribute.VALUE_LEN, 32),
    ]
    stage.raw.derive_ecdh(target.handle, point, out)
    return "a secret was derived"


@attack("unwrap-with-signing-key", "use the key to unwrap others", "ec", "leaf", "hmac")
def _unwrap_with(stage: Stage, target: Target) -> str:
    template = [
        (Attribute.CLASS, ObjectClass.SECRET_KEY),
        (Attribute.KEY_TYPE, KeyType.GENERIC_SECRET),
        (Attribute.TOKEN, False),
    ]
    stage.raw.unwrap(Mechanism.AES_KEY_WRAP_PAD, target.handle, bytes(72), template)
    return "a key was made"


@attack("decrypt-with-signing-key", "decrypt with the key", "ec", "leaf", "hmac")
def _decrypt_with(stage: Stage, target: Target) -> str:
    return f"{len(stage.raw.use('Decrypt', Mechanism.AES_ECB, target.handle, bytes(32)))} bytes"
