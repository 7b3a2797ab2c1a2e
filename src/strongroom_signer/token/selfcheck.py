"""What a token must be able to do before the signer relies on it (C_GetMechanismList and
C_GetMechanismInfo).
"""

from __future__ import annotations

from pkcs11 import Mechanism, MechanismFlag

from strongroom_signer.errors import Unfit
from strongroom_signer.token.session import TokenSession

# Transactions and permits, checkpoints, seals, leaves.
NEEDED = (
    (Mechanism.ECDSA, MechanismFlag.SIGN),
    (Mechanism.EDDSA, MechanismFlag.SIGN),
    (Mechanism.SHA256_HMAC, MechanismFlag.SIGN),
    (Mechanism.AES_KEY_WRAP_PAD, MechanismFlag.UNWRAP),
)
_RANDOM_BYTES = 32


def check_token(token: TokenSession) -> None:
    """Raises Unfit, naming what is missing, or when the random generator is stuck."""
    slot = token.session.token.slot
    listed = slot.get_mechanisms()
    missing = [
        f"CKM_{mechanism.name} ({flag.name})"
        for mechanism, flag in NEEDED
        if mechanism not in listed or not slot.get_mechanism_info(mechanism).flags & flag
    ]
    if missing:
        raise Unfit(
            f"the token {token.label!r} lacks {', '.join(missing)}: choose a token that has it, or "
            "allow it in the module's configuration"
        )
    if is_stuck(token.random(_RANDOM_BYTES), token.random(_RANDOM_BYTES)):
        raise Unfit(f"the random generator of the token {token.label!r} is stuck: do not use it")


def is_stuck(first: bytes, second: bytes) -> bool:
    """Whether two draws cannot be random: equal, or one byte over and over."""
    return first == second or len(set(first)) == 1 or len(set(second)) == 1
