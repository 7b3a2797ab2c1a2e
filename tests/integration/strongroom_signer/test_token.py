"""P6: keys stay in the token. Attacks by somebody who has the signer's PIN and session."""

from collections.abc import Callable
from typing import Any

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, PKCS11Error
from pkcs11.constants import DEFAULT

from strongroom_protocol.signatures import recover
from strongroom_signer.errors import TokenLost, Unfit
from strongroom_signer.pool import Leaf
from strongroom_signer.token import templates
from tests.integration.strongroom_signer.conftest import Desk

A = Attribute
_NOT_FOR_PRIVATE = {
    A.ENCRYPT: DEFAULT, A.DECRYPT: DEFAULT, A.WRAP: DEFAULT, A.UNWRAP: DEFAULT, A.VERIFY: DEFAULT
}  # fmt: skip


@pytest.fixture
def kek(desk: Desk) -> Any:
    return desk.house.keyring._keks[1]


@pytest.fixture
def leaf(desk: Desk) -> Leaf:
    found = desk.house.pool.leaf(0, 0)
    assert found is not None
    return found


def _unwrap(kek: Any, blob: bytes, **changes: Any) -> Any:
    template = {
        A.PRIVATE: True, A.SENSITIVE: True, A.EXTRACTABLE: False, A.DERIVE: False,
        **_NOT_FOR_PRIVATE, **{Attribute[name]: value for name, value in changes.items()},
    }  # fmt: skip
    return kek.unwrap_key(
        ObjectClass.PRIVATE_KEY,
        KeyType.EC,
        blob,
        mechanism=Mechanism.AES_KEY_WRAP_PAD,
        capabilities=MechanismFlag.SIGN,
        template=template,
    )


def _as_secret(kek: Any, blob: bytes) -> Any:
    return kek.unwrap_key(
        ObjectClass.SECRET_KEY,
        KeyType.GENERIC_SECRET,
        blob,
        mechanism=Mechanism.AES_KEY_WRAP_PAD,
        capabilities=MechanismFlag.SIGN,
        template={A.SENSITIVE: False, A.EXTRACTABLE: True},
    )


ATTACKS: dict[str, Callable[[Any, bytes], Any]] = {
    "a leaf unwrapped as not sensitive": lambda k, b: _unwrap(k, b, SENSITIVE=False),
    "a leaf unwrapped as extractable": lambda k, b: _unwrap(k, b, EXTRACTABLE=True),
    "a leaf unwrapped for derivation": lambda k, b: _unwrap(k, b, DERIVE=True),
    "a leaf unwrapped into the token": lambda k, b: _unwrap(k, b, TOKEN=True),
    "a leaf unwrapped as a secret": _as_secret,
    "decryption switched on": lambda k, _: k.__setitem__(A.DECRYPT, True),
    "wrapping switched on": lambda k, _: k.__setitem__(A.WRAP, True),
    "the KEK made extractable": lambda k, _: k.__setitem__(A.EXTRACTABLE, True),
    "the KEK copied with decryption": lambda k, _: k.copy({A.DECRYPT: True, A.TOKEN: False}),
    "the KEK's value read": lambda k, _: k[A.VALUE],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_token_refuses(attack: str, kek: Any, leaf: Leaf) -> None:
    with pytest.raises(PKCS11Error):
        ATTACKS[attack](kek, leaf.wrapped)


def test_a_soft_kek_stops_the_start(desk: Desk) -> None:
    soft = desk.token.session.generate_key(
        KeyType.AES,
        256,
        capabilities=MechanismFlag.UNWRAP | MechanismFlag.DECRYPT,
        template={A.EXTRACTABLE: False},
    )
    with pytest.raises(Unfit, match=r"MODIFIABLE.*DECRYPT"):
        templates.check_hardened(soft)
    soft.destroy()


@pytest.mark.parametrize("label", [templates.PERMIT, templates.RELAY, templates.ATTEST])
def test_a_signing_keys_value_cannot_be_read_or_changed(label: str, desk: Desk) -> None:
    key = desk.house.keyring._private[label]
    with pytest.raises(PKCS11Error):
        key[A.VALUE]
    with pytest.raises(PKCS11Error):
        key[A.EXTRACTABLE] = True
    assert key[A.NEVER_EXTRACTABLE] is True


def test_signatures_are_low_s_and_recover_to_their_key(desk: Desk, leaf: Leaf) -> None:
    keyring = desk.house.keyring
    for number in range(1, 33):
        digest = number.to_bytes(32, "big")
        assert recover(digest, keyring.relay(digest)) == keyring.public.relay
        assert recover(digest, keyring.leaf(leaf.address, leaf.wrapped, digest, 1)) == leaf.address


def test_a_swapped_blob_signs_nothing(desk: Desk, leaf: Leaf) -> None:
    stolen = desk.house.pool.leaf(0, 1)
    assert stolen is not None
    keyring = desk.house.keyring
    keyring._leaves.clear()
    with pytest.raises(TokenLost, match="recover"):
        keyring.leaf(leaf.address, stolen.wrapped, b"\x01" * 32, 1)
    keyring._leaves.clear()
