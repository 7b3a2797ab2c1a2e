"""The second encoder: everything that our keys sign, written once more from the standards alone.

It shares no line with the protocol's encoders and signs nothing: before a key is used, its digest
must equal the first encoder's (agreement.py). Arguments are plain fields by name, a field more or
less is a TypeError; a value that fits no place raises OverflowError or ValueError. Each function
returns the 32 bytes that are signed. Whether the fields are sensible is the first one's to judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sha3 import keccak_256

TRANSFER = bytes.fromhex("a9059cbb")  # ERC-20, transfer(address,uint256)


def _hash(data: bytes) -> bytes:
    digest: bytes = keccak_256(data).digest()
    return digest


# --- Transactions: RLP as in the Yellow Paper, appendix B; EIP-155, EIP-1559, EIP-7702 ---


def _string(value: bytes) -> bytes:
    size = len(value)
    if size == 1 and value < b"\x80":
        return value
    return _head(b"\x80", b"\xb7", size) + value


def _number(value: int) -> bytes:
    """At most 256 bits, without leading zeros, so that zero is the empty string."""
    return _string(value.to_bytes(32, "big").lstrip(b"\0"))


def _list(*items: bytes) -> bytes:
    """Of items that are encoded already."""
    body = b"".join(items)
    return _head(b"\xc0", b"\xf7", len(body)) + body


def _head(short: bytes, long: bytes, size: int) -> bytes:
    if size < 56:
        return bytes((short[0] + size,))
    digits = size.to_bytes(8, "big").lstrip(b"\0")
    return bytes((long[0] + len(digits),)) + digits


def _account(value: bytes) -> bytes:
    return _string(_sized(value, 20))


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(f"{len(value)} bytes stand where {size} belong")
    return value


def legacy(
    *, chain_id: int, nonce: int, gas_price: int, gas: int, to: bytes, value: int, data: bytes
) -> bytes:
    """EIP-155: six members, then chain id and two zeros in the signature's place."""
    six = (_number(nonce), _number(gas_price), _number(gas), _account(to), _number(value))
    return _hash(_list(*six, _string(data), _number(chain_id), b"\x80\x80"))


def type_2(**call: Any) -> bytes:
    """EIP-1559, with an empty access list."""
    return _hash(b"\x02" + _list(_call(**call)))


def type_4(
    *, authorizations: Iterable[tuple[int, bytes, int, int, int, int]], **call: Any
) -> bytes:
    """EIP-7702; an authorisation is (chain id, delegate, nonce, y parity, r, s)."""
    tuples = [
        _list(_number(chain), _account(to), _number(nonce), *(_number(part) for part in signature))
        for chain, to, nonce, *signature in authorizations
    ]
    return _hash(b"\x04" + _list(_call(**call), _list(*tuples)))


def authorization(*, chain_id: int, delegate: bytes, nonce: int) -> bytes:
    """EIP-7702: what the delegating account signs, after the magic 0x05."""
    return _hash(b"\x05" + _list(_number(chain_id), _account(delegate), _number(nonce)))


def _call(
    *,
    chain_id: int,
    nonce: int,
    max_priority_fee_per_gas: int,
    max_fee_per_gas: int,
    gas: int,
    to: bytes,
    value: int,
    data: bytes,
) -> bytes:
    fees = _number(max_priority_fee_per_gas) + _number(max_fee_per_gas)
    head = _number(chain_id) + _number(nonce) + fees + _number(gas)
    return head + _account(to) + _number(value) + _string(data) + b"\xc0"


# --- EIP-712: every type spelled out, every member a word of 32 bytes ---

_BOTH = _hash(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAMED = _hash(b"EIP712Domain(string name,string version,uint256 chainId)")
_PLACED = _hash(b"EIP712Domain(uint256 chainId,address verifyingContract)")
_GUARD, _STRONGROOM, _VERSION = _hash(b"StrongroomGuard"), _hash(b"Strongroom"), _hash(b"1")
_SAFE_TX = _hash(
    b"SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,"
    b"uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"
)
_PERMIT = _hash(b"Permit(address safe,bytes32 safeTxHash,uint64 policyVersion,uint64 validUntil)")
_PROVENANCE = _hash(b"AddressProvenance(bytes32 organisation,string path,address account)")
_FIAT_PERMIT = _hash(b"FiatPermit(bytes32 order,bytes32 content,uint64 validUntil)")
_TOKEN_AUDIT = _hash(b"TokenAudit(bytes32 report,uint64 at)")


def _word(value: int, width: int = 32) -> bytes:
    return bytes(32 - width) + value.to_bytes(width, "big")


def _place(address: bytes) -> bytes:
    return bytes(12) + _sized(address, 20)


def _signed(domain: bytes, kind: bytes, *members: bytes) -> bytes:
    return _hash(b"\x19\x01" + _hash(domain) + _hash(kind + b"".join(members)))


def _ours(chain_id: int) -> bytes:
    return _NAMED + _STRONGROOM + _VERSION + _word(chain_id)


def payment(
    *, chain_id: int, safe: bytes, token: bytes, to: bytes, units: int, nonce: int
) -> bytes:
    """Safe 1.5.0, the hash of a plain call that pays: `token` zero = native; no refund, no gas.

    Nothing to the Safe itself is the rejection of the nonce.
    """
    value, data = units, b""
    if any(token):
        to, value, data = token, 0, TRANSFER + _place(to) + _word(units)
    members = (_place(to), _word(value), _hash(data), bytes(6 * 32), _word(nonce))
    return _signed(_PLACED + _word(chain_id) + _place(safe), _SAFE_TX, *members)


def permit(
    *,
    chain_id: int,
    guard: bytes,
    safe: bytes,
    safe_tx_hash: bytes,
    policy_version: int,
    valid_until: int,
) -> bytes:
    """The permit key's word to the vault's guard."""
    members = (_place(safe), _sized(safe_tx_hash, 32), _word(policy_version, 8))
    domain = _BOTH + _GUARD + _VERSION + _word(chain_id) + _place(guard)
    return _signed(domain, _PERMIT, *members, _word(valid_until, 8))


def provenance(*, chain_id: int, organisation: bytes, path: str, account: bytes) -> bytes:
    """The attest key's word on an address."""
    members = (_sized(organisation, 32), _hash(path.encode()), _place(account))
    return _signed(_ours(chain_id), _PROVENANCE, *members)


def fiat_permit(*, chain_id: int, order: bytes, content: bytes, valid_until: int) -> bytes:
    """The orders key's word to the fiat gateway."""
    members = (_sized(order, 32), _sized(content, 32), _word(valid_until, 8))
    return _signed(_ours(chain_id), _FIAT_PERMIT, *members)


def token_audit(*, chain_id: int, report: bytes, at: int) -> bytes:
    """The attest key's word on a token's audit."""
    return _signed(_ours(chain_id), _TOKEN_AUDIT, _sized(report, 32), _word(at, 8))
