"""Attacks on the KEK: to read a wrapped key with it, to get it out, to make it softer.
Each is tried on a trial KEK whose value the attacker knows, and on the real one.
"""

from __future__ import annotations

from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from strongroom_signer.audit.raw import Template, ulongs
from strongroom_signer.audit.stage import (
    ATTACKS,
    Attack,
    Attempt,
    Stage,
    Target,
    attack,
    leaf_template,
)

_WRAP = Mechanism.AES_KEY_WRAP_PAD
_IV, _BLOCK = bytes(16), bytes(32)
# CK_RSA_PKCS_OAEP_PARAMS: SHA-1, MGF1 with it, no label.
_OAEP = ulongs(0x220, 1, 1, 0, 0)
_SECRET: Template = [
    (Attribute.CLASS, ObjectClass.SECRET_KEY),
    (Attribute.TOKEN, False),
    (Attribute.SENSITIVE, False),
    (Attribute.EXTRACTABLE, True),
]
_AS_GENERIC = [*_SECRET, (Attribute.KEY_TYPE, KeyType.GENERIC_SECRET)]
_AS_AES = [*_SECRET, (Attribute.KEY_TYPE, KeyType.AES), (Attribute.ENCRYPT, True)]


def _unwrapped_with(attribute: Attribute, value: Any) -> Attempt:
    def attempt(stage: Stage, kek: Target) -> str:
        template = leaf_template((attribute, value))
        made = stage.raw.unwrap(_WRAP, kek.handle, kek.blob, template)
        return stage.soft(made, attribute, value)

    return attempt


for _attribute, _value, _tries in (
    (Attribute.SENSITIVE, False, "unwrap a leaf as not sensitive, to read it"),
    (Attribute.EXTRACTABLE, True, "unwrap a leaf as extractable, to wrap it out again"),
    (Attribute.DERIVE, True, "unwrap a leaf so that it derives other keys"),
    (Attribute.MODIFIABLE, True, "unwrap a leaf so that it can be changed later"),
    (Attribute.COPYABLE, True, "unwrap a leaf so that it can be copied"),
    (Attribute.PRIVATE, False, "unwrap a leaf so that it is seen without a login"),
    (Attribute.TOKEN, True, "unwrap a leaf as a lasting object of the token"),
    (Attribute.SIGN, False, "unwrap a leaf as a key that does not sign, only something else"),
):
    ATTACKS.append(
        Attack(
            f"unwrap-{_attribute.name.lower().replace('_', '-')}-{str(_value).lower()}",
            _tries,
            frozenset({"kek"}),
            _unwrapped_with(_attribute, _value),
        )
    )


@attack("unwrap-generic-secret", "unwrap a leaf as a generic secret, which may be read", "kek")
def _unwrap_generic_secret(stage: Stage, kek: Target) -> str:
    return stage.soft(stage.raw.unwrap(_WRAP, kek.handle, kek.blob, _AS_GENERIC))


@attack("unwrap-aes", "unwrap something as an AES key, to decrypt with it or read it", "kek")
def _unwrap_aes(stage: Stage, kek: Target) -> str:
    blob = kek.forge(_BLOCK) if kek.forge else kek.blob
    return stage.soft(stage.raw.unwrap(_WRAP, kek.handle, blob, _AS_AES))


@attack("unwrap-rsa", "unwrap a leaf as an RSA key", "kek")
def _unwrap_rsa(stage: Stage, kek: Target) -> str:
    template = leaf_template((Attribute.KEY_TYPE, KeyType.RSA))
    return _won(stage.raw.unwrap(_WRAP, kek.handle, kek.blob, template))


@attack("unwrap-without-template", "unwrap a leaf and leave out what it must be", "kek")
def _unwrap_bare(stage: Stage, kek: Target) -> str:
    bare = [(Attribute.CLASS, ObjectClass.PRIVATE_KEY), (Attribute.KEY_TYPE, KeyType.EC)]
    made = stage.raw.unwrap(_WRAP, kek.handle, kek.blob, bare)
    return stage.soft(made, Attribute.EXTRACTABLE, value=True)


@attack("unwrap-attribute-twice", "unwrap a leaf as sensitive and as not sensitive at once", "kek")
def _unwrap_twice(stage: Stage, kek: Target) -> str:
    template = [(Attribute.SENSITIVE, False), *leaf_template()]
    made = stage.raw.unwrap(_WRAP, kek.handle, kek.blob, template)
    return stage.soft(made, Attribute.SENSITIVE, value=False)


@attack("unwrap-tampered", "unwrap a blob with one bit changed", "kek")
def _unwrap_tampered(stage: Stage, kek: Target) -> str:
    blob = kek.blob[:-1] + bytes([kek.blob[-1] ^ 1])
    return _won(stage.raw.unwrap(_WRAP, kek.handle, blob, leaf_template()))


@attack("unwrap-truncated", "unwrap a blob without its last eight bytes", "kek")
def _unwrap_truncated(stage: Stage, kek: Target) -> str:
    return _won(stage.raw.unwrap(_WRAP, kek.handle, kek.blob[:-8], leaf_template()))


@attack("unwrap-empty", "unwrap nothing", "kek")
def _unwrap_empty(stage: Stage, kek: Target) -> str:
    return _won(stage.raw.unwrap(_WRAP, kek.handle, b"", leaf_template()))


@attack("unwrap-others-blob", "unwrap a blob that stands under another key", "kek")
def _unwrap_others(stage: Stage, kek: Target) -> str:
    blob = bytes(range(len(kek.blob)))
    return _won(stage.raw.unwrap(_WRAP, kek.handle, blob, leaf_template()))


@attack("unwrap-garbage-key", "unwrap a blob that is authentic but holds no key", "kek")
def _unwrap_garbage(stage: Stage, kek: Target) -> str:
    blob = kek.forge(b"\x30\x3e" + _BLOCK * 2) if kek.forge else kek.blob[::-1]
    return _won(stage.raw.unwrap(_WRAP, kek.handle, blob, leaf_template()))


def _unwrapped_by(mechanism: Mechanism, parameter: bytes) -> Attempt:
    def attempt(stage: Stage, kek: Target) -> str:
        return _won(stage.raw.unwrap(mechanism, kek.handle, kek.blob, _AS_GENERIC, parameter))

    return attempt


def _used_by(verb: str, mechanism: Mechanism, parameter: bytes) -> Attempt:
    def attempt(stage: Stage, kek: Target) -> str:
        return (
            f"{stage.raw.use(verb, mechanism, kek.handle, _BLOCK, parameter)[:4].hex()}… came out"
        )

    return attempt


for _mechanism, _parameter in (
    (Mechanism.AES_ECB, b""),
    (Mechanism.AES_CBC, _IV),
    (Mechanism.AES_CBC_PAD, _IV),
):
    _name = _mechanism.name.lower().replace("_", "-")
    ATTACKS.append(
        Attack(
            f"unwrap-by-{_name}",
            f"unwrap by the weaker mechanism CKM_{_mechanism.name}",
            frozenset({"kek"}),
            _unwrapped_by(_mechanism, _parameter),
        )
    )
for _verb, _mechanism, _parameter in (
    ("Decrypt", Mechanism.AES_ECB, b""),
    ("Decrypt", Mechanism.AES_CBC_PAD, _IV),
    ("Decrypt", Mechanism.AES_CTR, ulongs(128) + _IV),
    ("Encrypt", Mechanism.AES_ECB, b""),
    ("Sign", Mechanism.AES_CMAC, b""),
):
    _name = _mechanism.name.lower().replace("_", "-")
    ATTACKS.append(
        Attack(
            f"{_verb.lower()}-{_name}",
            f"{_verb.lower()} with the KEK by CKM_{_mechanism.name}",
            frozenset({"kek"}),
            _used_by(_verb, _mechanism, _parameter),
        )
    )


@attack("unwrap-unpadded", "unwrap by the older CKM_AES_KEY_WRAP, without padding", "kek")
def _unwrap_unpadded(stage: Stage, kek: Target) -> str:
    blob = kek.forge(_BLOCK, padded=False) if kek.forge else kek.blob
    return _won(stage.raw.unwrap(Mechanism.AES_KEY_WRAP, kek.handle, blob, leaf_template()))


@attack("other-mechanisms", "find another mechanism that the KEK may be used with", "kek")
def _other_mechanisms(stage: Stage, kek: Target) -> str:
    allowed = stage.raw.get(kek.handle, Attribute.ALLOWED_MECHANISMS)
    return "" if allowed == ulongs(_WRAP) else f"allowed are {allowed.hex() or 'all'}"


@attack("wrap-with-kek", "wrap an own key under the KEK, to learn how blobs are made", "kek")
def _wrap_with_kek(stage: Stage, kek: Target) -> str:
    return _won(stage.raw.wrap(_WRAP, kek.handle, _extractable(stage)))


@attack("derive-ecb", "derive a key from the KEK by encrypting data (ECB)", "kek")
def _derive_ecb(stage: Stage, kek: Target) -> str:
    out = [*_AS_GENERIC, (Attribute.VALUE_LEN, 32)]
    how = Mechanism.AES_ECB_ENCRYPT_DATA
    return stage.soft(stage.raw.derive_by_string(how, kek.handle, _BLOCK, out)) or "a key came out"


@attack("wrap-out-aes", "wrap the key out with an own AES key", "kek", "ec", "ed", "hmac", "leaf")
def _wrap_out_aes(stage: Stage, target: Target) -> str:
    return _won(stage.raw.wrap(_WRAP, stage.own_aes, target.handle))


@attack("wrap-out-oaep", "wrap the key out with an own RSA key (OAEP)", "kek", "hmac")
def _wrap_out_oaep(stage: Stage, target: Target) -> str:
    return _won(stage.raw.wrap(Mechanism.RSA_PKCS_OAEP, stage.own_rsa, target.handle, _OAEP))


@attack("wrap-out-pkcs1", "wrap the key out with an own RSA key (PKCS#1 v1.5)", "kek", "hmac")
def _wrap_out_pkcs1(stage: Stage, target: Target) -> str:
    return _won(stage.raw.wrap(Mechanism.RSA_PKCS, stage.own_rsa, target.handle))


@attack("set-unwrap-template", "replace what the KEK makes of a leaf by nothing", "kek")
def _set_unwrap_template(stage: Stage, kek: Target) -> str:
    stage.raw.set(kek.handle, Attribute.UNWRAP_TEMPLATE, [(Attribute.SENSITIVE, False)])
    return "the token changed it"


@attack("set-allowed-mechanisms", "allow the KEK every mechanism", "kek")
def _set_allowed_mechanisms(stage: Stage, kek: Target) -> str:
    allowed = ulongs(Mechanism.AES_ECB, Mechanism.AES_KEY_WRAP_PAD)
    stage.raw.set(kek.handle, Attribute.ALLOWED_MECHANISMS, allowed)
    return "the token changed it"


def _extractable(stage: Stage) -> int:
    value = (Attribute.VALUE, _BLOCK)
    return stage.raw.create([*_AS_GENERIC, value])


def _won(result: int | bytes) -> str:
    """An attempt that had to be refused was not."""
    return "a key was made" if isinstance(result, int) else f"{len(result)} bytes came out"
