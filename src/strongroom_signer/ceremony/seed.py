"""The seed: 16 to 32 bytes of BIP-39 entropy, sealed by AES-GCM in the vault token."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pkcs11 import GCMParams, Mechanism, ObjectClass, PKCS11Error

from strongroom_signer.errors import Unfit
from strongroom_signer.memory import wipe
from strongroom_signer.token import templates
from strongroom_signer.token.session import TokenSession

SEED = "strongroom sealed seed"
NONCE_BYTES = 12
# 50 rolls of a die are 129 bits; 99 are 255.
DICE_MIN = 50
_CONTEXT = b"strongroom seed v1"


def seal_new_seed(vault: TokenSession, dice: str = "") -> bool:
    """Make and seal a seed; False when the vault holds one already (nothing is changed).

    SHA-256 over the token's bytes, the system's and the rolls: each part can only add, since the
    hash is unpredictable as long as one of them is. Raises Unfit.
    """
    if vault.data(SEED):
        return False
    rolls = dice.replace(" ", "")
    if dice and (len(rolls) < DICE_MIN or set(rolls) - set("123456")):
        raise Unfit(f"dice are at least {DICE_MIN} digits from 1 to 6; nothing was made")
    mixed = hashlib.sha256(vault.random(32) + os.urandom(32) + rolls.encode()).digest()
    seal_seed(vault, mixed)
    return True


def seal_seed(vault: TokenSession, entropy: bytes) -> None:
    """Seal this entropy and see that it opens again. Raises Unfit: the vault holds another."""
    if vault.data(SEED):
        with opened_seed(vault) as found:
            if bytes(found) != entropy:
                raise Unfit("the vault token holds another seed; nothing was changed")
            return
    seal = vault.need(ObjectClass.SECRET_KEY, templates.SEAL)
    nonce = vault.random(NONCE_BYTES)
    box = seal.encrypt(
        entropy, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad=_CONTEXT)
    )
    vault.put_data(SEED, nonce + bytes(box))
    with opened_seed(vault) as opened:
        if bytes(opened) != entropy:
            raise Unfit("the sealed seed does not open to what was sealed; nothing may use it")


@contextmanager
def opened_seed(vault: TokenSession) -> Iterator[bytearray]:
    """The entropy for as long as this lasts; overwritten afterwards. Raises Unfit."""
    sealed_seeds = vault.data(SEED)
    if len(sealed_seeds) != 1:
        raise Unfit("the vault token holds no seed: run 'strongroom-signer ceremony new' first")
    nonce, box = sealed_seeds[0][:NONCE_BYTES], sealed_seeds[0][NONCE_BYTES:]
    seal = vault.need(ObjectClass.SECRET_KEY, templates.SEAL)
    try:
        opened = seal.decrypt(
            box, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad=_CONTEXT)
        )
    except PKCS11Error:
        raise Unfit("the sealed seed was changed: the vault token refuses to open it") from None
    entropy = bytearray(opened)
    try:
        yield entropy
    finally:
        wipe(entropy)
