"""Transactions that others have printed, through our own entry points and through both encoders.

Sources: EIP-155's example; ethereum/tests, ttTransactionTestEip155VitaliksTests; the examples of
web3.js and eth-account (EIP-1559, type 2); wallet-core, viem and eth-account (EIP-7702). Type 1
(EIP-2930) is not among what our keys sign; type 2 with an access list neither.
"""

import pytest
from coincurve import PrivateKey

from strongroom_protocol.addresses import Address, address_of_public_key
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import (
    Authorization,
    LegacyTransaction,
    SignedAuthorization,
    Transaction1559,
)
from strongroom_signer.agreement import agreed


def sign(secret: str, digest: bytes) -> Signature:
    """As everybody signs: RFC 6979, low s; so r and s can be compared with what is printed."""
    raw = PrivateKey(bytes.fromhex(secret)).sign_recoverable(digest, hasher=None)
    return Signature.parse(raw[:64] + bytes([raw[64] + 27]))


def to(text: str) -> Address:
    return Address(bytes.fromhex(text))


def test_the_example_of_eip_155() -> None:
    tx = LegacyTransaction(1, 9, 20 * 10**9, 21_000, to("35" * 20), 10**18, b"")
    assert agreed(tx).hex() == "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53"
    signature = sign("46" * 32, tx.signing_hash())
    assert (signature.r, signature.s, signature.v) == (
        18515461264373351373200002665853028612451056578545711640558177340181847433846,
        46948507304638947509940763649030358759909902576025900602547168820602576006531,
        27,
    )
    assert tx.signed_bytes(signature).hex() == (
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"
        "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
        "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )


def test_the_example_of_web3_js() -> None:
    payee = to("f0109fc8df283027b6285cc889f5aa624eac1f55")
    tx = LegacyTransaction(1, 0, 234_567_897_654_321, 2_000_000, payee, 10**9, b"")
    secret = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
    signature = sign(secret, agreed(tx))
    assert tx.hash(signature).hex() == (
        "d8f64a42b57be0d565f385378db2f6bf324ce14a594afc05de90436e9ce01f60"
    )


# Nonce, gas, value, the signature's r and s, transaction hash, sender. The gas price is 20 gwei
# and as many wei more as the nonce says; s is r or a little less; all pay to 0x3535….
VITALIKS = [
    (0, 21_000, 0, "044852b2a670ade5407e78fb2863c51de9fcb96542a07186fe3aeda6bb8a116d", 0,
     "b1e2188bc490908a78184e4818dca53684167507417fdb4c09c2d64d32a9896a",
     "f0f6f18bca1b28cd68e4357452947e021241e9ce"),
    (1, 42_000, 1, "489efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bca", 4,
     "e62703f43b6f10d42b520941898bf710ebb66dba9df81702702b6d9bf23fef1b",
     "23ef145a395ea3fa3deb533b8a9e1b4c6c25d112"),
    (2, 63_000, 8, "2d7c5bef027816a800da1736444fb58a807ef4c9603b7848673f7e3a68eb14a5", 0,
     "1f621d7d8804723ab6fec606e504cc893ad4fe4a545d45f499caaf16a61d86dd",
     "2e485e0c23b4c3c542628a5f672eeab0ad4888be"),
    (3, 84_000, 27, "2a80e1ef1d7842f27f2e6be0972bb708b9a135c38860dbe73c27c3486c34f4e0", 2,
     "99b6455776b1988840d0074c23772cb6b323eb32c5011e4a3a1d06d27b2eb425",
     "82a88539669a3fd524d669e858935de5e5410cf0"),
    (4, 105_000, 64, "13600b294191fc92924bb3ce4b969c1e7e2bab8f4c93c3fc6d0a51733df3c063", 3,
     "0b2b499d5a3e729bcc197e1a00f922d80890472299dd1c648988eb08b5b1ff0a",
     "f9358f2538fd5ccfeb848b64a96b743fcc930554"),
    (5, 126_000, 125, "4eebf77a833b30520287ddd9478ff51abbdffa30aa90a8d655dba0e8a79ce0c1", 0,
     "99a214f26aaf2804d84367ac8f33ff74b3a94e68baf820668f3641819ced1216",
     "a8f7aba377317440bc5b26198a363ad22af1f3a4"),
    (6, 147_000, 216, "6455bf8ea6e7463a1046a0b52804526e119b4bf5136279614e0b1e8e296a4e2f", 2,
     "4ed0b4b20536cce62389c6b95ff6a517489b6045efdefeabb4ecf8707d99e15d",
     "f1f571dc362a0e5b2696b8e775f8491d3e50de35"),
    (7, 168_000, 343, "52f1a9b320cab38e5da8a8f97989383aab0a49165fc91c737310e4f7e9821021", 0,
     "a40eb7000de852898a385a19312284bb06f6a9b5d8d03e0b8fb5df2f07f9fe94",
     "d37922162ab7cea97c97a87551ed02c9a38b7332"),
    (8, 189_000, 512, "64b1702d9298fee62dfeccc57d322a463ad55ca201256d01f62b45b2e1c21c12", 2,
     "588df025c4c2d757d3e314bd3dfbfe352687324e6b8557ad1731585e96928aed",
     "9bddad43f934d313c2b79ca28a432dd2b7281029"),
    (9, 210_000, 729, "52f8f61201b2b11a78d6e866abc9c3db2ae8631fa656bfe5cb53668255367afb", 0,
     "f39c7dac06a9f3abf09faf5e30439a349d3717611b3ed337cd52b0d192bc72da",
     "3c24d7329e92f84f08556ceb6df1cdb0104ca49f"),
]  # fmt: skip


@pytest.mark.parametrize("vector", VITALIKS, ids=lambda vector: f"nonce {vector[0]}")
def test_the_public_suite_of_eip_155(vector: tuple[int, int, int, str, int, str, str]) -> None:
    nonce, gas, value, r, less, tx_hash, sender = vector
    tx = LegacyTransaction(1, nonce, 20 * 10**9 + nonce, gas, to("35" * 20), value, b"")
    signature = Signature(int(r, 16), int(r, 16) - less, 27)
    assert tx.hash(signature).hex() == tx_hash
    assert tx.sender(signature) == to(sender)
    assert agreed(tx) == tx.signing_hash()


def test_a_type_2_transaction_of_eth_account() -> None:
    payee = to("96216849c49358b10257cb55b28ea603c874b05e")
    tx = Transaction1559(1337, 2, 2 * 10**9, 2 * 10**9, 100_000, payee, 10**14, b"\x55\x44")
    signature = Signature(
        0xC3000CD391F991169EBFD5D3B9E93C89D31A61C998A21B07A11DC6B9D66F8A8E,
        0x22CFE8424B2FBD78B16C9911DA1BE2349027B0A3C40ADF4B6459222323773F74,
        28,
    )
    assert tx.signed_bytes(signature).hex() == (
        "02f8758205390284773594008477359400830186a09496216849c49358b10257cb55b28ea603c874b05e86"
        "5af3107a4000825544c0"
        "01a0c3000cd391f991169ebfd5d3b9e93c89d31a61c998a21b07a11dc6b9d66f8a8e"
        "a022cfe8424b2fbd78b16c9911da1be2349027b0a3c40adf4b6459222323773f74"
    )
    assert agreed(tx).hex() == "a1ea3121940930f7e7b54506d80717f14c5163807951624c36354202a8bffda6"


# Chain, delegate, nonce, and the hash that the account signs.
AUTHORISATIONS = [
    (1, "b91aaa96b138a1b1d94c9df4628187132c5f2bf1", 1,
     "3ae543b2fa103a39a6985d964a67caed05f6b9bb2430ad6d498cda743fe911d9"),
    (1, "be95c3f554e9fc85ec51be69a3d807a0d55bcf2c", 40,
     "5919da563810a99caf657d42bd10905adbd28b3b89b8a4577efa471e5e4b3914"),
    (69, "fba3912ca04dd458c843e2ee08967fc04f3579c2", 420,
     "9aeacccc1b8571dfc4fb4ba734dbde6e94d6c0188484413585144a755c359aac"),
    (1, "fba3912ca04dd458c843e2ee08967fc04f3579c2", 0,
     "a357bcb1f69e88d2c170904a18bc5bb8fe25872923a8d0a92f3e57c2d6df35cb"),
    (1337, "5ce9454909639d2d17a3f753ce7d93fa0b9ab12e", 1,
     "9026f77ed6740d6d08f0cdc0591a86b2232700020a816718fbf760785e9ca2f2"),
]  # fmt: skip


@pytest.mark.parametrize(("chain", "delegate", "nonce", "expected"), AUTHORISATIONS)
def test_authorisation_hashes_of_eip_7702(
    chain: int, delegate: str, nonce: int, expected: str
) -> None:
    assert agreed(Authorization(chain, to(delegate), nonce)).hex() == expected


@pytest.mark.parametrize(
    ("index", "secret", "parity", "r", "s"),
    [
        (0, "947dd69af402e7f48da1b845dfc1df6be593d01a0d8274bd03ec56712e7164e8", 1,
         0x2C39F2F64441DD38C364EE175DC6B9A87F34CA330BCE968F6C8E22811E3BB710,
         0x5F1BCDE93DEE4B214E60BC0E63BABCC13E4FECB8A23C4098FD89844762AA012C),
        (4, "aa" * 32, 0,
         0x735375048FC96B87390B5A11C411FC57245D8E55038BF49E659D048A0D1A3F87,
         0x7F4B3DB448845CB217812F23C6B345E99F2D21C44EC10E93A8F0398141674171),
    ],
)  # fmt: skip
def test_signed_authorisations_of_eip_7702(
    index: int, secret: str, parity: int, r: int, s: int
) -> None:
    chain, delegate, nonce, _ = AUTHORISATIONS[index]
    inner = Authorization(chain, to(delegate), nonce)
    signed = SignedAuthorization(inner, sign(secret, inner.signing_hash()))
    assert signed.item() == [chain, to(delegate), nonce, parity, r, s]
    point = PrivateKey(bytes.fromhex(secret)).public_key.format(compressed=False)
    assert signed.authority() == address_of_public_key(point)
