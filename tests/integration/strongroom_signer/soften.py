"""A program for tests: make the founded signer token softer in one named way, then attack it as a
start does. Prints {"won": [attack ids], "passed": …}. Runs apart: a process loads a module once.
"""

import json
import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from strongroom_signer.audit.at_start import own_place
from strongroom_signer.audit.run import audit
from strongroom_signer.settings import Settings
from strongroom_signer.token import templates
from strongroom_signer.token.session import TokenSession

HARD_LEAF = templates._LEAF
UNWRAP = MechanismFlag.UNWRAP


def kek(token: TokenSession, capabilities: MechanismFlag = UNWRAP, **changes: Any) -> None:
    """The KEK again, of a known value, with attributes changed or (None) left out."""
    template = {
        **templates._STAYS,
        Attribute.ALLOWED_MECHANISMS: [Mechanism.AES_KEY_WRAP_PAD],
        Attribute.UNWRAP_TEMPLATE: HARD_LEAF,
        **templates._FINAL,
    }
    template |= {Attribute[name]: value for name, value in changes.items()}
    value = secrets.token_bytes(32)
    public, private = templates.transport_pair(token)
    numbers = rsa.RSAPublicNumbers(
        int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big"),
        int.from_bytes(public[Attribute.MODULUS], "big"),
    )
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    templates.discard(token, templates.KEK)
    private.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.AES,
        numbers.public_key().encrypt(value, oaep),
        label=templates.KEK,
        mechanism=Mechanism.RSA_PKCS_OAEP,
        store=True,
        capabilities=capabilities,
        template={name: value for name, value in template.items() if value is not None},
    )
    blob = aes_key_wrap_with_padding(value, templates.pkcs8(b"\x07" * 32))
    token.put_data(templates.check_label(1), blob)


def signing_key(token: TokenSession, label: str, **changes: Any) -> None:
    """A signing key again, with attributes changed."""
    token.need(ObjectClass.PRIVATE_KEY, label).destroy()
    token.need(ObjectClass.PUBLIC_KEY, label).destroy()
    curve = encode_named_curve_parameters("secp256k1")
    domain = token.session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: curve}, local=True
    )
    hard = {**templates._STAYS, **templates._FINAL}
    changed = {Attribute[name]: value for name, value in changes.items()}
    domain.generate_keypair(
        mechanism=Mechanism.EC_KEY_PAIR_GEN,
        store=True,
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={**hard, **changed},
    )


def without(*names: str) -> dict[Attribute, Any]:
    """What leaves become, with some of it left out."""
    return {key: value for key, value in HARD_LEAF.items() if key.name not in names}


def no_blob(token: TokenSession) -> None:
    for item in token.session.get_objects({Attribute.LABEL: templates.check_label(1)}):
        item.destroy()


PLANTS: dict[str, Callable[[TokenSession], None]] = {
    "nothing": kek,
    "no unwrap template": lambda token: kek(token, UNWRAP_TEMPLATE=None),
    "leaves may be extractable": lambda token: kek(token, UNWRAP_TEMPLATE=without("EXTRACTABLE")),
    "leaves may change": lambda token: kek(token, UNWRAP_TEMPLATE=without("MODIFIABLE")),
    "leaves may be copied": lambda token: kek(token, UNWRAP_TEMPLATE=without("COPYABLE")),
    "leaves may stay": lambda token: kek(token, UNWRAP_TEMPLATE=without("TOKEN")),
    "every mechanism": lambda token: kek(token, ALLOWED_MECHANISMS=None),
    "a KEK that can change": lambda token: kek(token, MODIFIABLE=True),
    "a KEK that can be copied": lambda token: kek(token, COPYABLE=True, MODIFIABLE=True),
    "a KEK that wraps": lambda token: kek(token, UNWRAP | MechanismFlag.WRAP),
    "a KEK that can leave": lambda token: kek(token, EXTRACTABLE=True),
    "a KEK that can be read": lambda token: kek(token, SENSITIVE=False, EXTRACTABLE=True),
    "a permit key that can leave": lambda token: signing_key(
        token, templates.PERMIT, EXTRACTABLE=True
    ),
    "an attest key that derives": lambda token: signing_key(token, templates.ATTEST, DERIVE=True),
    "an orders key that can change": lambda token: signing_key(
        token, templates.ORDERS, MODIFIABLE=True
    ),
    "no blob to try": no_blob,
}


def main() -> None:
    settings = Settings.from_environment(os.environ)
    place = own_place(settings)
    token = TokenSession(place.module, place.label, place.pin, place.lock)
    PLANTS[sys.argv[1]](token)
    token.close()
    report = audit(place, 1, settings.chain_id, at_start=True)
    won = sorted({result.id for result in report.results if not result.passed})
    sys.stdout.write(json.dumps({"won": won, "passed": report.passed}))


if __name__ == "__main__":
    main()
