import pytest
from bip_utils import Bip44, Bip44Changes, Bip44Coins
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom_protocol.addresses import checksum
from strongroom_protocol.hd import (
    KeyInvalid,
    addresses,
    child_address,
    parse_xpub,
    path,
    xpub_hash,
)

# BIP-32, test vectors 1 and 2: public parent, index, public child.
BIP_32 = [
    (
        "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
        1,
        "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    ),
    (
        "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
        2,
        "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    ),
    (
        "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
        0,
        "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    ),
]
ACCOUNT = Bip44.FromSeed(b"\1" * 64, Bip44Coins.ETHEREUM).Purpose().Coin().Account(3)
XPUB = ACCOUNT.PublicKey().ToExtended()


@pytest.mark.parametrize(("parent", "index", "child"), BIP_32)
def test_bip_32_vectors(parent, index, child):
    assert parse_xpub(parent).child(index) == parse_xpub(child)


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=16, max_size=64), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_addresses_equal_bip_utils(seed, account_index, index):
    account = Bip44.FromSeed(seed, Bip44Coins.ETHEREUM).Purpose().Coin().Account(account_index)
    theirs = account.Change(Bip44Changes.CHAIN_EXT).AddressIndex(index).PublicKey().ToAddress()
    assert checksum(child_address(account.PublicKey().ToExtended(), index)) == theirs


def test_a_range_is_its_single_addresses():
    assert list(addresses(XPUB, 5, 4)) == [child_address(XPUB, i) for i in range(5, 9)]
    assert list(addresses(XPUB, 5, 0)) == []
    assert path(3, 8) == "m/44'/60'/3'/0/8"
    assert len(xpub_hash(XPUB)) == 32


# BIP-32, test vector 5: keys that must be refused; then our own.
INVALID = [
    "xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6LBpB85b3D2yc8sfvZU521AAwdZafEz7mnzBBsz4wKY5fTtTQBm",
    "xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Txnt3siSujt9RCVYsx4qHZGc62TG4McvMGcAUjeuwZdduYEvFn",
    "xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6N8ZMMXctdiCjxTNq964yKkwrkBJJwpzZS4HS2fxvyYUA4q2Xe4",
    "xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXGENhYRCf7hyEbWrR3FewATdCEebj6znwMfQkhRYHRLpJ",
    "xpub661MyMwAuDcm6CRQ5N4qiHKrJ39Xe1R1NyfouMKTTWcguwVcfrZJaNvhpebzGerh7gucBvzEQWRugZDuDXjNDRmXzSZe4c7mnTK97pTvGS8",
    "DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHGMQzT7ayAmfo4z3gY5KfbrZWZ6St24UVf2Qgo6oujFktLHdHY4",
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    XPUB[:-1], XPUB + "1", XPUB[:50] + ("2" if XPUB[50] != "2" else "3") + XPUB[51:], "",
    "xpub0OIl", "xpub" + "é" * 5, XPUB + " ",
]  # fmt: skip


@pytest.mark.parametrize("text", INVALID)
def test_invalid_extended_keys_are_refused(text):
    with pytest.raises(KeyInvalid):
        parse_xpub(text)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1), (2**31, 1), (2**31 - 1, 2)])
def test_indexes_out_of_range_are_refused(start, count):
    with pytest.raises(KeyInvalid):
        list(addresses(XPUB, start, count))
    with pytest.raises(KeyInvalid):
        parse_xpub(XPUB).child(2**31)


def test_an_xpub_of_another_depth_is_refused():
    deeper = ACCOUNT.Change(Bip44Changes.CHAIN_EXT).PublicKey().ToExtended()
    for other in (deeper, BIP_32[2][0]):
        with pytest.raises(KeyInvalid, match="depth"):
            child_address(other, 0)
