"""Random things to sign, drawn from a seed: valid by construction, edges of each field often."""

from functools import cache
from random import Random
from typing import TypeVar

from coincurve import PrivateKey

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.safe import Payment
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import (
    DATA_MAX,
    FEE_PER_GAS_MAX,
    GAS_MAX,
    Authorization,
    LegacyTransaction,
    SetCodeTransaction,
    SignedAuthorization,
    Transaction1559,
)

T = TypeVar("T", LegacyTransaction, Transaction1559, SetCodeTransaction)
# Where RLP, words and our own bounds change their minds.
EDGES = sorted({2**bits + by for bits in (*range(0, 257, 8), 7, 63, 255) for by in (-1, 0, 1)})
CHAINS = (1, 5, 127, 128, 255, 256, 31337, 2**32, 2**53 + 1, 2**63 - 1)
DATA_SIZES = (0, 1, 2, 31, 32, 54, 55, 56, 57, 68, 255, 256, 257, 1000)
LARGE_DATA_SIZES = (65_535, 65_536, DATA_MAX)
UINT64_MAX, UINT256_MAX = 2**64 - 1, 2**256 - 1


def number(draw: Random, least: int, most: int) -> int:
    """An edge, a number of any length, or any number: a third each."""
    choice = draw.randrange(3)
    if choice == 0:
        return max(least, min(most, draw.choice(EDGES)))
    if choice == 1:
        return max(least, min(most, draw.getrandbits(draw.randint(1, most.bit_length()))))
    return draw.randint(least, most)


def address(draw: Random) -> Address:
    """Twenty bytes, sometimes with zeros in front or behind, never zero."""
    tail = draw.randbytes(draw.randint(1, 19)) + b"\1"
    choice = draw.randrange(4)
    if choice == 0:
        return Address(tail.rjust(20, b"\0"))
    if choice == 1:
        return Address(b"\1" + tail[:-1].ljust(19, b"\0"))
    return Address(b"\x7f" + draw.randbytes(19))


def byte_string(draw: Random) -> bytes:
    """Call data: mostly short, lengths where RLP's prefix changes, now and then the largest."""
    if draw.randrange(2000) == 0:
        return draw.randbytes(draw.choice(LARGE_DATA_SIZES))
    size = draw.choice(DATA_SIZES) if draw.randrange(2) else draw.randrange(300)
    return draw.randbytes(size) if draw.randrange(4) else bytes(size)


def legacy(draw: Random) -> LegacyTransaction:
    """A transaction of EIP-155."""
    chain = draw.choice(CHAINS) if draw.randrange(2) else number(draw, 1, 2**63 - 1)
    price = number(draw, 1, FEE_PER_GAS_MAX)
    blank = LegacyTransaction(chain, 0, price, 0, address(draw), 0, byte_string(draw))
    return _filled(draw, blank)


def type_2(draw: Random) -> Transaction1559:
    """A transaction of EIP-1559."""
    chain = draw.choice(CHAINS) if draw.randrange(2) else number(draw, 1, 2**63 - 1)
    fees = _fees(draw)
    return _filled(draw, Transaction1559(chain, 0, *fees, 0, address(draw), 0, byte_string(draw)))


def type_4(draw: Random) -> SetCodeTransaction:
    """A transaction of EIP-7702 with one to twelve authorisations."""
    chain = draw.choice(CHAINS)
    count = draw.choice((1, 1, 1, 2, 3, 12))
    carried = tuple(draw.sample(authorisations(chain), count))
    data = byte_string(draw)
    blank = SetCodeTransaction(chain, 0, *_fees(draw), 0, address(draw), 0, data, carried)
    return _filled(draw, blank)


def authorization(draw: Random) -> Authorization:
    """An authorisation of EIP-7702."""
    return Authorization(draw.choice(CHAINS), address(draw), number(draw, 0, UINT64_MAX - 1))


@cache
def authorisations(chain: int) -> tuple[SignedAuthorization, ...]:
    """Twenty-four signed ones of a chain, each by another key; the same in every run."""
    draw, signed = Random(chain), []
    for _ in range(24):
        inner = Authorization(chain, address(draw), number(draw, 0, UINT64_MAX - 1))
        raw = PrivateKey(draw.randbytes(32)).sign_recoverable(inner.signing_hash(), hasher=None)
        signature = Signature.parse(raw[:64] + bytes([raw[64] + 27]))
        signed.append(SignedAuthorization(inner, signature))
    return tuple(signed)


def payment(draw: Random) -> Payment:
    """What a vault pays, one in three in the native coin."""
    token = ZERO if draw.randrange(3) == 0 else Address(b"\x70" + draw.randbytes(19))
    return Payment(token, address(draw), number(draw, 1, UINT256_MAX))


def uint64(draw: Random) -> int:
    """Any of 64 bits."""
    return number(draw, 0, UINT64_MAX)


def _fees(draw: Random) -> tuple[int, int]:
    priority, fee = sorted(number(draw, 0, FEE_PER_GAS_MAX) for _ in range(2))
    return priority, max(fee, 1)


def _filled(draw: Random, blank: T) -> T:
    """Nonce, value, and the least gas, the most, or something between."""
    object.__setattr__(blank, "nonce", number(draw, 0, UINT64_MAX - 1))
    object.__setattr__(blank, "value", number(draw, 0, UINT256_MAX))
    least = blank.gas_min()
    gas = draw.choice((least, GAS_MAX, draw.randint(least, GAS_MAX)))
    object.__setattr__(blank, "gas", gas)
    return blank
