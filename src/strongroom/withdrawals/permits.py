"""The relay's second loop: from people's approvals to the signer's Permit and an outgoing row.

approved → dry verdict → bind (commit) → Permit → store with its outgoing row (commit). A nonce is
bound before the signer may sign, so a crash at any point leaves either nothing or a row that asks
for the same Permit again. In `voiding` the same way leads to the rejection's Permit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from strongroom.db import lease
from strongroom.db.claim_loop import ClaimLoop
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.kit.log import logger
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap
from strongroom.signing.client import SignerClient
from strongroom.signing.errors import SignerRefused
from strongroom.vaults import service as vaults
from strongroom.vaults import snapshots
from strongroom.withdrawals import (
    batches,
    clearing,
    counting,
    lifecycle,
    rates,
    recipients,
    repository,
    rules,
    slots,
)
from strongroom.withdrawals.models import Withdrawal, WithdrawalPermit
from strongroom_protocol.addresses import checksum
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.encoding import from_hex, to_hex

LEASE_SECONDS: Final = 20
RETRY_SECONDS: Final = 1
REFUSED_SECONDS: Final = 15
"""After the signer refused a rejection: its reason may pass (suspended, lapsed, not enough)."""
_BOUND_STATE: Final = {"payment": "binding", "rejection": "voiding"}
"""A payment that was cancelled while the signer was asked is not sent: people void its nonce."""

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed withdrawal with everything that the signer is to see."""

    organisation_id: UUID
    id: UUID
    fence: int
    state: str
    kind: str
    turn: int
    operation: str
    evidence: Mapping[str, Any]
    owners: tuple[str, ...]
    """Signatures of those who are owners on chain now, which may lag behind the policy."""
    threshold: int
    cap: FeeCap
    gas: int | None
    chain_id: int
    organisation: bytes
    request_id: str
    safe_tx_hash: bytes | None
    """Of the payment: in another batch, or alone, it would be other bytes."""


class PermitLoop(ClaimLoop["Work"]):
    """One step takes one withdrawal, or one batch, that the people are done with."""

    CLAIMED = "withdrawal.after_claim"
    WAITS = "withdrawal.waits"

    def __init__(self, database: Database, signer: SignerClient, chain_id: int) -> None:
        """The database's role serves all organisations; the signer, those of its chain."""
        super().__init__(database, chain_id)
        self._signer = signer

    def _claim(self, uow: UnitOfWork) -> Work | bool | None:
        return _claim(uow, self._chain_id)

    def _act(self, work: Work) -> None:
        if work.state == "approved" and not self._bind_after_dry_verdict(work):
            return
        if work.state == "voiding":
            self._mark_void_bound(work)
        try:
            permit = self._signer.call(work.operation, {**work.evidence, "dry_run": False})
        except SignerRefused as refusal:
            self._refused(work, refusal)
            return
        crash_point("withdrawal.after_permit")
        with self._database.unit(None, self._actor) as uow:
            row = _lock_mine(uow, work)
            if row is not None and row.state == _BOUND_STATE[work.kind]:
                _store(uow, row, work, permit)
        crash_point("withdrawal.after_store")

    def _bind_after_dry_verdict(self, work: Work) -> bool:
        """The nonce belongs to the intent from this commit on; before it, a no costs nothing."""
        try:
            verdict = self._signer.call(work.operation, {**work.evidence, "dry_run": True})
            allowed, sentence = verdict["verdict"] == "allowed", str(verdict["sentence"])
        except SignerRefused as refusal:
            allowed, sentence = False, refusal.message
        with self._database.unit(None, self._actor) as uow:
            row = _lock_mine(uow, work)
            if row is None or row.state != "approved":
                return False
            if not allowed:
                _refused_unbound(uow, row, f"The signer refuses: {sentence}")
                return False
            for one in repository.together(uow, row):
                one.bound_at = uow.now
                repository.step(uow, one, "binding", "Its Safe nonce is bound to it for ever.")
                lifecycle.record(uow, one)
        crash_point("withdrawal.after_bind")
        return True

    def _mark_void_bound(self, work: Work) -> None:
        with self._database.unit(None, self._actor) as uow:
            row = _lock_mine(uow, work)
            if row is not None and row.void_bound_at is None:
                row.void_bound_at = uow.now

    def _refused(self, work: Work, refusal: SignerRefused) -> None:
        """After binding, only a mined rejection frees the money: the people are asked for it."""
        log.warning("withdrawal.refused", withdrawal=str(work.id), code=refusal.signer_code)
        with self._database.unit(None, self._actor) as uow:
            row = _lock_mine(uow, work)
            if row is None:
                return
            if row.state == "binding":
                void_to = "expired" if uow.now > row.valid_until else "failed"
                reason = f"The signer refuses: {refusal.message}."
                lifecycle.begin_voiding(uow, row, void_to, reason)
                lifecycle.record(uow, row)
            else:
                # Asked again: nothing but this rejection ever frees the money.
                row.due_at, row.lease_until = uow.now + timedelta(seconds=REFUSED_SECONDS), None
                row.reason = f"The signer refuses the rejection: {refusal.message}"

    def _defer(self, uow: UnitOfWork, work: Work, sentence: str) -> None:
        row = _lock_mine(uow, work)
        if row is not None:
            _wait(uow, row, sentence)


def _claim(uow: UnitOfWork, chain_id: int) -> Work | bool | None:
    """Lease what is due. None: nothing is; True: it was, and has to wait for something."""
    rows = lease.claim(
        uow,
        "withdrawal",
        "due_at <= %(now)s AND state IN ('approved', 'binding', 'voiding')"
        " AND wallet_kind = 'vault'",
        LEASE_SECONDS,
        1,
        parameters={"now": uow.now},
        order="due_at, id",
        chain_id=chain_id,
    )
    if not rows:
        return None
    row = repository.lock(uow, rows[0]["organisation_id"], rows[0]["id"])
    kind = "rejection" if row.state == "voiding" else "payment"
    paid = [row] if kind == "rejection" else repository.together(uow, row)
    clearances = [None] if kind == "rejection" else _clearances(uow, paid)
    if clearances is None:
        return _wait(uow, row, _held_by(uow, paid))
    if slots.earlier_unmined(uow, row):
        return _wait(uow, row, "It waits until the vault's earlier payment is mined.")
    bundle = policy.active(uow, row.organisation_id).bundle
    vault = vaults.lock(uow, row.organisation_id)
    orders = [
        _order(uow, one, bundle, kind, clearance)
        for one, clearance in zip(paid, clearances, strict=True)
    ]
    evidence: dict[str, Any] = {
        "organisation": to_hex(bundle.organisation),
        "safe_nonce": row.safe_nonce,
    }
    if len(orders) == 1:
        evidence |= {**orders[0], "kind": kind}
    else:
        evidence["payments"] = orders
    standing = snapshots.installed(uow, vault)
    if standing is not None:
        evidence["installed"] = standing
    most_wei = bundle.max_total_fee_wei
    if kind == "payment":
        most_wei = min(most_wei, sum(int(one.fields["maxFeeWei"]) for one in paid))
    return Work(
        organisation_id=row.organisation_id,
        id=row.id,
        fence=row.attempt,
        state=row.state,
        kind=kind,
        turn=row.void_round if kind == "rejection" else 0,
        operation="vault_permit" if len(orders) == 1 else "vault_batch",
        evidence=evidence,
        owners=_owners(uow, paid, bundle, kind, vault.owners),
        threshold=vault.threshold,
        cap=FeeCap(bundle.max_fee_per_gas_wei, most_wei or None, batches.fee_level(paid)),
        gas=batches.gas(paid),
        chain_id=bundle.chain_id,
        organisation=bundle.organisation,
        request_id=row.request_id,
        safe_tx_hash=row.safe_tx_hash,
    )


def _clearances(uow: UnitOfWork, rows: Sequence[Withdrawal]) -> list[Mapping[str, Any]] | None:
    """Screening's word on each destination; None: one of them waits, or has ended its payment."""
    found: list[Mapping[str, Any]] = []
    for row in rows:
        clearance = clearing.clearance_or_end(uow, row)
        if clearance is None:
            return None
        found.append(clearance)
    return found


def _held_by(uow: UnitOfWork, rows: Sequence[Withdrawal]) -> str:
    waiting = (one for one in rows if recipients.held_by(uow, one) is not None)
    return clearing.waits_for(uow, next(waiting, rows[0]))


def _order(
    uow: UnitOfWork,
    row: Withdrawal,
    bundle: Bundle,
    kind: str,
    clearance: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What people and the screener signed for one payment, or for its rejection."""
    return {
        "intent": dict(row.fields),
        "initiator_signature": to_hex(row.initiator_signature),
        "approvals": [
            {
                "safe_tx_signature": to_hex(one.signature),
                "payment_signature": None
                if one.payment_signature is None
                else to_hex(one.payment_signature),
            }
            for one in counting.counted(uow, row, bundle, kind)
        ],
        "clearance": clearance,
        **rates.evidence(uow, bundle, row.organisation_id),
    }


def _owners(
    uow: UnitOfWork,
    rows: Sequence[Withdrawal],
    bundle: Bundle,
    kind: str,
    owners: Sequence[str],
) -> tuple[str, ...]:
    """Signatures over the Safe transaction, one a person, of those who are owners on chain now."""
    found = {
        one.address: to_hex(one.signature)
        for row in rows
        for one in counting.counted(uow, row, bundle, kind)
        if checksum(one.address) in owners
    }
    return tuple(found.values())


def _store(uow: UnitOfWork, row: Withdrawal, work: Work, permit: Mapping[str, Any]) -> None:
    """Keep the Permit, and put the execution in line at the relay: one commit for both."""
    outgoing_id = relay.enqueue(
        uow,
        row.organisation_id,
        "vault_execution",
        rules.execution_ref(from_hex(permit["permit_signature"], 65), work.turn),
        {
            "organisation": to_hex(work.organisation),
            "safe_tx_hash": permit["safe_tx_hash"],
            "signatures": list(work.owners),
            "threshold": work.threshold,
        },
        chain_id=work.chain_id,
        cap=work.cap,
        gas=work.gas,
    )
    row.due_at = row.lease_until = None
    for one in repository.together(uow, row):
        uow.session.add(
            WithdrawalPermit(
                organisation_id=one.organisation_id,
                withdrawal_id=one.id,
                kind=work.kind,
                round=work.turn,
                safe_tx_hash=from_hex(permit["safe_tx_hash"], 32),
                policy_version=int(permit["policy_version"]),
                valid_until=datetime.fromtimestamp(int(permit["valid_until"]), UTC),
                permit_signature=from_hex(permit["permit_signature"], 65),
                outgoing_id=outgoing_id,
                created_at=uow.now,
            )
        )
        if work.kind == "payment":
            repository.step(uow, one, "signed", "The signer permitted it; the relay sends it.")
        else:
            one.reason = "The rejection is permitted; its money is free once that is final."
        lifecycle.record(uow, one, more={"permit": {"kind": work.kind, "round": work.turn}})


def _refused_unbound(uow: UnitOfWork, row: Withdrawal, reason: str) -> None:
    """Nothing is signed: a payment ends; of a batch nobody knows which one it is, so each goes on
    alone and is judged by itself.
    """
    if row.batch_id is None:
        lifecycle.end_unbound(uow, row, "rejected", reason)
        return
    rows = repository.together(uow, row)
    batches.dissolve(uow, row, f"{reason} It goes on alone.", ends=False)
    lifecycle.call_next(uow, row)
    for one in rows:
        lifecycle.record(uow, one)


def _lock_mine(uow: UnitOfWork, work: Work) -> Withdrawal | None:
    if not lease.still_mine(
        uow, "withdrawal", work.id, work.fence, organisation_id=work.organisation_id
    ):
        return None
    row = repository.lock(uow, work.organisation_id, work.id)
    if row.safe_tx_hash != work.safe_tx_hash:
        return None
    # People may have cancelled it, or its block have come, while the signer was asked.
    expected = ("voiding",) if work.kind == "rejection" else ("approved", "binding")
    return row if row.state in expected else None


def _wait(uow: UnitOfWork, row: Withdrawal, sentence: str) -> bool:
    if row.state in ("approved", "binding", "voiding") and row.due_at is not None:
        row.due_at = uow.now + timedelta(seconds=RETRY_SECONDS)
        row.reason = sentence
    row.lease_until, row.updated_at = None, uow.now
    return True
