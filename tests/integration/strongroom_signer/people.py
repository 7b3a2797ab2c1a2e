"""People with their own keys, and an organisation that they found: what the signer is shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import coincurve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom_protocol.addresses import ZERO, Address, address_of_public_key, checksum
from strongroom_protocol.authority import (
    bundle_digest,
    organisation_ref,
    organisation_uuid,
    parse_bundle,
    parse_genesis,
)
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.intents import CustodyManifest, Suspend, VaultPayment, Withdrawal
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    batch_safe_tx,
    payment_safe_tx,
    rejection_safe_tx,
    safe_tx_hash,
)

CHAIN_ID = 31337
TUSD = Address(b"\x70" * 20)
# Stands in where no signer is asked; a signer's own is given by whoever starts it.
PERMIT_SIGNER = Address(b"\x0b" * 20)
SHIPPER = Address(b"\x51" * 20)
LATER = Address(b"\x52" * 20)
STRANGE = Address(b"\x66" * 20)
DAY = 86_400


@dataclass(frozen=True)
class Key:
    """A person's key."""

    secret: bytes

    @classmethod
    def named(cls, name: str) -> "Key":
        return cls(keccak256(name.encode()))

    @property
    def address(self) -> Address:
        public = coincurve.PrivateKey(self.secret).public_key
        return address_of_public_key(public.format(compressed=False))

    def sign(self, digest: bytes) -> str:
        raw = coincurve.PrivateKey(self.secret).sign_recoverable(digest, hasher=None)
        return to_hex(raw[:64] + bytes([27 + raw[64]]))


OFFICERS = (Key.named("officer 1"), Key.named("officer 2"), Key.named("officer 3"))
OFFICER_QUORUM = 2
SCREENER = Ed25519PrivateKey.from_private_bytes(keccak256(b"screener"))


def screened(document: dict[str, Any], key: Ed25519PrivateKey = SCREENER) -> dict[str, Any]:
    return {"document": document, "signature": to_hex(key.sign(canonical_bytes(document)))}


@dataclass
class Company:
    """Two administrators, an initiator, three approvers of whom two must agree."""

    name: str
    account: dict[str, Any]
    now: int
    epoch: int = 1
    nonce: int = 0
    list_version: int = 1
    token: Address = TUSD
    permit_signer: Address = PERMIT_SIGNER
    bundle: dict[str, Any] = field(default_factory=dict)
    genesis: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.administrators = [self.key(f"administrator {i}") for i in (1, 2)]
        self.initiator = self.key("initiator")
        self.approvers = [self.key(f"approver {i}") for i in (1, 2, 3)]
        self.genesis = {
            "type": "strongroom.genesis/1",
            "name": self.name,
            "chain_id": CHAIN_ID,
            "account_index": self.account["account_index"],
            "administrators": _ascending(self.administrators),
            "administrator_quorum": 2,
            "approvers": _ascending(self.approvers),
            "salt": to_hex(keccak256(self.name.encode())),
        }
        self.bundle = self._first_bundle()

    def key(self, role: str) -> Key:
        return Key.named(f"{self.name}/{role}")

    @property
    def ref(self) -> bytes:
        return organisation_ref(parse_genesis(self.genesis))

    @property
    def reference(self) -> str:
        return to_hex(self.ref)

    @property
    def digest(self) -> bytes:
        return bundle_digest(parse_bundle(self.bundle))

    def signatures(self, keys: Sequence[Key], digest: bytes | None = None) -> list[str]:
        return [key.sign(digest or self.digest) for key in keys]

    def everybody(self) -> list[Key]:
        return [*self.administrators, self.initiator, *self.approvers]

    def policy_first(self) -> dict[str, Any]:
        account = self.account
        statement = CustodyManifest(
            account["account_index"],
            bytes.fromhex(account["root"][2:]),
            account["count"],
            bytes.fromhex(account["xpub_hash"][2:]),
        )
        named = ("account_index", "root", "count", "xpub")
        return {
            "genesis": self.genesis,
            "bundle": self.bundle,
            "signatures": self.signatures(self.everybody()),
            "officer_signatures": self.signatures(OFFICERS[:2]),
            "manifest": {
                **{name: account[name] for name in named},
                "officer_signatures": self.signatures(OFFICERS[:2], statement.digest(CHAIN_ID)),
            },
        }

    def suspension(self, by: Key | None = None, version: int | None = None) -> dict[str, Any]:
        version = version or self.bundle["version"]
        digest = Suspend(self.ref, version).digest(CHAIN_ID)
        signature = (by or self.administrators[0]).sign(digest)
        return {"organisation": self.reference, "version": version, "signature": signature}

    def next_bundle(self, **changes: Any) -> dict[str, Any]:
        following = {"version": self.bundle["version"] + 1, "previous": to_hex(self.digest)}
        return {**self.bundle, **following, **changes}

    def policy_update(self, bundle: dict[str, Any], keys: Sequence[Key]) -> dict[str, Any]:
        digest = bundle_digest(parse_bundle(bundle))
        return {"bundle": bundle, "signatures": self.signatures(keys, digest)}

    def intent(self, vault: Address, **changes: Any) -> Withdrawal:
        self.nonce += 1
        values: dict[str, Any] = {
            "organisation": self.ref,
            "wallet": vault,
            "token": self.token,
            "to": SHIPPER,
            "units": 1_000_000,
            "max_fee_wei": 10**17,
            "reference": f"invoice {self.nonce}",
            "valid_until": self.now + DAY,
            "policy_version": self.bundle["version"],
            "store_epoch": self.epoch,
            **changes,
        }
        return Withdrawal(**values)

    def clearance(self, intent: Withdrawal, /, **changes: Any) -> dict[str, Any]:
        return {
            "type": "strongroom.clearance/1",
            "organisation": str(organisation_uuid(self.ref)),
            "direction": "out",
            "subject": checksum(intent.to),
            "intent": to_hex(intent.digest(CHAIN_ID)),
            "deposit": None,
            "verdict": "CLEAR",
            "list_version": self.list_version,
            "screened_at": self.now,
            "valid_until": self.now + DAY,
            **changes,
        }

    def deposit_clearance(
        self, address: str, token: Address, units: int, tx: int = 1, **changes: Any
    ) -> dict[str, Any]:
        deposit = {
            "chain_id": CHAIN_ID,
            "tx_hash": to_hex(tx.to_bytes(32, "big")),
            "log_index": -1 if token == ZERO else 0,
            "token": checksum(token),
            "address": address,
            "units": str(units),
        }
        return {
            "type": "strongroom.clearance/1",
            "organisation": str(organisation_uuid(self.ref)),
            "direction": "in",
            "subject": checksum(STRANGE),
            "intent": None,
            "deposit": {**deposit, **changes.pop("deposit", {})},
            "verdict": "CLEAR",
            "list_version": self.list_version,
            "screened_at": self.now,
            "valid_until": self.now + DAY,
            **changes,
        }

    def approval(
        self, key: Key, intent: Withdrawal, safe_nonce: int, safe_tx: SafeTx | None = None
    ) -> dict[str, Any]:
        alone = payment_safe_tx(intent.token, intent.to, intent.units, safe_nonce)
        safe_tx = safe_tx or alone
        tx_hash = safe_tx_hash(CHAIN_ID, intent.wallet, safe_tx)
        readable = VaultPayment(
            intent.digest(CHAIN_ID), tx_hash, intent.to, intent.token, intent.units
        )
        return {
            "safe_tx_signature": key.sign(tx_hash),
            "payment_signature": key.sign(readable.digest(CHAIN_ID)),
        }

    def payment(
        self, intent: Withdrawal, safe_nonce: int, approvers: Sequence[Key] | None = None
    ) -> dict[str, Any]:
        keys = self.approvers[:2] if approvers is None else approvers
        return {
            "organisation": self.reference,
            "intent": intent.fields(),
            "initiator_signature": self.initiator.sign(intent.digest(CHAIN_ID)),
            "safe_nonce": safe_nonce,
            "kind": "payment",
            "approvals": [self.approval(key, intent, safe_nonce) for key in keys],
            "clearance": screened(self.clearance(intent)),
            "dry_run": False,
        }

    def batch(
        self,
        intents: Sequence[Withdrawal],
        safe_nonce: int,
        multi_send: Address,
        approvers: Sequence[Key] | None = None,
    ) -> dict[str, Any]:
        """Several payments in one Safe transaction; each is approved by itself."""
        paid = [Payment(one.token, one.to, one.units) for one in intents]
        safe_tx = batch_safe_tx(paid, safe_nonce, multi_send)
        keys = self.approvers[:2] if approvers is None else approvers
        names = ("intent", "initiator_signature", "clearance")
        payments = []
        for intent in intents:
            alone = self.payment(intent, safe_nonce, [])
            signed = [self.approval(key, intent, safe_nonce, safe_tx) for key in keys]
            payments.append({**{name: alone[name] for name in names}, "approvals": signed})
        head = {"organisation": self.reference, "safe_nonce": safe_nonce, "dry_run": False}
        return {**head, "payments": payments}

    def rejection(self, intent: Withdrawal, safe_nonce: int) -> dict[str, Any]:
        safe_tx = rejection_safe_tx(intent.wallet, safe_nonce)
        tx_hash = safe_tx_hash(CHAIN_ID, intent.wallet, safe_tx)
        approvals = [
            {"safe_tx_signature": key.sign(tx_hash), "payment_signature": None}
            for key in self.approvers[:2]
        ]
        body = self.payment(intent, safe_nonce, [])
        return {**body, "kind": "rejection", "approvals": approvals, "clearance": None}

    def _first_bundle(self) -> dict[str, Any]:
        account = self.account
        people = [
            *(_person(f"a{i}", key, "administrator") for i, key in enumerate(self.administrators)),
            _person("i0", self.initiator, "initiator"),
            *(_person(f"p{i}", key, "approver") for i, key in enumerate(self.approvers)),
        ]
        return {
            "type": "strongroom.policy/1",
            "organisation": self.reference,
            "version": 1,
            "previous": "0x" + "00" * 32,
            "chain_id": CHAIN_ID,
            "people": people,
            "administrator_quorum": 2,
            "account": {
                "index": account["account_index"],
                "manifest_root": account["root"],
                "xpub_hash": account["xpub_hash"],
            },
            "vault": {
                "salt": self.genesis["salt"],
                "owners": _ascending(self.approvers),
                "threshold": 2,
                "permit_signer": checksum(self.permit_signer),
                "limits": [
                    {"token": None, "day_units": str(2 * 10**18)},
                    {"token": checksum(self.token), "day_units": "8000000"},
                ],
                "destinations": [checksum(SHIPPER)],
                "freezers": [],
            },
            "tokens": [
                {"asset": "ETH/18", "contract": None},
                {"asset": "TUSD/6", "contract": checksum(self.token)},
            ],
            "address_book": [{"address": checksum(SHIPPER), "label": "shipper"}],
            "limits": [
                _limit("ETH/18", 10**18, 2 * 10**18),
                _limit("TUSD/6", 5_000_000, 8_000_000),
            ],
            "rules": [{"id": "pay", "verdict": "allow", "when": {"destinations": "address_book"}}],
            "mandates": {"sweep": True},
            "fees": {
                "max_fee_per_gas_wei": str(100 * 10**9),
                "max_total_fee_wei": str(10**18),
            },
            "valid_until": self.now + 80 * DAY,
        }


def _ascending(keys: Sequence[Key]) -> list[str]:
    return [checksum(address) for address in sorted(key.address for key in keys)]


def _person(name: str, key: Key, *roles: str) -> dict[str, Any]:
    address = checksum(key.address)
    return {"id": name, "name": name, "address": address, "roles": [*roles], "department": None}


def _limit(asset: str, payment: int, day: int) -> dict[str, str]:
    return {"asset": asset, "per_payment_units": str(payment), "per_day_units": str(day)}
