"""The keys to attack: a trial KEK made exactly as the real one, of a value that the attacker knows,
so that hostile blobs can be made in software (RFC 5649); and every key of the signer's own.
"""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding
from pkcs11 import Attribute, ObjectClass, PKCS11Error

from strongroom_signer.audit.stage import Target
from strongroom_signer.token import templates
from strongroom_signer.token.session import TokenSession

_TRIAL_KEK, _TRIAL_KEY = "strongroom audit kek", "strongroom audit key"
Unready = list[tuple[str, str]]


def targets_on(token: TokenSession, *, trial: bool) -> tuple[list[Target], Unready]:
    """What is to be attacked; and (name, why) of what does not even work as it must, without which
    every attack would be refused for the wrong reason.
    """
    targets, unready = _own_keys(token), Unready()
    keks: list[tuple[Any, str, bytes, Any]] = []
    if trial:
        try:
            keks.append(_trial_kek(token))
            templates.make_signing_key(token, _TRIAL_KEY, store=False)
            signing = token.need(ObjectClass.PRIVATE_KEY, _TRIAL_KEY)
            targets.append(Target("trial key", signing.handle, "ec"))
        except PKCS11Error as error:
            unready.append(("trial kek", f"it cannot be made: {type(error).__name__}"))
    for generation, kek in templates.keks(token).items():
        name, blobs = templates.kek_label(generation), token.data(templates.check_label(generation))
        if blobs:
            keks.append((kek, name, blobs[0], None))
        else:
            unready.append((name, "the token keeps no blob to try it with: 'ceremony rotate-kek'"))
    for kek, name, blob, forge in keks:
        targets.append(Target(name, kek.handle, "kek", blob, forge))
        try:
            leaf = templates.unwrap_leaf(kek, blob)
        except PKCS11Error as error:
            unready.append((name, f"it does not unwrap: {type(error).__name__}"))
        else:
            targets.append(Target(f"leaf of {name}", leaf.handle, "leaf"))
    return targets, unready


def _own_keys(token: TokenSession) -> list[Target]:
    permits = templates.permit_labels(token)[1:]
    labels = (*templates.SIGNING, *permits, templates.LOG)
    wanted = [(ObjectClass.PRIVATE_KEY, label) for label in labels]
    wanted.append((ObjectClass.SECRET_KEY, templates.INTEGRITY))
    found = [(label, kind, token.find(kind, label)) for kind, label in wanted]
    return [
        Target(label, key.handle, _kind(label, kind))
        for label, kind, key in found
        if key is not None
    ]


def _kind(label: str, kind: ObjectClass) -> str:
    if kind is ObjectClass.SECRET_KEY:
        return "hmac"
    return "ed" if label == templates.LOG else "ec"


def _trial_kek(token: TokenSession) -> tuple[Any, str, bytes, Any]:
    value = secrets.token_bytes(32)
    public, private = templates.transport_pair(token)
    numbers = rsa.RSAPublicNumbers(
        int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big"),
        int.from_bytes(public[Attribute.MODULUS], "big"),
    )
    # SHA-1 within OAEP is what every token has; its weakness is of no use there.
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
    carried = numbers.public_key().encrypt(value, oaep)
    kek = templates.receive_kek(private, carried, _TRIAL_KEK, store=False)

    def forge(content: bytes, *, padded: bool = True) -> bytes:
        return (aes_key_wrap_with_padding if padded else aes_key_wrap)(value, content)

    return (
        kek,
        "trial kek",
        forge(templates.pkcs8(secrets.token_bytes(31).rjust(32, b"\x01"))),
        forge,
    )
