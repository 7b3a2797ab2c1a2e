"""The transactions that our keys sign: EIP-1559 (type 2), EIP-7702 (type 4), and EIP-155 for
chains that have no fee market.

Encoders that sign nonsense are how money is lost: `validate` refuses before anything is encoded.
Access lists stay empty, contracts are made only by calling a factory.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.rlp import Item, encode
from strongroom_protocol.signatures import Signature, recover

# EIP-2681: the nonce that an account can never use up.
NONCE_LIMIT = 2**64 - 1
# EIP-7825: no transaction may ask for more gas.
GAS_MAX = 2**24
# Nodes refuse to pool anything larger (geth's txMaxSize).
DATA_MAX = 128 * 1024
# Far above any fee ever seen (1 ether a unit of gas); keeps gas times fee far below 2^256.
FEE_PER_GAS_MAX = 10**18
AUTHORIZATIONS_MAX = 400


class TransactionInvalid(ProtocolError):
    """A transaction that must not be signed; the message names the field."""

    code = "transaction.invalid"


@dataclass(frozen=True, slots=True)
class Authorization:
    """EIP-7702: the account that signs it runs the code at `delegate` from `nonce` on."""

    chain_id: int
    delegate: Address
    nonce: int

    def validate(self) -> None:
        """Raises TransactionInvalid; chain id 0 would be valid on every chain."""
        _check_chain(self.chain_id)
        _check_nonce(self.nonce)
        if len(self.delegate) != 20 or self.delegate == ZERO:
            raise TransactionInvalid("delegate: must be an address other than zero")

    def signing_hash(self) -> bytes:
        """Keccak(0x05 ‖ rlp([chain, delegate, nonce])); validates first."""
        self.validate()
        return keccak256(b"\x05" + encode([self.chain_id, self.delegate, self.nonce]))


@dataclass(frozen=True, slots=True)
class SignedAuthorization:
    """An authorisation with the account's signature."""

    authorization: Authorization
    signature: Signature

    def authority(self) -> Address:
        """The account that signed."""
        return recover(self.authorization.signing_hash(), self.signature)

    def item(self) -> Item:
        """Its place in the transaction's list."""
        inner, signature = self.authorization, self.signature
        head: list[Item] = [inner.chain_id, inner.delegate, inner.nonce]
        return [*head, signature.y_parity, signature.r, signature.s]


class _Transaction(ABC):
    """What every kind has. Gas prices and value in wei."""

    chain_id: int
    nonce: int
    gas: int
    to: Address
    value: int
    data: bytes

    def validate(self) -> None:
        """Raises TransactionInvalid naming the first field that is out of bounds."""
        _check_chain(self.chain_id)
        _check_nonce(self.nonce)
        self._check_price()
        if not self.gas_min() <= self.gas <= GAS_MAX:
            raise TransactionInvalid(f"gas: must be {self.gas_min()} to {GAS_MAX}, is {self.gas}")
        if len(self.to) != 20 or self.to == ZERO:
            raise TransactionInvalid("to: must be an address other than zero")
        if self.value < 0 or self.value >> 256:
            raise TransactionInvalid("value: must be 0 to 2^256 - 1 wei")
        if len(self.data) > DATA_MAX:
            raise TransactionInvalid(f"data: {len(self.data)} bytes are more than {DATA_MAX}")

    def gas_min(self) -> int:
        """Gas that the transaction burns before its first step (EIP-2028, EIP-7623)."""
        zeros = self.data.count(0)
        tokens = zeros + 4 * (len(self.data) - zeros)
        return 21_000 + max(10 * tokens, 4 * tokens + self._extra_gas())

    @abstractmethod
    def max_total_fee(self) -> int:
        """The most that it can cost beyond its value, in wei."""

    def signing_hash(self) -> bytes:
        """The 32 bytes that the sender signs; validates first."""
        self.validate()
        return keccak256(self._payload(None))

    def signed_bytes(self, signature: Signature) -> bytes:
        """The raw transaction, as eth_sendRawTransaction takes it; validates first."""
        self.validate()
        return self._payload(signature)

    def hash(self, signature: Signature) -> bytes:
        """The transaction's hash on chain."""
        return keccak256(self.signed_bytes(signature))

    def sender(self, signature: Signature) -> Address:
        """The account whose signature this is."""
        return recover(self.signing_hash(), signature)

    def _extra_gas(self) -> int:
        return 0

    @abstractmethod
    def _check_price(self) -> None: ...

    @abstractmethod
    def _payload(self, signature: Signature | None) -> bytes: ...


@dataclass(frozen=True)
class LegacyTransaction(_Transaction):
    """EIP-155: the chain id is signed; v is twice the chain id, and 35 or 36. Any gas price that is
    named is paid in full.
    """

    chain_id: int
    nonce: int
    gas_price: int
    gas: int
    to: Address
    value: int
    data: bytes

    def max_total_fee(self) -> int:
        """The most that it can cost beyond its value, in wei."""
        return self.gas * self.gas_price

    def _check_price(self) -> None:
        if not 0 < self.gas_price <= FEE_PER_GAS_MAX:
            raise TransactionInvalid(f"gas_price: must be 1 to {FEE_PER_GAS_MAX} wei")

    def _payload(self, signature: Signature | None) -> bytes:
        tail = [self.chain_id, 0, 0]
        if signature is not None:
            tail = [2 * self.chain_id + 35 + signature.y_parity, signature.r, signature.s]
        head = [self.nonce, self.gas_price, self.gas]
        return encode([*head, self.to, self.value, self.data, *tail])


@dataclass(frozen=True)
class _FeeMarketTransaction(_Transaction):
    """What the types with a fee market share. Fees and value in wei."""

    TYPE: ClassVar[int]

    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas: int
    to: Address
    value: int
    data: bytes

    def max_total_fee(self) -> int:
        """The most that it can cost beyond its value, in wei."""
        return self.gas * self.max_fee_per_gas

    def _check_price(self) -> None:
        if not 0 < self.max_fee_per_gas <= FEE_PER_GAS_MAX:
            raise TransactionInvalid(f"max_fee_per_gas: must be 1 to {FEE_PER_GAS_MAX} wei")
        if not 0 <= self.max_priority_fee_per_gas <= self.max_fee_per_gas:
            raise TransactionInvalid("max_priority_fee_per_gas: must be 0 to max_fee_per_gas")

    def _payload(self, signature: Signature | None) -> bytes:
        items = self._items()
        if signature is not None:
            items += [signature.y_parity, signature.r, signature.s]
        return bytes([self.TYPE]) + encode(items)

    def _items(self) -> list[Item]:
        return [
            self.chain_id,
            self.nonce,
            self.max_priority_fee_per_gas,
            self.max_fee_per_gas,
            self.gas,
            self.to,
            self.value,
            self.data,
            [],
        ]


@dataclass(frozen=True)
class Transaction1559(_FeeMarketTransaction):
    """Type 2: a plain call."""

    TYPE: ClassVar[int] = 2


@dataclass(frozen=True)
class SetCodeTransaction(_FeeMarketTransaction):
    """Type 4: a call that installs the delegations which it carries."""

    authorizations: tuple[SignedAuthorization, ...]

    TYPE: ClassVar[int] = 4

    def validate(self) -> None:
        """As every transaction; and 1 to 400 authorisations of this chain, one an account."""
        if not 0 < len(self.authorizations) <= AUTHORIZATIONS_MAX:
            raise TransactionInvalid(f"authorizations: must be 1 to {AUTHORIZATIONS_MAX}")
        if any(signed.authorization.chain_id != self.chain_id for signed in self.authorizations):
            raise TransactionInvalid("authorizations: must name the transaction's own chain")
        accounts = {signed.authority() for signed in self.authorizations}
        if len(accounts) != len(self.authorizations):
            raise TransactionInvalid("authorizations: an account may appear once only")
        super().validate()

    def _extra_gas(self) -> int:
        return 25_000 * len(self.authorizations)  # EIP-7702, PER_EMPTY_ACCOUNT_COST

    def _items(self) -> list[Item]:
        return [*super()._items(), [signed.item() for signed in self.authorizations]]


def _check_chain(chain_id: int) -> None:
    if not 0 < chain_id < 2**63:
        raise TransactionInvalid(f"chain_id: {chain_id} must be 1 to 2^63 - 1")


def _check_nonce(nonce: int) -> None:
    if not 0 <= nonce < NONCE_LIMIT:
        raise TransactionInvalid(f"nonce: {nonce} must be 0 to 2^64 - 2")
