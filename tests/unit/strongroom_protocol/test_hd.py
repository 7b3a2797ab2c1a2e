import pytest
from bip_utils import Bip32Slip10Secp256k1, Bip44, Bip44Changes, Bip44Coins
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

# BIP-32, test vectors 1 to 4: seed, path, and the extended public key there.
SEEDS = {
    1: "000102030405060708090a0b0c0d0e0f",
    2: "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2"
    "9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542",
    3: "4b381541583be4423346c643850da4b320e46a87ae3d2a4e6da11eba819cd4ac"
    "ba45d239319ac14f863b8d5ab5a0d0c64d2e8a1e7d1457df2e5a3c51c73235be",
    4: "3ddd5602285899a946114506157c7997e5444528f3003f6134712147db19b678",
}
PATHS = (
    (1, "m m/0' m/0'/1 m/0'/1/2' m/0'/1/2'/2 m/0'/1/2'/2/1000000000"),
    (2, "m m/0 m/0/2147483647' m/0/2147483647'/1 m/0/2147483647'/1/2147483646'"),
    (2, "m/0/2147483647'/1/2147483646'/2"),
    (3, "m m/0'"),
    (4, "m m/0' m/0'/1'"),
)
XPUBS = [
    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
    "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
    "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
    "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
    "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
    "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
    "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
    "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
    "xpub6ASAVgeehLbnwdqV6UKMHVzgqAG8Gr6riv3Fxxpj8ksbH9ebxaEyBLZ85ySDhKiLDBrQSARLq1uNRts8RuJiHjaDMBU4Zn9h8LZNnBC5y4a",
    "xpub6DF8uhdarytz3FWdA8TvFSvvAh8dP3283MY7p2V4SeE2wyWmG5mg5EwVvmdMVCQcoNJxGoWaU9DCWh89LojfZ537wTfunKau47EL2dhHKon",
    "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL",
    "xpub6FnCn6nSzZAw5Tw7cgR9bi15UV96gLZhjDstkXXxvCLsUXBGXPdSnLFbdpq8p9HmGsApME5hQTZ3emM2rnY5agb9rXpVGyy3bdW6EEgAtqt",
    "xpub661MyMwAqRbcEZVB4dScxMAdx6d4nFc9nvyvH3v4gJL378CSRZiYmhRoP7mBy6gSPSCYk6SzXPTf3ND1cZAceL7SfJ1Z3GC8vBgp2epUt13",
    "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y",
    "xpub661MyMwAqRbcGczjuMoRm6dXaLDEhW1u34gKenbeYqAix21mdUKJyuyu5F1rzYGVxyL6tmgBUAEPrEz92mBXjByMRiJdba9wpnN37RLLAXa",
    "xpub69AUMk3qDBi3uW1sXgjCmVjJ2G6WQoYSnNHyzkmdCHEhSZ4tBok37xfFEqHd2AddP56Tqp4o56AePAgCjYdvpW2PU2jbUPFKsav5ut6Ch1m",
    "xpub6BJA1jSqiukeaesWfxe6sNK9CCGaujFFSJLomWHprUL9DePQ4JDkM5d88n49sMGJxrhpjazuXYWdMf17C9T5XnxkopaeS7jGk1GyyVziaMt",
]
NODES = [(seed, path) for seed, paths in PATHS for path in paths.split()]
BIP_32 = dict(zip(NODES, XPUBS, strict=True))
# What an xpub can derive: the last step is not hardened.
PUBLIC_STEPS = [(seed, path) for seed, path in BIP_32 if "/" in path and not path.endswith("'")]
ACCOUNT = Bip44.FromSeed(b"\1" * 64, Bip44Coins.ETHEREUM).Purpose().Coin().Account(3)
XPUB = ACCOUNT.PublicKey().ToExtended()


def test_every_public_step_of_the_bip_32_vectors():
    assert len(PUBLIC_STEPS) == 6
    for seed, steps in PUBLIC_STEPS:
        parent, _, index = steps.rpartition("/")
        child = parse_xpub(BIP_32[seed, parent]).child(int(index))
        assert child == parse_xpub(BIP_32[seed, steps])


@pytest.mark.parametrize(("seed", "steps"), BIP_32)
def test_every_key_of_the_bip_32_vectors(seed, steps):
    """From the seed by bip-utils, which the ceremony uses; read by our own code."""
    node = Bip32Slip10Secp256k1.FromSeed(bytes.fromhex(SEEDS[seed])).DerivePath(steps)
    assert node.PublicKey().ToExtended() == BIP_32[seed, steps]
    read = parse_xpub(BIP_32[seed, steps])
    assert read.public_key == node.PublicKey().RawCompressed().ToBytes()
    assert read.chain_code == node.ChainCode().ToBytes()
    assert (read.depth, read.child_number) == (steps.count("/"), node.Index().ToInt())


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=16, max_size=64),
    st.integers(0, 2**31 - 1),
    st.sampled_from([Bip44Changes.CHAIN_EXT, Bip44Changes.CHAIN_INT]),
    st.integers(0, 2**31 - 3),
)
def test_addresses_equal_bip_utils(seed, account_index, branch, index):
    """Branch 0 holds the deposits, branch 1 the spending keys."""
    account = Bip44.FromSeed(seed, Bip44Coins.ETHEREUM).Purpose().Coin().Account(account_index)
    ours = addresses(account.PublicKey().ToExtended(), index, 2, branch.value)
    for offset, address in enumerate(ours):
        theirs = account.Change(branch).AddressIndex(index + offset).PublicKey().ToAddress()
        assert checksum(address) == theirs


def test_a_range_is_its_single_addresses():
    assert list(addresses(XPUB, 5, 4)) == [child_address(XPUB, i) for i in range(5, 9)]
    assert list(addresses(XPUB, 5, 0)) == []
    assert path(3, 8) == "m/44'/60'/3'/0/8"
    assert len(xpub_hash(XPUB)) == 32
    with pytest.raises(KeyInvalid):
        xpub_hash("xpub\u0661")


# BIP-32, test vector 5: keys that must be refused; then our own.
INVALID = [
    "xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFGTQQD3dC4H2D5GBj7vWvSQaaBv5cxi9gafk7NF3pnBju6dwKvH",
    "xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFGpWnsj83BHtEy5Zt8CcDr1UiRXuWCmTQLxEK9vbz5gPstX92JQ",
    "xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFAzHGBP2UuGCqWLTAPLcMtD9y5gkZ6Eq3Rjuahrv17fEQ3Qen6J",
    "xprv9s2SPatNQ9Vc6GTbVMFPFo7jsaZySyzk7L8n2uqKXJen3KUmvQNTuLh3fhZMBoG3G4ZW1N2kZuHEPY53qmbZzCHshoQnNf4GvELZfqTUrcv",
    "xprv9s21ZrQH4r4TsiLvyLXqM9P7k1K3EYhA1kkD6xuquB5i39AU8KF42acDyL3qsDbU9NmZn6MsGSUYZEsuoePmjzsB3eFKSUEh3Gu1N3cqVUN",
    "DMwo58pR1QLEFihHiXPVykYB6fJmsTeHvyTp7hRThAtCX8CvYzgPcn8XnmdfHPmHJiEDXkTiJTVV9rHEBUem2mwVbbNfvT2MTcAqj3nesx8uBf9",
    "xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzF93Y5wvzdUayhgkkFoicQZcP3y52uPPxFnfoLZB21Teqt1VvEHx",
    "xprv9s21ZrQH143K24Mfq5zL5MhWK9hUhhGbd45hLXo2Pq2oqzMMo63oStZzFAzHGBP2UuGCqWLTAPLcMtD5SDKr24z3aiUvKr9bJpdrcLg1y3G",
    "xpub661MyMwAqRbcEYS8w7XLSVeEsBXy79zSzH1J8vCdxAZningWLdN3zgtU6Q5JXayek4PRsn35jii4veMimro1xefsM58PgBMrvdYre8QyULY",
    "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHL",
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
    for other in (deeper, BIP_32[2, "m"]):
        with pytest.raises(KeyInvalid, match="depth"):
            child_address(other, 0)
