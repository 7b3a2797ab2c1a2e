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
    to, value, data = _paying(token, to, units)
    members = (_place(to), _word(value), _hash(data), bytes(6 * 32), _word(nonce))
    return _signed(_PLACED + _word(chain_id) + _place(safe), _SAFE_TX, *members)


def batch(
    *,
    chain_id: int,
    safe: bytes,
    multi_send: bytes,
    payments: Iterable[tuple[bytes, bytes, int]],
    nonce: int,
) -> bytes:
    """The hash of several payments (token, to, units), delegate-called in one MultiSendCallOnly."""
    data = _batch_data([_paying(*one) for one in payments])
    members = (_place(multi_send), _word(0), _hash(data), _word(1), bytes(5 * 32), _word(nonce))
    return _signed(_PLACED + _word(chain_id) + _place(safe), _SAFE_TX, *members)


def _paying(token: bytes, to: bytes, units: int) -> tuple[bytes, int, bytes]:
    """Whom the Safe calls, with how much of the native coin and what data."""
    return (token, 0, TRANSFER + _place(to) + _word(units)) if any(token) else (to, units, b"")


def _batch_data(calls: Iterable[tuple[bytes, int, bytes]]) -> bytes:
    """multiSend(bytes) over plain calls: operation ‖ to ‖ value ‖ length ‖ data, each."""
    packed = b"".join(
        b"\0" + _sized(to, 20) + _word(value) + _word(len(data)) + data for to, value, data in calls
    )
    return _CALL["multiSend"] + _word(32) + _word(len(packed)) + packed + bytes(-len(packed) % 32)


def vault_change(
    *,
    chain_id: int,
    safe: bytes,
    installed: bytes,
    multi_send: bytes,
    nonce: int,
    phase: str,
    kind: str,
    **facts: Any,
) -> bytes:
    """Safe 1.5.0, the hash of a change of the vault, or of its announcement to the guard that is
    `installed`: keccak256(abi.encode(to, value, keccak256(data), operation)). No refund, no gas.
    """
    to, operation = (safe if kind in _OWN else installed), 0
    if kind == "replace_guard":
        guard = facts["guard"]
        calls = [(safe, 0, _CALL[name] + _place(guard)) for name in ("setModuleGuard", "setGuard")]
        to, operation = multi_send, 1
        data = _batch_data([*calls, (guard, 0, _data(kind, facts))])
    else:
        data = _data(kind, facts)
    if phase == "announce":
        head = _place(to) + _word(0) + _hash(data) + _word(operation)
        to, operation, data = installed, 0, _CALL["announce"] + _hash(head)
    members = (_place(to), _word(0), _hash(data), _word(operation), bytes(5 * 32), _word(nonce))
    return _signed(_PLACED + _word(chain_id) + _place(safe), _SAFE_TX, *members)


_OWN = ("add_owner", "remove_owner", "swap_owner", "change_threshold")
# The first four bytes of the hash of each function's signature (Safe 1.5.0, PermitGuard).
_CALL = {
    name: bytes.fromhex(selector)
    for name, selector in (
        ("add_owner", "0d582f13"),
        ("remove_owner", "f8dc5dd9"),
        ("swap_owner", "e318b52b"),
        ("change_threshold", "694e80c3"),
        ("set_limit", "a53b9cb4"),
        ("lower_limit", "edae53ef"),
        ("set_permit_signer", "c8ab7dbf"),
        ("set_freezers", "4867b9c8"),
        ("announce_destination", "f2f3606f"),
        ("revoke_destination", "34460b29"),
        ("replace_guard", "287d27a6"),
        ("cancel", "c4d252f5"),
        ("announce", "6056969b"),
        ("setGuard", "e19a9dd9"),
        ("setModuleGuard", "e068df37"),
        ("multiSend", "8d80ff0a"),
    )
}
_WORDS = {
    "add_owner": ("owner", "threshold"),
    "remove_owner": ("previous", "owner", "threshold"),
    "swap_owner": ("previous", "owner", "new_owner"),
    "change_threshold": ("threshold",),
    "set_limit": ("token", "day_units"),
    "lower_limit": ("token", "day_units"),
    "set_permit_signer": ("permit_signer",),
    "announce_destination": ("destination",),
    "revoke_destination": ("destination",),
    "cancel": ("change_hash",),
}


def _data(kind: str, facts: dict[str, Any]) -> bytes:
    """The call data: words in their places; a list stands behind them, its length first."""
    if kind in _WORDS:
        return _CALL[kind] + b"".join(_fact(facts[name]) for name in _WORDS[kind])
    lists = [[_place(one) for one in facts["freezers"]]]
    head = b""
    if kind == "replace_guard":
        limits = [_fact(token) + _word(units, 16) for token, units in facts["limits"]]
        lists = [limits, [_place(one) for one in facts["destinations"]], *lists]
        head = _place(facts["permit_signer"])
    start, tails = len(head) + 32 * len(lists), b""
    for items in lists:
        head += _word(start + len(tails))
        tails += _word(len(items)) + b"".join(items)
    return _CALL[kind] + head + tails


def _fact(value: bytes | int | None) -> bytes:
    """One word: a number, an address (none = zero, the native coin), a hash."""
    if isinstance(value, int):
        return _word(value)
    value = value or bytes(20)
    return value if len(value) == 32 else _place(value)


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
