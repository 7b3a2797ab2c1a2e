"""The relay's third loop: from people's approvals to a spending key's transaction.

hot: approved → dry verdict → bound and in line at the relay, one commit; the relay asks the signer
for each attempt. cold: approved → bound, then it waits for the offline machine; what people bring
back is looked at once more and put in line as it is. A hot payment in `voiding` is replaced by an
empty call of the wallet itself; of a cold one people bring that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from strongroom.db import lease
from strongroom.db.claim_loop import ClaimLoop
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import logger
from strongroom.policy import service as policy
from strongroom.relay import service as relay
from strongroom.relay.types import FeeCap, Fees
from strongroom.signing.client import SignerClient
from strongroom.signing.errors import SignerRefused
from strongroom.withdrawals import (
    approvals,
    batches,
    clearing,
    cold,
    counting,
    lifecycle,
    offline,
    repository,
    rules,
    wallet,
)
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.wallet import intent_of
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.signatures import Signature, recover

LEASE_SECONDS: Final = 20
RETRY_SECONDS: Final = 1
_STATES: Final = "'approved', 'binding', 'signed', 'broadcast', 'voiding'"

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """An approved payment of a hot key, with everything that the signer is to see."""

    organisation_id: UUID
    id: UUID
    fence: int
    evidence: Mapping[str, Any]
    fees: Fees
    cap: FeeCap
    chain_id: int
    request_id: str


class SpendingLoop(ClaimLoop["Asked"]):
    """One step takes one withdrawal of a spending key."""

    CLAIMED = "withdrawal.after_claim"
    WAITS = "withdrawal.waits"

    def __init__(self, database: Database, signer: SignerClient, chain_id: int) -> None:
        """The database's role serves all organisations; the signer, those of its chain."""
        super().__init__(database, chain_id)
        self._signer = signer

    def _claim(self, uow: UnitOfWork) -> Asked | bool | None:
        row = _claim(uow, self._chain_id)
        return None if row is None else _advance(uow, row) or True

    def _act(self, asked: Asked) -> None:
        """From this commit on the relay may have it signed; before it, a no costs nothing."""
        body = {"kind": "payment", "attempt": 0, "fees": asked.fees.fields(), "dry_run": True}
        try:
            verdict = self._signer.spending_payment({**asked.evidence, **body})
            allowed, sentence = verdict["verdict"] == "allowed", str(verdict["sentence"])
        except SignerRefused as refusal:
            allowed, sentence = False, refusal.message
        with self._database.unit(None, self._actor) as uow:
            row = _lock_mine(uow, asked)
            if row is None:
                return
            if not allowed:
                lifecycle.end_unbound(uow, row, "rejected", f"The signer refuses: {sentence}")
                return
            row.outgoing_id = relay.enqueue(
                uow,
                row.organisation_id,
                "hot_payment",
                rules.spending_ref(uow.new_id()),
                asked.evidence,
                chain_id=asked.chain_id,
                cap=asked.cap,
            )
            _bind(uow, row, "The relay has it signed and sends it.")
        crash_point("withdrawal.after_bind")

    def _defer(self, uow: UnitOfWork, asked: Asked, sentence: str) -> None:
        row = _lock_mine(uow, asked)
        if row is not None:
            _wait(uow, row, sentence)


def _claim(uow: UnitOfWork, chain_id: int) -> Withdrawal | None:
    rows = lease.claim(
        uow,
        "withdrawal",
        f"due_at <= %(now)s AND wallet_kind <> 'vault' AND state IN ({_STATES})",
        LEASE_SECONDS,
        1,
        parameters={"now": uow.now},
        order="due_at, id",
        chain_id=chain_id,
    )
    return repository.find(uow, rows[0]["organisation_id"], rows[0]["id"]) if rows else None


def _advance(uow: UnitOfWork, row: Withdrawal) -> Asked | None:
    """Do what needs no signer; the rest is given back."""
    if row.state == "approved":
        return _approved(uow, row)
    if row.wallet_kind == "cold":
        _take_signed(uow, row)
    else:
        _replace(uow, row)
    return None


def _approved(uow: UnitOfWork, row: Withdrawal) -> Asked | None:
    clearance = clearing.clearance_or_end(uow, row)
    if clearance is None:
        _wait(uow, row, clearing.waits_for(uow, row))
        return None
    if row.wallet_kind == "cold":
        _bind(uow, row, "It waits for the offline machine: export it, sign it, bring it back.")
        return None
    bundle = policy.active(uow, row.organisation_id).bundle
    most_wei = intent_of(row).max_fee_wei or None
    cap = FeeCap(bundle.max_fee_per_gas_wei, most_wei, batches.fee_level([row]))
    return Asked(
        organisation_id=row.organisation_id,
        id=row.id,
        fence=row.attempt,
        evidence=cold.evidence(uow, row, bundle, clearance),
        fees=cold.fees(row, bundle, 0, "payment"),
        cap=cap,
        chain_id=bundle.chain_id,
        request_id=row.request_id,
    )


def _take_signed(uow: UnitOfWork, row: Withdrawal) -> None:
    """Put in line what was brought back, if it is what it must be: the API's word is none."""
    _rest(uow, row)
    bundle = policy.active(uow, row.organisation_id).bundle
    brought = repository.signed(uow, row)
    if not brought:
        _end_if_unsigned(uow, row, bundle)
        return
    is_cancel = brought[-1].kind == "cancel"
    chain_id = bundle.chain_id
    try:
        with uow.session.begin_nested():
            found = offline.read_signed(
                brought[-1].raw, intent_of(row), "cancel" if is_cancel else "payment", chain_id
            )
            outgoing_id = row.outgoing_id or relay.enqueue(
                uow,
                row.organisation_id,
                "cold_payment",
                rules.spending_ref(uow.new_id()),
                {"intent": to_hex(row.intent)},
                chain_id=chain_id,
            )
            view = relay.get(uow, row.organisation_id, outgoing_id)
            attempt = found.attempt
            relay.take_signed(uow, view, "cancel" if is_cancel else "payload", attempt, found.fees)
    except StrongroomError as error:
        log.warning("withdrawal.signed_wrong", withdrawal=str(row.id), code=error.code)
        row.reason = f"What was brought back can't be sent: {error.message}"
        return
    row.outgoing_id = outgoing_id
    if row.state == "binding":
        repository.step(uow, row, "signed", "Signed offline; the relay sends it.")
    lifecycle.record(uow, row, more={"transaction": to_hex(found.attempt.hash), "kind": found.kind})


def _end_if_unsigned(uow: UnitOfWork, row: Withdrawal, bundle: Bundle) -> None:
    """Enough approvers have signed that the offline machine never signed it."""
    if not wallet.may_be_declared_unsigned(row, uow.now):
        return
    digest = approvals.rejection(row, wallet.NEVER_SIGNED).digest(bundle.chain_id)
    counted = counting.counted(uow, row, bundle, "rejection")
    there = [one for one in counted if _signed_by(one.address, digest, one.signature)]
    if len(there) >= wallet.threshold(row, bundle):
        reason = f"{len(there)} approvers signed that it was never signed; the money is free."
        lifecycle.end_voided(uow, row, reason)


def _signed_by(address: bytes, digest: bytes, signature: bytes) -> bool:
    """The API's role could have written the row: only the signature itself counts."""
    try:
        return recover(digest, Signature.parse(signature)) == address
    except ProtocolError:
        return False


def _replace(uow: UnitOfWork, row: Withdrawal) -> None:
    """A hot payment in `voiding`: have it replaced, or end it if it never was signed."""
    if row.state != "voiding" or row.outgoing_id is None:
        _rest(uow, row)
        return
    outgoing = relay.get(uow, row.organisation_id, row.outgoing_id)
    if outgoing.state == "failed" and outgoing.nonce is None:
        lifecycle.end_voided(uow, row, "Its transaction was never signed; the money is free.")
    elif outgoing.state == "queued":
        _wait(uow, row, "Its transaction is being signed; it is replaced as soon as it is.")
    else:
        _rest(uow, row)
        if outgoing.state in ("signed", "broadcast"):
            relay.request_cancel(uow, row.organisation_id, row.outgoing_id)


def _bind(uow: UnitOfWork, row: Withdrawal, reason: str) -> None:
    _rest(uow, row)
    row.bound_at = uow.now
    repository.step(uow, row, "binding", reason)
    lifecycle.record(uow, row)


def _rest(uow: UnitOfWork, row: Withdrawal) -> None:
    row.due_at, row.lease_until, row.updated_at = None, None, uow.now


def _wait(uow: UnitOfWork, row: Withdrawal, sentence: str) -> None:
    if row.due_at is not None:
        row.due_at = uow.now + timedelta(seconds=RETRY_SECONDS)
        row.reason = sentence
    row.lease_until, row.updated_at = None, uow.now


def _lock_mine(uow: UnitOfWork, asked: Asked) -> Withdrawal | None:
    if not lease.still_mine(
        uow, "withdrawal", asked.id, asked.fence, organisation_id=asked.organisation_id
    ):
        return None
    row = repository.find(uow, asked.organisation_id, asked.id)
    return row if row.state == "approved" else None
