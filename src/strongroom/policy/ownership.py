"""How somebody shows that an address is theirs: by its key, or by a payment of a stated amount.

Pure. The words name organisation, address and owner, so that a proof for one is none for another.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from strongroom.policy.errors import ProofWrong
from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.amounts import Amount, Asset
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import Intent
from strongroom_protocol.signatures import Signature, recover

_DIGITS: Final = 6
"""Digits of a test payment's amount that nobody pays by chance."""


@dataclass(frozen=True)
class AddressOwnership(Intent):
    """What the owner of an address signs with that address's key (EIP-712)."""

    TYPE: ClassVar[str] = "AddressOwnership(bytes32 organisation,address account,string owner)"
    organisation: bytes
    account: Address
    owner: str


def words(organisation: bytes, account: Address, owner: str) -> str:
    """What is signed as plain text (EIP-191, `personal_sign`)."""
    return (
        f"I am {owner} and {checksum(account)} is mine. "
        f"Said to the Strongroom organisation {to_hex(organisation)}."
    )


def typed_data(organisation: bytes, account: Address, owner: str, chain_id: int) -> dict[str, Any]:
    """What is signed as typed data (EIP-712, `eth_signTypedData_v4`)."""
    return AddressOwnership(organisation, account, owner).as_json(chain_id)


def method_of(
    organisation: bytes, account: Address, owner: str, chain_id: int, signature: bytes
) -> str:
    """Which of the two this signature of `account`'s key is: eip191 or eip712. Raises ProofWrong.

    A contract's signature (EIP-1271) is none: only the chain could say whose it is.
    """
    text = words(organisation, account, owner).encode()
    plain = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)
    typed = AddressOwnership(organisation, account, owner).digest(chain_id)
    try:
        parsed = Signature.parse(signature)
        for method, digest in (("eip191", plain), ("eip712", typed)):
            if recover(digest, parsed) == account:
                return method
    except ProtocolError as error:
        raise ProofWrong(f"The signature can't be used: {error}.") from error
    raise ProofWrong(
        f"This is no signature of {checksum(account)} over the statement asked for; sign exactly "
        f"these words, or the typed data: {text.decode()}"
    )


def asked_amount(organisation: bytes, account: Address, asset: Asset) -> Amount:
    """What this address is asked to pay into one of our own addresses, and nobody else is."""
    seed = hashlib.sha256(b"strongroom.test-payment" + organisation + account)
    seed.update(asset.code.encode())
    first = 10 ** (_DIGITS - 1)
    number = first + int.from_bytes(seed.digest()[:8], "big") % (9 * first)
    return Amount(number * 10 ** max(asset.scale - _DIGITS - 1, 0), asset)


def asked_words(asked: Amount, account: Address) -> str:
    """What was asked for, to be kept with the proof."""
    return f"{checksum(account)} was asked to pay exactly {asked} into an address of ours."
