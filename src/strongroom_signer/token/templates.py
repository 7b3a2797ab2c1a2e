"""Key templates, each with its reason; measured on SoftHSM 2.6.1, plain PKCS#11 2.40.

The KEK is unwrap-only, and its CKA_UNWRAP_TEMPLATE forces every leaf to be a sensitive,
unextractable signing key: without it the PIN alone would turn the KEK into a decryption oracle.
"""

from __future__ import annotations

from itertools import compress, takewhile
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.constants import DEFAULT
from pkcs11.util.ec import encode_named_curve_parameters

from strongroom_signer.errors import Unfit
from strongroom_signer.token.session import TokenSession

KEK, SEAL, INTEGRITY = "strongroom kek", "strongroom seal", "strongroom integrity"
PERMIT, RELAY, ATTEST = "strongroom permit", "strongroom relay", "strongroom attest"
LOG, ORDERS = "strongroom log", "strongroom orders"
# The secp256k1 keys that are born in the signer token.
SIGNING = (PERMIT, RELAY, ATTEST, ORDERS)
TRANSPORT_BITS = 3072
PERMITS_MAX = 64
_ED25519 = bytes.fromhex("06032b6570")  # OID 1.3.101.112 (RFC 8410)
# PKCS#8 of a secp256k1 key, always 64 bytes: a library that drops leading zeros of the secret
# would make some blobs shorter and some keys wrong (RFC 5208, RFC 5915).
_PKCS8_HEAD = bytes.fromhex("303e020100301006072a8648ce3d020106052b8104000a042730250201010420")
WRAPPED_LEAF_BYTES = 72

_STAYS = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}
# MODIFIABLE comes last: SoftHSM refuses every attribute after it as read only.
_FINAL = {Attribute.COPYABLE: False, Attribute.MODIFIABLE: False}
# What an unwrapped leaf must be; the token refuses an unwrap that asks for anything else.
_LEAF = {
    Attribute.CLASS: ObjectClass.PRIVATE_KEY,
    Attribute.KEY_TYPE: KeyType.EC,
    **_STAYS,
    Attribute.SIGN: True,
    Attribute.DERIVE: False,
    Attribute.TOKEN: False,
    # Or else DERIVE could be turned on later, and a copy be kept in the token.
    **_FINAL,
}


def make_signing_key(token: TokenSession, label: str, *, store: bool = True) -> None:
    """A secp256k1 pair born in the token; the private half signs and never leaves. Not stored, it
    ends with the session: for the audit.
    """
    curve = encode_named_curve_parameters("secp256k1")
    domain = token.session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True
    )
    domain.generate_keypair(
        mechanism=Mechanism.EC_KEY_PAIR_GEN,
        store=store,
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={**_STAYS, **_FINAL},
    )


def make_log_key(token: TokenSession) -> None:
    """The Ed25519 pair that signs checkpoints (CKM_EDDSA, RFC 8032), born in the token."""
    domain = token.session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519}, local=True
    )
    domain.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label=LOG,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={**_STAYS, **_FINAL},
    )


def make_integrity_key(token: TokenSession) -> None:
    """The HMAC-SHA-256 key under which the sealed configuration stands."""
    token.session.generate_key(
        KeyType.GENERIC_SECRET,
        256,
        label=INTEGRITY,
        store=True,
        mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        template={**_STAYS, **_FINAL},
    )


def make_seal_key(token: TokenSession) -> None:
    """The AES-256-GCM key of the vault token that seals the seed."""
    token.session.generate_key(
        KeyType.AES,
        256,
        label=SEAL,
        store=True,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
        template={**_STAYS, **_FINAL},
    )


def permit_label(generation: int) -> str:
    """Each rotation makes the next generation; the first has no number."""
    return PERMIT if generation == 1 else f"{PERMIT} {generation}"


def permit_labels(token: TokenSession) -> list[str]:
    """Of the permit keys in this token, oldest first."""
    labels = [permit_label(generation) for generation in range(1, PERMITS_MAX + 1)]
    there = (token.find(ObjectClass.PRIVATE_KEY, label) is not None for label in labels)
    return list(compress(labels, takewhile(bool, there)))


def kek_label(generation: int) -> str:
    """Each rotation makes the next generation; the first has no number."""
    return KEK if generation == 1 else f"{KEK} {generation}"


def check_label(generation: int) -> str:
    """The data object of the signer token that holds a known key's blob under that KEK."""
    return kek_label(generation) + " check"


def keks(token: TokenSession) -> dict[int, Any]:
    """Generation → KEK in this token, lowest first; several only while a rotation is under way.
    Raises Unfit when two are of one generation.
    """
    found: dict[int, Any] = {}
    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
    for key in token.session.get_objects(wanted):
        label = str(key[Attribute.LABEL])
        if label.startswith(KEK):
            generation = int(label.removeprefix(KEK) or 1)
            if generation in found:
                raise Unfit(f"the token {token.label!r} holds two objects named {label!r}")
            found[generation] = key
    return dict(sorted(found.items()))


def carry_kek(vault: TokenSession, signer: TokenSession, generation: int) -> None:
    """Born in the vault token (wrap-only there), carried by RSA-OAEP to a transport key of the
    signer token, where it is unwrap-only. Afterwards it is extractable nowhere.
    """
    label = kek_label(generation)
    discard(vault, label)
    discard(signer, label)
    born = vault.session.generate_key(
        KeyType.AES,
        256,
        label=label,
        store=True,
        capabilities=MechanismFlag.WRAP,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True},
    )
    public, private = transport_pair(signer)
    carrier = vault.create(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.RSA,
            Attribute.MODULUS: public[Attribute.MODULUS],
            Attribute.PUBLIC_EXPONENT: public[Attribute.PUBLIC_EXPONENT],
            Attribute.WRAP: True,
            Attribute.TOKEN: False,
        }
    )
    carried = carrier.wrap_key(born, mechanism=Mechanism.RSA_PKCS_OAEP)
    receive_kek(private, carried, label)
    for item in (private, public, carrier):
        item.destroy()
    born[Attribute.EXTRACTABLE] = False


def transport_pair(signer: TokenSession) -> tuple[Any, Any]:
    """The RSA pair, for this session only, that a KEK travels to: public, private."""
    return signer.session.generate_keypair(
        KeyType.RSA,
        TRANSPORT_BITS,
        store=False,
        capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP,
        private_template=dict(_STAYS),
    )


def receive_kek(private: Any, carried: bytes, label: str, *, store: bool = True) -> Any:
    """The KEK as the signer token keeps it: unwrap-only, by one mechanism, to signing keys only."""
    return private.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.AES,
        carried,
        label=label,
        mechanism=Mechanism.RSA_PKCS_OAEP,
        store=store,
        capabilities=MechanismFlag.UNWRAP,
        template={
            **_STAYS,
            Attribute.ALLOWED_MECHANISMS: [Mechanism.AES_KEY_WRAP_PAD],
            Attribute.UNWRAP_TEMPLATE: _LEAF,
            **_FINAL,
        },
    )


def check_hardened(kek: Any) -> None:
    """Raises Unfit unless the KEK can do nothing but unwrap, for ever."""
    wanted = {
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.MODIFIABLE: False,
        Attribute.COPYABLE: False,
        Attribute.UNWRAP: True,
        Attribute.WRAP: False,
        Attribute.ENCRYPT: False,
        Attribute.DECRYPT: False,
    }
    wrong = [attribute.name for attribute, value in wanted.items() if kek[attribute] != value]
    if wrong:
        raise Unfit(
            f"the KEK of the signer token is soft ({', '.join(wrong)}): whoever has the PIN could "
            "read leaf keys with it; make the token again by 'ceremony init'"
        )


def pkcs8(secret: bytes) -> bytes:
    """The 64 bytes that are wrapped: a 32-byte secp256k1 secret as PKCS#8."""
    return _PKCS8_HEAD + secret


def wrap_leaf(vault: TokenSession, kek: Any, secret: bytes) -> bytes:
    """72 bytes: the 64-byte PKCS#8 of a leaf under the KEK (RFC 5649)."""
    leaf = vault.create(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE: pkcs8(secret),
            Attribute.TOKEN: False,
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: True,
        }
    )
    try:
        return bytes(kek.wrap_key(leaf, mechanism=Mechanism.AES_KEY_WRAP_PAD))
    finally:
        leaf.destroy()


def unwrap_leaf(kek: Any, blob: bytes) -> Any:
    """The leaf as a session object that can only sign; the caller repeats the KEK's template."""
    return kek.unwrap_key(
        ObjectClass.PRIVATE_KEY,
        KeyType.EC,
        blob,
        mechanism=Mechanism.AES_KEY_WRAP_PAD,
        store=False,
        capabilities=MechanismFlag.SIGN,
        template={
            **_STAYS,
            Attribute.DERIVE: False,
            Attribute.ENCRYPT: DEFAULT,
            Attribute.DECRYPT: DEFAULT,
            Attribute.WRAP: DEFAULT,
            Attribute.UNWRAP: DEFAULT,
            Attribute.VERIFY: DEFAULT,
            **_FINAL,
        },
    )


def discard(token: TokenSession, label: str) -> None:
    """Destroy a secret key if it is there; only called while no leaf is wrapped under it."""
    found = token.find(ObjectClass.SECRET_KEY, label)
    if found is not None:
        found.destroy()
