"""The KEK: born in the vault token, carried to the signer token, tried there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
from pkcs11 import Attribute, PKCS11Error

from strongroom_protocol.addresses import address_of_public_key
from strongroom_signer.crash import CrashPoints
from strongroom_signer.errors import TokenLost, Unfit
from strongroom_signer.pool import FIRST_KEK, Leaf, Pool
from strongroom_signer.token import templates
from strongroom_signer.token.keyring import Keyring
from strongroom_signer.token.session import TokenSession

Say = Callable[[str], None]
# Keys wrapped and tried between two writes of the key table.
CHUNK = 1000
# Everybody can know this key: it is wrapped only to see that both tokens hold the same KEK.
_TRIAL = coincurve.PrivateKey(hashlib.sha256(b"strongroom kek check value").digest())


@dataclass(frozen=True, slots=True)
class Tokens:
    """Both tokens, open at once: only in a ceremony."""

    vault: TokenSession
    signer: TokenSession


def settle(pool_file: Path, tokens: Tokens, say: Say) -> None:
    """Complete the KEK in both tokens. Raises Unfit when one is gone under which keys stand."""
    born = templates.keks(tokens.vault)
    generation = min(born, default=FIRST_KEK)
    if trial_blob(tokens, generation) is not None:
        if born[generation][Attribute.EXTRACTABLE]:
            born[generation][Attribute.EXTRACTABLE] = False
        return
    pool = Pool(pool_file, bytes)
    filled = pool.accounts()
    pool.close()
    if filled:
        raise Unfit("leaf keys are wrapped under a KEK that is gone: restore the tokens")
    carry(tokens, generation, say)


Derive = Callable[[int, int, range, int], Sequence[Leaf]]


def rotate(
    tokens: Tokens, pool: Pool, derive: Derive, say: Say, crash: CrashPoints
) -> dict[str, Any]:
    """A new KEK, every key derived again and wrapped under it, each tried, all swapped at once,
    the old KEK destroyed in both tokens. Run again after an interruption, it goes on.

    `derive(account, branch, indexes, generation)` wraps keys. Returns generation, check value and
    number of keys. Raises Unfit, Refused, TokenLost.
    """
    inside = {*templates.keks(tokens.vault), *templates.keks(tokens.signer)}
    used = pool.generations()
    oldest, newest = min(used | inside), max(used | inside)
    target = newest if newest > oldest else newest + 1
    blob = trial_blob(tokens, target)
    if blob is None and target in used:
        raise Unfit(f"keys stand under KEK {target}, but the tokens do not share it: restore them")
    value = carry(tokens, target, say) if blob is None else blob[:8].hex()
    crash.pass_by("rotate.carried")
    _wrap_anew(tokens, pool, derive, target, say, crash)
    swapped = pool.swap(target)
    crash.pass_by("rotate.swapped")
    if pool.generations() - {target}:
        raise Unfit("keys were added meanwhile: run rotate-kek again, nothing is lost")
    for generation in inside - {target}:
        for token in (tokens.signer, tokens.vault):
            templates.discard(token, templates.kek_label(generation))
        tokens.signer.drop_data(templates.check_label(generation))
        say(f"KEK {generation} destroyed in both tokens.")
    return {"generation": target, "check_value": value, "keys": swapped}


def _wrap_anew(
    tokens: Tokens, pool: Pool, derive: Derive, target: int, say: Say, crash: CrashPoints
) -> None:
    keyring = Keyring(tokens.signer)
    for account, branch, first, end in pool.stale(target):
        for start in range(first, end, CHUNK):
            indexes = range(start, min(start + CHUNK, end))
            leaves = derive(account, branch, indexes, target)
            for leaf in leaves:
                keyring.leaf(leaf.address, leaf.wrapped, b"\x01" * 32, leaf.kek)
            pool.stage(leaves)
            crash.pass_by("rotate.staged")
            say(f"Account {account}, branch {branch}: {indexes.stop} of {end} wrapped and tried.")


def carry(tokens: Tokens, generation: int, say: Say) -> str:
    """Make that generation, carry it, try it; returns its check value: the first 8 bytes, in hex,
    of a known key wrapped under it. Raises Unfit.
    """
    templates.carry_kek(tokens.vault, tokens.signer, generation)
    blob = trial_blob(tokens, generation)
    if blob is None:
        raise Unfit("the KEK that arrived in the signer token does not open what was wrapped")
    # The audit at each start tries this blob against the KEK.
    tokens.signer.put_data(templates.check_label(generation), blob)
    value = blob[:8].hex()
    say(
        f"KEK {generation} born in the vault token, carried to the signer token (RSA-OAEP), tried. "
        f"Its check value is {value}."
    )
    return value


def check_value(tokens: Tokens) -> str:
    """Of the KEK in use; empty when the tokens do not share it."""
    blob = trial_blob(tokens, min(templates.keks(tokens.vault), default=FIRST_KEK))
    return "" if blob is None else blob[:8].hex()


def trial_blob(tokens: Tokens, generation: int) -> bytes | None:
    """A known key under the KEK (RFC 5649, 72 bytes), wrapped in the vault token; None unless the
    signer token unwraps it and signs with it.
    """
    kek = templates.keks(tokens.vault).get(generation)
    if kek is None or generation not in templates.keks(tokens.signer):
        return None
    address = address_of_public_key(_TRIAL.public_key.format(compressed=False))
    with suppress(PKCS11Error, TokenLost):
        blob = templates.wrap_leaf(tokens.vault, kek, _TRIAL.secret)
        Keyring(tokens.signer).leaf(address, blob, b"\x01" * 32, generation)
        return blob
    return None
