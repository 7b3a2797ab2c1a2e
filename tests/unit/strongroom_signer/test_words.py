"""The seed as words. vectors/bip39.json and vectors/slip39.json are the standards' own (the
reference implementations of BIP-39 and SLIP-39, MIT), passed through the ceremony's entry points.
"""

import json
import secrets
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from strongroom_signer.ceremony import words
from strongroom_signer.errors import Unfit

VECTORS = Path(__file__).parent / "vectors"
BIP39: list[list[str]] = json.loads((VECTORS / "bip39.json").read_text())
SLIP39: list[list[Any]] = json.loads((VECTORS / "slip39.json").read_text())
MISTYPED = ("abandon " * 11 + "abandon", "abandon " * 10 + "about", "no words of the list", "")


@pytest.mark.parametrize(("entropy", "phrase", "seed", "xprv"), BIP39)
def test_bip39_vectors(entropy: str, phrase: str, seed: str, xprv: str) -> None:
    assert words.phrase_of(bytes.fromhex(entropy)) == phrase
    assert words.entropy_of(phrase).hex() == entropy
    assert words.seed_of(bytes.fromhex(entropy), "TREZOR").hex() == seed
    assert words.master_of(bytes.fromhex(seed)).PrivateKey().ToExtended() == xprv


@pytest.mark.parametrize(("name", "shares", "secret", "xprv"), SLIP39)
def test_slip39_vectors(name: str, shares: list[str], secret: str, xprv: str) -> None:
    if not secret:
        with pytest.raises(Unfit):
            words.combine(shares, b"TREZOR")
        return
    found = words.combine(shares, b"TREZOR")
    assert found.hex() == secret, name
    assert words.master_of(found).PrivateKey().ToExtended() == xprv


@pytest.mark.parametrize("phrase", MISTYPED)
def test_a_mistyped_phrase_is_refused_without_repeating_it(phrase: str) -> None:
    with pytest.raises(Unfit) as refusal:
        words.entropy_of(phrase)
    assert "abandon" not in str(refusal.value)


def test_any_two_of_three_shares_give_the_seed_back_and_one_does_not() -> None:
    entropy = secrets.token_bytes(32)
    (shares,) = words.split(entropy, words.parse_scheme(["2of3"], None))
    for pair in combinations(shares, 2):
        assert words.are_enough(pair)
        assert words.combine(pair) == entropy
    assert words.combine(shares) == entropy, "more than enough is fine"
    assert not words.are_enough(shares[:1])
    with pytest.raises(Unfit, match="not enough"):
        words.combine(shares[:1])


def test_groups_are_needed_as_the_scheme_says() -> None:
    entropy = secrets.token_bytes(16)
    scheme = words.parse_scheme(["1of1", "2of3", "2of2"], 2)
    own, board, bank = words.split(entropy, scheme)
    assert str(scheme) == "2 of the groups 1 of 1 + 2 of 3 + 2 of 2"
    assert words.combine([*own, *board[1:]]) == entropy
    assert words.combine([*bank, *board[:2]]) == entropy
    assert not words.are_enough([*own, board[0], bank[0]])


def test_shares_of_two_sets_do_not_mix() -> None:
    scheme = words.parse_scheme(["2of2"], None)
    first, second = (words.split(secrets.token_bytes(32), scheme)[0] for _ in range(2))
    with pytest.raises(Unfit, match="belong"):
        words.are_enough([first[0], second[1]])


@pytest.mark.parametrize(
    ("texts", "groups"),
    [(["3of2"], None), (["1of3"], None), (["2of17"], None), (["two"], None), (["2of3"], 2),
     (["2of3"], 0), (["0of3"], None)],
)  # fmt: skip
def test_a_scheme_that_cannot_be_is_refused(texts: list[str], groups: int | None) -> None:
    with pytest.raises(Unfit, match="2of3"):
        words.parse_scheme(texts, groups)
