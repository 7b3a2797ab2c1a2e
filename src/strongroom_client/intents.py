"""What a person means to do, and the EIP-712 data that says so, built without the server.

The types are published in the service's `strongroom_protocol`; they are written out here a second
time on purpose, so that a bent server cannot choose what is signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NATIVE = "0x" + "00" * 20
DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
}
WITHDRAWAL = (
    ("organisation", "bytes32"),
    ("wallet", "address"),
    ("token", "address"),
    ("to", "address"),
    ("units", "uint256"),
    ("maxFeeWei", "uint256"),
    ("reference", "string"),
    ("validUntil", "uint64"),
    ("policyVersion", "uint64"),
    ("storeEpoch", "uint64"),
)
VAULT_PAYMENT = (
    ("intent", "bytes32"),
    ("safeTxHash", "bytes32"),
    ("to", "address"),
    ("token", "address"),
    ("units", "uint256"),
)
SAFE_TX = (
    ("to", "address"),
    ("value", "uint256"),
    ("data", "bytes"),
    ("operation", "uint8"),
    ("safeTxGas", "uint256"),
    ("baseGas", "uint256"),
    ("gasPrice", "uint256"),
    ("gasToken", "address"),
    ("refundReceiver", "address"),
    ("nonce", "uint256"),
)
POLICY_BUNDLE = (
    ("organisation", "bytes32"),
    ("version", "uint64"),
    ("previous", "bytes32"),
    ("content", "bytes32"),
)
CUSTODY_MANIFEST = (
    ("accountIndex", "uint32"),
    ("root", "bytes32"),
    ("count", "uint32"),
    ("xpubHash", "bytes32"),
)
ADDRESS_PROVENANCE = (("organisation", "bytes32"), ("path", "string"), ("account", "address"))
REJECTION = (("intent", "bytes32"), ("reason", "string"))
TRANSFER_SELECTOR = "a9059cbb"
MULTI_SEND_SELECTOR = "8d80ff0a"


@dataclass(frozen=True)
class Payment:
    """A payment as its people mean it: `units` in the asset's smallest unit, `token` 0 = ETH."""

    to: str
    token: str
    units: int


def typed_data(
    primary: str,
    fields: tuple[tuple[str, str], ...],
    message: Mapping[str, Any],
    chain_id: int,
    contract: str | None = None,
) -> dict[str, Any]:
    """Return EIP-712 data for `eth_signTypedData_v4`.

    Without `contract` the domain is Strongroom's own; with it, the contract's (a Safe's has only
    chainId and verifyingContract).
    """
    domain: dict[str, Any] = (
        {"name": "Strongroom", "version": "1", "chainId": chain_id}
        if contract is None
        else {"chainId": chain_id, "verifyingContract": contract}
    )
    types = {
        "EIP712Domain": [{"name": name, "type": DOMAIN_FIELDS[name]} for name in domain],
        primary: [{"name": name, "type": kind} for name, kind in fields],
    }
    return {"types": types, "primaryType": primary, "domain": domain, "message": dict(message)}


def withdrawal(intent: Mapping[str, Any], chain_id: int) -> dict[str, Any]:
    """Return the typed data of a withdrawal's intent (integers may be decimal strings)."""
    numbers = {"units", "maxFeeWei", "validUntil", "policyVersion", "storeEpoch"}
    message = {
        name: int(intent[name]) if name in numbers else intent[name] for name, _ in WITHDRAWAL
    }
    return typed_data("Withdrawal", WITHDRAWAL, message, chain_id)


def safe_payment(payment: Payment, safe: str, nonce: int, chain_id: int) -> dict[str, Any]:
    """Return the SafeTx that pays exactly `payment` and nothing else (no refund, no delegatecall).

    Native value goes to the receiver with empty data; a token by `transfer(address,uint256)`.
    """
    native = payment.token == NATIVE
    data = b""
    if not native:
        data = bytes.fromhex(
            TRANSFER_SELECTOR + payment.to[2:].lower().rjust(64, "0") + f"{payment.units:064x}"
        )
    to, value = (payment.to, payment.units) if native else (payment.token, 0)
    return _safe_tx((to, value, data, 0), safe, nonce, chain_id)


def safe_batch(
    payments: Sequence[Payment], multi_send: str, safe: str, nonce: int, chain_id: int
) -> dict[str, Any]:
    """Return the SafeTx that makes exactly these payments, in their order, all or none, through
    the MultiSendCallOnly at `multi_send`, which whoever signs knows by himself.
    """
    packed = b""
    for payment in payments:
        one = safe_payment(payment, safe, nonce, chain_id)["message"]
        data = one["data"]
        head = b"\0" + bytes.fromhex(one["to"][2:]) + int(one["value"]).to_bytes(32, "big")
        packed += head + len(data).to_bytes(32, "big") + data
    words = (32).to_bytes(32, "big") + len(packed).to_bytes(32, "big")
    body = bytes.fromhex(MULTI_SEND_SELECTOR) + words + packed + bytes(-len(packed) % 32)
    return _safe_tx((multi_send, 0, body, 1), safe, nonce, chain_id)


def _safe_tx(
    call: tuple[str, int, bytes, int], safe: str, nonce: int, chain_id: int
) -> dict[str, Any]:
    to, value, data, operation = call
    message = {
        "to": to,
        "value": value,
        "data": data,
        "operation": operation,
        "safeTxGas": 0,
        "baseGas": 0,
        "gasPrice": 0,
        "gasToken": NATIVE,
        "refundReceiver": NATIVE,
        "nonce": nonce,
    }
    return typed_data("SafeTx", SAFE_TX, message, chain_id, safe)
