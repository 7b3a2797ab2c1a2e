"""The steps of a vault's governed changes: proposed from what is pending, signed by its people.

Whoever proposes decides nothing: a step is made only of a change that the active bundle asks for,
and the signer looks at that again by itself. Whoever gives out a Safe nonce holds the vault's row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import func, select

from strongroom.auditlog import service as auditlog
from strongroom.db import outbox
from strongroom.db.database import UnitOfWork
from strongroom.kit.check import check
from strongroom.policy import service as policy
from strongroom.vaults import errors, service, snapshots
from strongroom.vaults.configuration import Configuration
from strongroom.vaults.models import Vault, VaultSnapshot, VaultStep, VaultStepSignature
from strongroom.vaults.pending import Pending, pending
from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.safe import SafeTx, domain, rejection_safe_tx, safe_tx_hash
from strongroom_protocol.signatures import Signature, recover
from strongroom_protocol.typed_data import as_json
from strongroom_protocol.vault_changes import (
    Change,
    change_document,
    change_safe_tx,
    parse_change,
)

OPEN: Final = ("signing", "binding", "sent", "voiding")
NONCE_FREE: Final = "vaults.nonce_free"
"""Outbox topic: the vault's next Safe nonce is free for a payment that waits."""


@dataclass(frozen=True, slots=True)
class StepView:
    """One step as others see it. `typed`: what is signed now, None when nothing is."""

    id: UUID
    change: Mapping[str, Any]
    phase: str
    state: str
    reason: str
    safe_nonce: int
    safe_tx_hash: bytes
    rejection_hash: bytes
    threshold: int
    signed_by: tuple[Address, ...]
    typed: Mapping[str, Any] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """What the payments of the vault say of its Safe nonces: who has the next, and which it is."""

    holder: str | None
    next_nonce: int


def wanted(uow: UnitOfWork) -> tuple[VaultSnapshot, list[Pending]]:
    """The vault's newest snapshot, and what the active bundle wants changed. Raises VaultUnknown,
    NotExamined, NoneActive, PlatformMissing.
    """
    vault = _vault(uow)
    kept, found, bundle, deployment = _present(uow, vault)
    return kept, pending(found, bundle, deployment)


def propose(uow: UnitOfWork, change: Mapping[str, Any], turn: Turn) -> StepView:
    """Make the next step of a pending change, for people to sign. Raises VaultUnknown, NotExamined,
    NotPending, ChangeCooling, NonceBusy.
    """
    vault = service.lock(uow, _own(uow))
    _, found, bundle, deployment = _present(uow, vault)
    asked = _read_change(change)
    one = next((it for it in pending(found, bundle, deployment) if it.change == asked), None)
    if one is None:
        raise errors.NotPending(
            "The active policy does not ask for this change now. Look at what is pending; another "
            "change begins with the next version of the policy."
        )
    if one.phase is None:
        raise errors.ChangeCooling(
            f"It is announced and can be executed from block time {one.usable_from} on."
        )
    if turn.holder is not None or holder(uow, vault.organisation_id) is not None:
        raise errors.NonceBusy(
            f"The vault's next transaction is taken: {turn.holder or 'another change is open'}. "
            "It goes first, or is withdrawn."
        )
    record = found.record
    check(record is not None, "what is pending has a guard that knows it")
    nonce = max(turn.next_nonce, next_nonce(uow, vault))
    address = Address(vault.address)
    tx = change_safe_tx(asked, one.phase, nonce, address, found.guard, deployment)
    rejection = rejection_safe_tx(address, nonce)
    row = VaultStep(
        organisation_id=vault.organisation_id,
        id=uow.new_id(),
        vault_id=vault.id,
        change=change_document(asked),
        phase=one.phase,
        guard=found.guard,
        permit_signer=record.permit_signer if record else b"",
        owners=[checksum(owner) for owner in found.owners],
        threshold=found.threshold,
        policy_version=bundle.version,
        safe_nonce=nonce,
        safe_tx_hash=safe_tx_hash(vault.chain_id, address, tx),
        rejection_hash=safe_tx_hash(vault.chain_id, address, rejection),
        state="signing",
        reason="It waits for the people's signatures.",
        turn=0,
        attempt=0,
        request_id=uow.request_id,
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.session.add(row)
    uow.session.flush()
    tell(uow, row)
    return view(uow, row)


def sign(uow: UnitOfWork, step_id: UUID, signature: str) -> StepView:
    """Keep an owner's signature; with enough of them the relay asks the signer. Raises StepUnknown,
    StepNotOpen, SignatureWrong.
    """
    row = lock(uow, _own(uow), step_id)
    kind = _kind_now(row)
    if kind is None:
        raise errors.StepNotOpen(f"The step is {row.state}; nothing is signed for it now.")
    bundle = policy.active(uow, row.organisation_id).bundle
    digest = row.safe_tx_hash if kind == "step" else row.rejection_hash
    owner, raw = _recover(digest, signature)
    if owner not in _owners(row) | set(bundle.control.owners):
        raise errors.SignatureWrong(
            f"It is by {checksum(owner)}, who is no owner of the vault, or it is over something "
            "else than this step's Safe transaction."
        )
    if owner not in {one for one, _ in signatures(uow, row, kind)}:
        uow.session.add(
            VaultStepSignature(
                organisation_id=row.organisation_id,
                step_id=row.id,
                kind=kind,
                address=owner,
                signature=raw,
                created_at=uow.now,
            )
        )
        uow.session.flush()
    if enough(uow, row, kind, bundle) and row.due_at is None:
        row.due_at, row.reason = uow.now, "Enough people signed; the signer is asked."
    row.updated_at = uow.now
    tell(uow, row, {"signed_by": checksum(owner), "kind": kind})
    return view(uow, row)


def withdraw(uow: UnitOfWork, step_id: UUID, reason: str) -> StepView:
    """Take a step back while the signer has not been asked. Raises StepUnknown, StepNotOpen."""
    row = lock(uow, _own(uow), step_id)
    if row.state != "signing":
        raise errors.StepNotOpen(
            f"The step is {row.state}: its nonce is bound to it. Only a mined rejection ends it."
        )
    row.state, row.reason, row.due_at = "withdrawn", f"Withdrawn: {reason}", None
    row.updated_at = uow.now
    uow.session.flush()
    free_nonce(uow, row)
    tell(uow, row)
    return view(uow, row)


def get(uow: UnitOfWork, step_id: UUID) -> StepView:
    """One step. Raises StepUnknown."""
    return view(uow, _there(uow.session.get(VaultStep, (_own(uow), step_id))))


def steps(uow: UnitOfWork, limit: int = 50) -> list[StepView]:
    """The organisation's steps, the newest first."""
    query = select(VaultStep).where(VaultStep.organisation_id == _own(uow))
    rows = uow.session.scalars(query.order_by(VaultStep.id.desc()).limit(limit)).all()
    return [view(uow, row) for row in rows]


def holder(uow: UnitOfWork, organisation_id: UUID) -> VaultStep | None:
    """The step that has the vault's next Safe nonce, for whoever gives out nonces."""
    return uow.session.scalars(
        select(VaultStep).where(
            VaultStep.organisation_id == organisation_id, VaultStep.state.in_(OPEN)
        )
    ).one_or_none()


def next_nonce(uow: UnitOfWork, vault: Vault) -> int:
    """One beyond the last nonce that a step bound, and never below what the chain says."""
    last = uow.session.scalar(
        select(func.max(VaultStep.safe_nonce)).where(
            VaultStep.organisation_id == vault.organisation_id, VaultStep.bound_at.is_not(None)
        )
    )
    kept = snapshots.newest(uow, vault.organisation_id, vault.id)
    on_chain = 0 if kept is None else int(kept.configuration["nonce"])
    return max(on_chain, 0 if last is None else int(last) + 1)


# --- for the loop, the sink and the examiner ---


def lock(uow: UnitOfWork, organisation_id: UUID, step_id: UUID) -> VaultStep:
    """One step, locked and read anew. Raises StepUnknown."""
    return _there(
        uow.session.scalars(
            select(VaultStep)
            .where(VaultStep.organisation_id == organisation_id, VaultStep.id == step_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
    )


def signatures(uow: UnitOfWork, row: VaultStep, kind: str) -> list[tuple[Address, bytes]]:
    """Who signed it, with what, ascending by address as a Safe wants it."""
    found = uow.session.scalars(
        select(VaultStepSignature)
        .where(
            VaultStepSignature.organisation_id == row.organisation_id,
            VaultStepSignature.step_id == row.id,
            VaultStepSignature.kind == kind,
        )
        .order_by(VaultStepSignature.address)
    )
    return [(Address(one.address), one.signature) for one in found]


def for_chain(uow: UnitOfWork, row: VaultStep, kind: str) -> list[bytes]:
    """As many signatures as the Safe counts, of those who are its owners now."""
    there = [raw for owner, raw in signatures(uow, row, kind) if owner in _owners(row)]
    return there[: row.threshold]


def enough(uow: UnitOfWork, row: VaultStep, kind: str, bundle: Bundle) -> bool:
    """Whether the Safe's threshold and the policy's have signed."""
    everybody = len(signatures(uow, row, kind))
    on_chain = len(for_chain(uow, row, kind))
    return on_chain == row.threshold and everybody >= bundle.control.threshold


def end(uow: UnitOfWork, row: VaultStep, state: str, reason: str) -> None:
    """The step's nonce is consumed at finality: it is over."""
    row.state, row.reason, row.due_at, row.lease_until = state, reason, None, None
    row.updated_at = uow.now
    row.bound_at = row.bound_at or uow.now
    uow.session.flush()
    free_nonce(uow, row)
    tell(uow, row)


def begin_voiding(uow: UnitOfWork, row: VaultStep, reason: str) -> None:
    """Its nonce is bound and it will not be executed: people sign the rejection of that nonce."""
    row.state, row.due_at, row.lease_until = "voiding", None, None
    row.reason, row.updated_at = f"{reason} Its owners sign the rejection of its nonce.", uow.now
    tell(uow, row)


def free_nonce(uow: UnitOfWork, row: VaultStep) -> None:
    """Whoever waits for the vault's turn is looked at."""
    payload = {"organisation_id": str(row.organisation_id)}
    outbox.enqueue(
        uow, NONCE_FREE, f"{row.id}:{row.turn}", payload, organisation_id=row.organisation_id
    )


def tell(uow: UnitOfWork, row: VaultStep, more: Mapping[str, Any] | None = None) -> None:
    """The unit's audit record of it."""
    body = {
        "change": row.change,
        "phase": row.phase,
        "state": row.state,
        "reason": row.reason,
        "safe_nonce": row.safe_nonce,
        "safe_tx_hash": to_hex(row.safe_tx_hash),
        **(more or {}),
    }
    auditlog.append(
        uow, f"vault.step.{row.state}", str(row.id), body, organisation_id=row.organisation_id
    )


def transaction(uow: UnitOfWork, row: VaultStep, kind: str) -> SafeTx:
    """The bytes that are signed, made anew from the change. Raises VaultUnknown."""
    vault = _of(uow, row)
    if kind == "rejection":
        return rejection_safe_tx(Address(vault.address), row.safe_nonce)
    deployment = service.platform(uow, vault.chain_id).deployment
    guard = Address(row.guard)
    change = parse_change(row.change, "change")
    return change_safe_tx(
        change, row.phase, row.safe_nonce, Address(vault.address), guard, deployment
    )


def view(uow: UnitOfWork, row: VaultStep) -> StepView:
    """What others may see of it."""
    kind, typed = _kind_now(row), None
    if kind is not None:
        vault = _of(uow, row)
        within = domain(vault.chain_id, Address(vault.address))
        typed = as_json(transaction(uow, row, kind).typed(within))
    shown = kind or "step"
    return StepView(
        id=row.id,
        change=row.change,
        phase=row.phase,
        state=row.state,
        reason=row.reason,
        safe_nonce=row.safe_nonce,
        safe_tx_hash=row.safe_tx_hash,
        rejection_hash=row.rejection_hash,
        threshold=row.threshold,
        signed_by=tuple(owner for owner, _ in signatures(uow, row, shown)),
        typed=typed,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _kind_now(row: VaultStep) -> str | None:
    return {"signing": "step", "voiding": "rejection"}.get(row.state)


def _owners(row: VaultStep) -> set[Address]:
    return {parse_address(one) for one in row.owners}


def _recover(digest: bytes, text: str) -> tuple[Address, bytes]:
    try:
        raw = from_hex(text.lower(), 65, field="signature")
        return recover(digest, Signature.parse(raw)), raw
    except ProtocolError as error:
        raise errors.SignatureWrong(f"The signature can't be read: {error}.") from error


def _read_change(change: Mapping[str, Any]) -> Change:
    try:
        return parse_change(change, "change")
    except ProtocolError as error:
        raise errors.NotPending(f"This is no change of a vault: {error}.") from error


def _present(
    uow: UnitOfWork, vault: Vault
) -> tuple[VaultSnapshot, Configuration, Bundle, Deployment]:
    kept = snapshots.newest(uow, vault.organisation_id, vault.id)
    if kept is None:
        raise errors.NotExamined(
            "The vault was not examined on chain yet; that takes some seconds after it is active."
        )
    bundle = policy.active(uow, vault.organisation_id).bundle
    deployment = service.platform(uow, vault.chain_id).deployment
    return kept, snapshots.configuration(kept), bundle, deployment


def _vault(uow: UnitOfWork) -> Vault:
    found = service.find(uow, _own(uow))
    if found is None:
        raise errors.VaultUnknown("The organisation has no vault yet.")
    return found


def _of(uow: UnitOfWork, row: VaultStep) -> Vault:
    found = service.find(uow, row.organisation_id)
    check(found is not None, "a step belongs to a vault")
    return cast(Vault, found)


def _there(row: VaultStep | None) -> VaultStep:
    if row is None:
        raise errors.StepUnknown("The organisation has no such step of a vault's change.")
    return row


def _own(uow: UnitOfWork) -> UUID:
    check(uow.organisation_id is not None, "a vault belongs to one organisation")
    return cast(UUID, uow.organisation_id)
