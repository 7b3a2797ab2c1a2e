"""`ceremony new`: the seed, from the token's generator mixed with the system's, sealed by AES-GCM
in the vault token. The 32 bytes are BIP-39 entropy; they are shown to nobody.
"""

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
_CONTEXT = b"strongroom seed v1"


def seal_new_seed(vault: TokenSession) -> bool:
    """Make and seal a seed; False when the vault holds one already (nothing is changed)."""
    if vault.data(SEED):
        return False
    mixed = hashlib.sha256(vault.random(32) + os.urandom(32)).digest()
    seal = vault.need(ObjectClass.SECRET_KEY, templates.SEAL)
    nonce = vault.random(NONCE_BYTES)
    box = seal.encrypt(
        mixed, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad=_CONTEXT)
    )
    vault.put_data(SEED, nonce + bytes(box))
    with opened_seed(vault) as entropy:
        if bytes(entropy) != mixed:
            raise Unfit("the sealed seed does not open to what was sealed; nothing may use it")
    return True


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
