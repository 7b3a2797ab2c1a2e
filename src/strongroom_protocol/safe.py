"""SafeL2 1.5.0: the transaction that a vault executes, what it pays, and how it is carried.

`decode_payment` holds rules 3, 4 and 10 of the vault's facts: no refund fields, no delegatecall,
native value or an exact `transfer`, nothing else. It re-encodes what it read and compares.
`decode_batch` does the same for several at once, through MultiSendCallOnly alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strongroom_protocol import abi
from strongroom_protocol.addresses import ZERO, Address
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import Signature
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain

TRANSFER = abi.selector("transfer(address,uint256)")
MULTI_SEND = abi.selector("multiSend(bytes)")
# As the guard has it: a batch fits a block, and what an approver reads.
BATCH_MAX = 64
# operation 1 ‖ to 20 ‖ value 32 ‖ length 32, before the call data of each item.
ITEM_BYTES = 85
SIGNATURE_BYTES = 65
# policyVersion 8 ‖ validUntil 8 ‖ r 32 ‖ s 32 ‖ v 1
TAIL_BYTES = 8 + 8 + SIGNATURE_BYTES


class SafeTxRefused(ProtocolError):
    """A Safe transaction that is no plain payment, or signatures that do not fit one."""

    code = "safe.refused"


@dataclass(frozen=True)
class SafeTx(Structure):
    """A Safe transaction; the refund fields exist to be zero."""

    TYPE: ClassVar[str] = (
        "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
        "uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
    )
    to: Address
    value: int
    data: bytes
    nonce: int
    operation: int = 0
    safe_tx_gas: int = 0
    base_gas: int = 0
    gas_price: int = 0
    gas_token: Address = ZERO
    refund_receiver: Address = ZERO


@dataclass(frozen=True, slots=True)
class Payment:
    """What a Safe transaction pays: `token` zero = native; units in its smallest unit."""

    token: Address
    to: Address
    units: int


@dataclass(frozen=True, slots=True)
class Call:
    """What the Safe is to call: 0 a plain call, 1 a delegatecall (the multisend's batch only)."""

    to: Address
    value: int
    data: bytes
    operation: int = 0

    def safe_tx(self, nonce: int) -> SafeTx:
        """The Safe transaction that makes this call and nothing else."""
        return SafeTx(self.to, self.value, self.data, nonce, self.operation)


@dataclass(frozen=True, slots=True)
class PermitTail:
    """The Permit as it travels behind the owners' signatures."""

    policy_version: int
    valid_until: int
    signature: Signature


def domain(chain_id: int, safe: Address) -> Domain:
    """The domain of Safe 1.3 and later: chain and contract only."""
    return Domain(chain_id=chain_id, verifying_contract=safe)


def safe_tx_hash(chain_id: int, safe: Address, tx: SafeTx) -> bytes:
    """The 32 bytes that the owners sign (Safe.getTransactionHash)."""
    return tx.digest_in(domain(chain_id, safe))


def payment_call(token: Address, to: Address, units: int) -> tuple[Address, int, bytes]:
    """Whom the payer calls, with how much of the native coin and what data, to pay this. Raises
    SafeTxRefused for nothing or nobody.
    """
    if units == 0:
        raise SafeTxRefused("a payment of zero units moves nothing")
    if to in (ZERO, token):
        raise SafeTxRefused("the recipient must be neither the zero address nor the token itself")
    if token == ZERO:
        return to, units, b""
    return token, 0, TRANSFER + abi.arguments(abi.address(to), abi.uint(units))


def payment_safe_tx(token: Address, to: Address, units: int, nonce: int) -> SafeTx:
    """The one Safe transaction that makes `payment_call`."""
    called, value, data = payment_call(token, to, units)
    return SafeTx(to=called, value=value, data=data, nonce=nonce)


def rejection_safe_tx(safe: Address, nonce: int) -> SafeTx:
    """Consumes the nonce and does nothing else: a call of the vault to itself, empty."""
    return SafeTx(to=safe, value=0, data=b"", nonce=nonce)


def decode_payment(tx: SafeTx) -> Payment:
    """What `tx` pays, if it is exactly what `payment_safe_tx` makes; raises SafeTxRefused."""
    if tx.operation != 0:
        raise SafeTxRefused(f"operation {tx.operation}: only plain calls are allowed")
    if tx.safe_tx_gas or tx.base_gas or tx.gas_price:
        raise SafeTxRefused("gas refund fields must be zero: they can drain the vault")
    if (tx.gas_token, tx.refund_receiver) != (ZERO, ZERO):
        raise SafeTxRefused("gas token and refund receiver must be zero")
    if not tx.data:
        payment = Payment(ZERO, tx.to, tx.value)
    elif len(tx.data) == 68 and tx.data[:4] == TRANSFER:
        recipient, units = Address(tx.data[16:36]), int.from_bytes(tx.data[36:], "big")
        payment = Payment(tx.to, recipient, units)
    else:
        raise SafeTxRefused("call data must be empty or exactly transfer(address,uint256)")
    if payment_safe_tx(payment.token, payment.to, payment.units, tx.nonce) != tx:
        raise SafeTxRefused("the transaction is no canonical payment: value or padding differ")
    return payment


def batch_call(calls: Sequence[Call], multi_send: Address) -> Call:
    """Plain calls one after the other, all or none; raises SafeTxRefused."""
    if not 0 < len(calls) <= BATCH_MAX:
        raise SafeTxRefused(f"a batch has 1 to {BATCH_MAX} calls, not {len(calls)}")
    packed = b""
    for call in calls:
        if call.operation != 0:
            raise SafeTxRefused("a batch holds plain calls only")
        if call.to in (ZERO, multi_send):
            raise SafeTxRefused(
                "in a batch the zero address means the vault itself, and a batch within a batch "
                "hides what it does: both are refused"
            )
        packed += b"\0" + call.to + abi.uint(call.value) + abi.uint(len(call.data)) + call.data
    return Call(multi_send, 0, abi.call("multiSend(bytes)", abi.byte_string(packed)), 1)


def decode_calls(tx: SafeTx, multi_send: Address) -> tuple[Call, ...]:
    """The calls of a batch, if it is exactly what `batch_call` makes; raises SafeTxRefused."""
    if (tx.operation, tx.to) != (1, multi_send) or tx.data[:4] != MULTI_SEND:
        raise SafeTxRefused("only a batch through MultiSendCallOnly may be delegate-called")
    packed = tx.data[68 : 68 + int.from_bytes(tx.data[36:68], "big")]
    calls: list[Call] = []
    at = 0
    while at < len(packed):
        head = packed[at : at + ITEM_BYTES]
        end = at + ITEM_BYTES + int.from_bytes(head[53:], "big")
        if len(head) < ITEM_BYTES or end > len(packed) or len(calls) == BATCH_MAX:
            raise SafeTxRefused(f"the batch is cut off, or has more than {BATCH_MAX} calls")
        value = int.from_bytes(head[21:53], "big")
        calls.append(Call(Address(head[1:21]), value, packed[at + ITEM_BYTES : end], head[0]))
        at = end
    if batch_call(calls, multi_send).safe_tx(tx.nonce) != tx:
        raise SafeTxRefused("the transaction is no canonical batch: offset, length or rest differ")
    return tuple(calls)


def batch_safe_tx(payments: Sequence[Payment], nonce: int, multi_send: Address) -> SafeTx:
    """The one Safe transaction that makes these payments, in this order; raises SafeTxRefused."""
    calls = []
    for one in payments:
        tx = payment_safe_tx(one.token, one.to, one.units, nonce)
        calls.append(Call(tx.to, tx.value, tx.data))
    return batch_call(calls, multi_send).safe_tx(nonce)


def decode_batch(tx: SafeTx, multi_send: Address) -> tuple[Payment, ...]:
    """What a batch pays, if each of its calls is a payment; raises SafeTxRefused."""
    return tuple(decode_payment(call.safe_tx(tx.nonce)) for call in decode_calls(tx, multi_send))


def payments_of(tx: SafeTx, multi_send: Address | None) -> tuple[Payment, ...]:
    """What `tx` pays: a payment, or a batch through `multi_send`; raises SafeTxRefused."""
    if multi_send is not None and tx.to == multi_send:
        return decode_batch(tx, multi_send)
    return (decode_payment(tx),)


def setup_initializer(
    owners: Sequence[Address], threshold: int, setup_to: Address, setup_data: bytes
) -> bytes:
    """Call data of Safe.setup: no fallback handler, no payment; `setup_to` is delegate-called."""
    if len(set(owners)) != len(owners) or not 0 < threshold <= len(owners):
        raise SafeTxRefused("owners must differ, and the threshold lie between 1 and their number")
    return abi.call(
        "setup(address[],uint256,address,bytes,address,address,uint256,address)",
        abi.array([abi.address(owner) for owner in owners]),
        abi.uint(threshold),
        abi.address(setup_to),
        abi.byte_string(setup_data),
        abi.address(ZERO),
        abi.address(ZERO),
        abi.uint(0),
        abi.address(ZERO),
    )


def exec_calldata(tx: SafeTx, signatures: bytes) -> bytes:
    """Call data of Safe.execTransaction; the nonce is the Safe's own and not in it."""
    return abi.call(
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        abi.address(tx.to),
        abi.uint(tx.value),
        abi.byte_string(tx.data),
        abi.uint(tx.operation, 8),
        abi.uint(tx.safe_tx_gas),
        abi.uint(tx.base_gas),
        abi.uint(tx.gas_price),
        abi.address(tx.gas_token),
        abi.address(tx.refund_receiver),
        abi.byte_string(signatures),
    )


def pack_signatures(signed: Sequence[tuple[Address, Signature]]) -> bytes:
    """Signatures in the ascending order of their owners, as Safe wants them; 65 bytes each."""
    if len({owner for owner, _ in signed}) != len(signed):
        raise SafeTxRefused("an owner's signature can be given once only")
    return b"".join(
        signature.to_bytes() for _, signature in sorted(signed, key=lambda pair: pair[0])
    )


def permit_tail(policy_version: int, valid_until: int, signature: Signature) -> bytes:
    """The 81 bytes behind the owners' signatures: version ‖ valid until ‖ r ‖ s ‖ v."""
    times = abi.uint(policy_version, 64)[-8:] + abi.uint(valid_until, 64)[-8:]
    return times + signature.to_bytes()


def unpack_signatures(packed: bytes, threshold: int) -> tuple[list[Signature], PermitTail]:
    """The owners' signatures and the Permit in bytes as the guard accepts them.

    Raises SafeTxRefused (length), SignatureInvalid (form).
    """
    start = threshold * SIGNATURE_BYTES
    if len(packed) != start + TAIL_BYTES:
        raise SafeTxRefused(f"{len(packed)} bytes of signatures, must be {start + TAIL_BYTES}")
    owners = [
        Signature.parse(packed[offset : offset + SIGNATURE_BYTES])
        for offset in range(0, start, SIGNATURE_BYTES)
    ]
    tail = packed[start:]
    version, until = int.from_bytes(tail[:8], "big"), int.from_bytes(tail[8:16], "big")
    return owners, PermitTail(version, until, Signature.parse(tail[16:]))
