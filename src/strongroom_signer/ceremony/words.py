"""The seed as words: BIP-39 (one phrase) and SLIP-39 (shares for officers). The ceremony's entropy
is what both of them carry; no passphrase is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from bip_utils import (
    Bip39Languages,
    Bip39MnemonicDecoder,
    Bip39MnemonicGenerator,
    Bip39SeedGenerator,
    Bip44,
    Bip44Coins,
    MnemonicChecksumError,
)
from shamir_mnemonic import MnemonicError, combine_mnemonics, decode_mnemonics, generate_mnemonics

from strongroom_signer.errors import Unfit

SHARES_MAX = 16
# The library's own sentence would repeat words of a share.
_WRONG = "a word is mistyped, missing or misplaced, or it is of another set, or there twice"
_GROUP = re.compile(r"([1-9][0-9]?)of([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Scheme:
    """SLIP-39: `needed` of the groups, each (threshold, number of shares)."""

    needed: int
    groups: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        parts = " + ".join(f"{needed} of {count}" for needed, count in self.groups)
        return parts if len(self.groups) == 1 else f"{self.needed} of the groups {parts}"


def parse_scheme(texts: Sequence[str], needed: int | None) -> Scheme:
    """`texts` like '2of3', one a group; `needed` groups, else all. Raises Unfit."""
    found = [_GROUP.fullmatch(text) for text in texts]
    groups = tuple((int(one[1]), int(one[2])) for one in found if one)
    wanted = len(groups) if needed is None else needed
    fits = all(low <= high <= SHARES_MAX and (low > 1 or high == 1) for low, high in groups)
    if len(groups) != len(texts) or not fits or not 0 < wanted <= len(groups) <= SHARES_MAX:
        raise Unfit(
            f"shares are written like 2of3: at least 2 (or 1of1), at most {SHARES_MAX}; several "
            "groups by --shares again and --groups for how many of them are needed"
        )
    return Scheme(wanted, groups)


def split(entropy: bytes, scheme: Scheme) -> list[list[str]]:
    """Shares by group, each tried: every one of them stands in a set that gives the entropy back.
    Raises Unfit.
    """
    shares: list[list[str]] = generate_mnemonics(scheme.needed, list(scheme.groups), entropy)
    for turn, shift in product(range(len(shares)), range(max(map(len, shares)))):
        chosen = [(turn + step) % len(shares) for step in range(scheme.needed)]
        trial = [
            shares[group][(shift + step) % len(shares[group])]
            for group in chosen
            for step in range(scheme.groups[group][0])
        ]
        if combine(trial) != entropy:
            raise Unfit("shares were made that do not give the seed back; use none of them")
    return shares


def combine(shares: Sequence[str], passphrase: bytes = b"") -> bytes:
    """The entropy in enough shares; more than enough are fine. Raises Unfit."""
    try:
        groups = decode_mnemonics(shares)
        complete, needed = _complete(groups), _needed(groups)
        if len(complete) < needed:
            raise Unfit("these shares are not enough: more of the same set are needed")
        minimal = [
            " ".join(share.words())
            for group in complete[:needed]
            for share in group.get_minimal_group()
        ]
        return bytes(combine_mnemonics(minimal, passphrase))
    except MnemonicError:
        raise Unfit(f"these shares do not give a seed: {_WRONG}") from None


def are_enough(shares: Sequence[str]) -> bool:
    """Whether `combine` has what it needs. Raises Unfit: they do not belong together."""
    try:
        groups = decode_mnemonics(shares)
    except MnemonicError:
        raise Unfit(f"this share does not belong to the others: {_WRONG}") from None
    return len(_complete(groups)) >= _needed(groups)


def phrase_of(entropy: bytes) -> str:
    """The BIP-39 phrase."""
    return str(Bip39MnemonicGenerator(Bip39Languages.ENGLISH).FromEntropy(entropy))


def entropy_of(phrase: str) -> bytes:
    """The entropy of a BIP-39 phrase of 12 to 24 words. Raises Unfit, naming no word."""
    try:
        return bytes(Bip39MnemonicDecoder(Bip39Languages.ENGLISH).Decode(phrase))
    except (MnemonicChecksumError, ValueError):
        raise Unfit("this is no BIP-39 phrase: a word is mistyped, missing or misplaced") from None


def seed_of(entropy: bytes, passphrase: str = "") -> bytes:
    """The 64-byte BIP-39 seed, from which BIP-32 begins."""
    return bytes(Bip39SeedGenerator(phrase_of(entropy)).Generate(passphrase))


def master_of(seed: bytes) -> Any:
    """The BIP-44 tree for Ethereum; keys as Bip44 objects."""
    return Bip44.FromSeed(seed, Bip44Coins.ETHEREUM)


def account_of(entropy: bytes, index: int) -> Any:
    """m/44'/60'/index' as a Bip44 object."""
    return master_of(seed_of(entropy)).Purpose().Coin().Account(index)


def _complete(groups: Any) -> list[Any]:
    return [group for group in groups.values() if group.is_complete()]


def _needed(groups: Any) -> int:
    return int(next(iter(groups.values())).common_parameters().group_threshold)
