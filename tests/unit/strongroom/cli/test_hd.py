import pytest
from bip_utils import Bip44, Bip44Changes, Bip44Coins

from strongroom.cli.hd import run

ACCOUNT = Bip44.FromSeed(b"\2" * 64, Bip44Coins.ETHEREUM).Purpose().Coin().Account(0)
XPUB = ACCOUNT.PublicKey().ToExtended()


def test_addresses_are_printed_with_their_index(capsys):
    assert run(["addresses", "--xpub", XPUB, "--start", "3", "--count", "1200"]) == 0
    lines = capsys.readouterr().out.splitlines()
    external = ACCOUNT.Change(Bip44Changes.CHAIN_EXT)
    assert lines[0] == f"3 {external.AddressIndex(3).PublicKey().ToAddress()}"
    assert lines[-1] == f"1202 {external.AddressIndex(1202).PublicKey().ToAddress()}"
    assert len(lines) == 1200


@pytest.mark.parametrize("xpub", ["xpub6nonsense", XPUB[:-1], ""])
def test_a_wrong_xpub_is_a_sentence_and_exit_1(capsys, xpub):
    assert run(["addresses", "--xpub", xpub]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("strongroom hd: ")


@pytest.mark.parametrize(
    "args", [[], ["addresses"], ["addresses", "--xpub", XPUB, "--count", "-1"]]
)
def test_wrong_usage_is_exit_2(args, capsys):
    assert run(args) == 2
    assert capsys.readouterr()
