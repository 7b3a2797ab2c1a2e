"""Which wallet a withdrawal pays from, and what follows from that. Nowhere else is it asked.

`vault`: people sign the Safe's own transaction, and payments follow each other by its nonce; the
relay's key pays for the gas. `hot` and `cold`: a spending key of the signed policy, on the online
signer or on an offline machine; people sign the order itself, the key's signer gives the nonces,
and the key pays for its gas, so the most that it may cost is held beside the payment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from strongroom.db.database import UnitOfWork
from strongroom.policy.types import ActiveBundle
from strongroom.relay.rules import GAS
from strongroom.vaults import service as vaults
from strongroom.wallets import service as wallets
from strongroom.withdrawals import batches, errors
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.types import Kind
from strongroom_protocol import safe, typed_data
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.bundle import Bundle, Person
from strongroom_protocol.evidence import may_approve
from strongroom_protocol.intents import VaultPayment
from strongroom_protocol.intents import Withdrawal as Intent

FIRST_EPOCH: Final = 1
"""Of an offline signer whose journal was never lost; the order names another where officers opened
one, and that signer decides."""

NEVER_SIGNED: Final = "The offline machine never signed it, and nobody has a signed form of it."
"""The reason that approvers sign for it: one text, so that the relay can read the signatures."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """An address that pays. `epoch`: the signer's store epoch that orders bind; None = unknown
    here, an offline signer's.
    """

    kind: Literal["vault", "hot", "cold"]
    address: Address
    vault_id: UUID | None
    max_fee_wei: int
    epoch: int | None


@dataclass(frozen=True, slots=True)
class ToSign:
    """What one person signs: the bytes that move the money, and a Safe payment's readable twin."""

    typed: Mapping[str, Any]
    digest: bytes
    readable: VaultPayment | None


def find(uow: UnitOfWork, active: ActiveBundle, address: Address | None) -> Wallet:
    """The wallet at this address; None asks for the vault. Raises VaultMissing, IntentWrong."""
    bundle = active.bundle
    key = None if address is None else bundle.spending_at(address)
    if key is not None:
        most = min(bundle.max_total_fee_wei, GAS["hot_payment"] * bundle.max_fee_per_gas_wei)
        epoch = None
        if key.kind == "hot":
            epoch = vaults.platform(uow, bundle.chain_id).store_epoch
        return Wallet(key.kind, key.address, None, most, epoch)
    organisation_id = uow.organisation_id
    vault = None if organisation_id is None else vaults.find(uow, organisation_id)
    if vault is None or vault.state != "active":
        state = "not asked for yet" if vault is None else f"{vault.state}, not active"
        raise errors.VaultMissing(
            f"The organisation's vault is {state}; a withdrawal needs an active one, or a spending "
            "key of the signed policy."
        )
    if address not in (None, vault.address):
        raise errors.IntentWrong(
            f"{checksum(address or ZERO)} is neither the organisation's vault nor a spending key "
            "of its policy; draft the order again and sign that."
        )
    epoch = vaults.platform(uow, bundle.chain_id).store_epoch
    return Wallet("vault", Address(vault.address), vault.id, bundle.max_total_fee_wei, epoch)


def intent_of(row: Withdrawal) -> Intent:
    """What the initiator signed."""
    return Intent.from_fields(row.fields)


def custody_of(row: Withdrawal, chain_id: int) -> str:
    """The ledger account that it leaves."""
    return wallets.custody_code(chain_id, row.wallet)


def is_spending(row: Withdrawal) -> bool:
    """Whether a key pays by itself, and for its own gas."""
    return row.wallet_kind != "vault"


def fee_held(row: Withdrawal) -> int:
    """The most wei that it may cost the wallet beside what it pays."""
    return intent_of(row).max_fee_wei if is_spending(row) else 0


def safe_tx_of(row: Withdrawal, kind: str) -> safe.SafeTx:
    """The Safe transaction of its nonce: the payment, or the rejection that kills the payment."""
    nonce = row.safe_nonce or 0
    if kind == "rejection":
        return safe.rejection_safe_tx(Address(row.wallet), nonce)
    if row.batch is not None:
        return batches.safe_tx(row.batch, nonce)
    token = ZERO if row.token is None else Address(row.token)
    return safe.payment_safe_tx(token, Address(row.destination), row.units, nonce)


def kind_to_sign(row: Withdrawal) -> Kind | None:
    """What approvers sign in its state; a key's transaction is replaced without them."""
    if row.state == "awaiting_approval":
        return "payment"
    return "rejection" if row.state == "voiding" and not is_spending(row) else None


def to_sign(row: Withdrawal, kind: Kind, chain_id: int) -> ToSign:
    """What approvers sign, made from the very bytes."""
    intent = intent_of(row)
    if is_spending(row):
        return ToSign(intent.as_json(chain_id), intent.digest(chain_id), None)
    tx, domain = safe_tx_of(row, kind), safe.domain(chain_id, intent.wallet)
    digest = tx.digest_in(domain)
    readable = None
    if kind == "payment":
        readable = VaultPayment(row.intent, digest, intent.to, intent.token, row.units)
    return ToSign(typed_data.as_json(tx.typed(domain)), digest, readable)


def approvers(row: Withdrawal, bundle: Bundle, now: int) -> tuple[Person, ...]:
    """Whose signatures count: approvers and present deputies of one; a Safe knows its owners only.

    `now`: Unix seconds.
    """
    owners = frozenset(bundle.control.owners)
    return tuple(
        person
        for person in bundle.people
        if person.address is not None
        and (is_spending(row) or person.address in owners)
        and may_approve(bundle, person, now)
    )


def may_be_declared_unsigned(row: Withdrawal, now: datetime) -> bool:
    """Whether approvers may say that a cold payment was never signed: from now on no offline signer
    signs it, since its time is over.
    """
    return row.wallet_kind == "cold" and row.state == "voiding" and now > row.valid_until


def threshold(row: Withdrawal, bundle: Bundle) -> int:
    """How many approvers its wallet asks for."""
    key = bundle.spending_at(Address(row.wallet))
    return bundle.control.threshold if key is None else key.threshold


def voiding_sentence(row: Withdrawal) -> str:
    """Why the money stays held while it is being voided."""
    if row.wallet_kind == "hot":
        return "Its transaction may still be mined, so the money stays held until one is final."
    if row.wallet_kind == "cold":
        return (
            "The offline machine may have signed it, so the money stays held until a transaction "
            "with its nonce is final: export the cancellation, sign it there, bring it back. If it "
            "never signed it, the approvers say so once its time is over, each by a rejection "
            f"with the reason: {NEVER_SIGNED}"
        )
    return (
        "Its Safe nonce may still pay, so the money stays held until the people's same-nonce "
        "rejection is final."
    )
