"""The relay's loop: claim → plan fees → sign → store → broadcast → record.

Each arrow is a commit of its own, and everything outside happens between two commits. Whatever
dies in between is taken up again from the row: the signer answers the same (ref, attempt) with the
same bytes, and a node that has a transaction says so. A new nonce is never taken instead of an old
one (`facts`: that is how others pay twice).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from strongroom.auditlog import service as auditlog
from strongroom.chain.errors import AlreadyKnown, ChainError, NonceTooLow
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import bind_request_id, logger
from strongroom.kit.metrics import counter
from strongroom.relay import repository, rules
from strongroom.relay.models import Outgoing
from strongroom.relay.ports import OutgoingObserver, OutgoingSigner, SendingNode
from strongroom.relay.repository import Claim
from strongroom.relay.types import Fees, OutgoingView, SignedAttempt
from strongroom.signing.errors import SignerRefused
from strongroom_protocol.encoding import to_hex

RETRY_SECONDS: Final = 1
"""After a part was away: soon enough for people, far enough apart for the part."""
PATIENT_SECONDS: Final = 15
"""After the signer said "not now": each question leaves a receipt in its journal."""
PASSING_REFUSALS: Final = frozenset(
    {"signer.fee_above_cap", "signer.suspended", "signer.policy_lapsed"}
)
"""Not a no for ever: the market moved, or people sign the next version of the policy."""

log = logger(__name__)


class RelayLoop:
    """One step takes one due row as far as it goes. Safe to run in several processes at once."""

    def __init__(
        self,
        database: Database,
        signer: OutgoingSigner,
        node: SendingNode,
        *,
        chain_id: int,
        observers: Sequence[OutgoingObserver] = (),
        pace: rules.Pace | None = None,
    ) -> None:
        """The database's role serves all organisations; signer and node are the relay's own."""
        self._database = database
        self._signer = signer
        self._node = node
        self._chain_id = chain_id
        self._observers = tuple(observers)
        self._pace = pace or rules.Pace()
        self._actor: Actor = system("relay")

    def step(self) -> bool:
        """Claim a row and work on it. True: there was one. What is away makes the row wait."""
        with self._database.unit(None, self._actor) as uow:
            claim = repository.claim_next(uow, self._chain_id)
        if claim is None:
            return False
        crash_point("relay.after_claim")
        with bind_request_id(claim.outgoing.request_id):
            try:
                self._advance(claim)
            except (StrongroomError, OSError) as error:
                self._defer(claim, error)
        return True

    def _advance(self, claim: Claim) -> None:
        """Go on until the newest attempt is with a node, or the row is nobody's business."""
        for _ in range(3):  # plan, sign, broadcast: a claim needs each once at most
            step = rules.next_step(
                claim.attempts,
                cancel_requested=claim.cancel_requested,
                now=self._database.clock.now(),
                pace=self._pace,
                offline=claim.outgoing.purpose == "cold_payment",
            )
            if step.act == "broadcast":
                self._broadcast(claim, step.attempt)
                return
            going_on = self._plan(claim, step) if step.act == "plan" else self._sign(claim, step)
            if going_on is None:
                return
            claim = going_on

    def _plan(self, claim: Claim, step: rules.NextStep) -> Claim | None:
        fees = self._fees(claim, step)
        with self._database.unit(None, self._actor) as uow:
            row = repository.lock_mine(uow, claim)
            if row is None:
                return None
            if fees is not None:
                repository.plan(uow, claim, step.attempt, step.kind, fees)
                return repository.reload(uow, row)
            self._wait(row, "The market asks for more gas money than the policy allows.")
        if claim.raw:  # a bump that would be too dear: what is out there stays out there
            self._broadcast(claim, max(claim.raw))
        return None

    def _fees(self, claim: Claim, step: rules.NextStep) -> Fees | None:
        quote = self._node.fees()
        outgoing = claim.outgoing
        gas = rules.gas_limit(outgoing.purpose, step.kind, outgoing.payload, outgoing.gas)
        cap = outgoing.cap.per_gas_wei(gas, self._pace.max_fee_per_gas_wei)
        market = (quote.max_fee_wei, quote.priority_fee_wei)
        if not claim.raw:
            # Between the base fee and the comfortable price the cap decides, not the comfort.
            wanted = min(market[0], cap) if quote.base_fee_wei + market[1] <= cap else market[0]
            return rules.first_fees(gas, wanted, market[1], cap)
        previous = claim.attempt(max(claim.raw)).fees
        return rules.next_fees(previous, gas, *market, cap)

    def _sign(self, claim: Claim, step: rules.NextStep) -> Claim | None:
        fees = claim.attempt(step.attempt).fees
        try:
            signed = self._signer.sign(claim.outgoing, step.attempt, step.kind, fees)
        except SignerRefused as refusal:
            self._refused(claim, step, refusal)
            return None
        crash_point("relay.after_sign")
        return self._store(claim, step, signed)

    def _store(self, claim: Claim, step: rules.NextStep, signed: SignedAttempt) -> Claim | None:
        with self._database.unit(None, self._actor) as uow:
            row = repository.lock_mine(uow, claim)
            if row is None:
                return None
            repository.store(uow, claim, step.attempt, signed)
            row.sender, row.nonce = signed.sender, signed.nonce
            if row.state == "queued":
                row.state = "signed"
            row.last_error = None
            row.updated_at = uow.now
            _record(
                uow, row, "relay.signed", {"attempt": step.attempt, "hash": to_hex(signed.hash)}
            )
            going_on = repository.reload(uow, row)
        crash_point("relay.after_store")
        return going_on

    def _refused(self, claim: Claim, step: rules.NextStep, refusal: SignerRefused) -> None:
        """A first attempt that is refused ends the row; a refused bump only ends the bumping."""
        log.warning(
            "relay.refused",
            outgoing=str(claim.outgoing.id),
            code=refusal.signer_code,
            reason=refusal.message,
        )
        with self._database.unit(None, self._actor) as uow:
            row = repository.lock_mine(uow, claim)
            if row is None:
                return
            repository.mark_refused(uow, claim, step.attempt, refusal.message)
            is_market = refusal.signer_code == "signer.fee_above_cap"
            self._wait(row, refusal.message, RETRY_SECONDS if is_market else PATIENT_SECONDS)
            if not claim.raw and refusal.signer_code not in PASSING_REFUSALS:
                if claim.outgoing.purpose == "hot_payment" and step.kind == "payload":
                    # The key's nonce is taken if it was signed once and the answer was lost: then
                    # this is signed, too, and nothing waits behind a gap. Else it is refused.
                    fees = rules.replacing(claim.attempt(step.attempt).fees)
                    repository.plan(uow, claim, step.attempt + 1, "cancel", fees)
                    return
                row.state = "failed"
                _record(uow, row, "relay.refused", {"code": refusal.signer_code})
                self._tell(uow, row)

    def _broadcast(self, claim: Claim, number: int) -> None:
        try:
            self._node.send_raw(claim.raw[number])
            sentence = None
        except AlreadyKnown:
            sentence = None
        except NonceTooLow:
            # One of our attempts is mined, or a stranger used the key: the indexer will tell.
            sentence = "The nonce is used; waiting for the block that shows by which attempt."
        crash_point("relay.after_broadcast")
        counter("strongroom_relay_broadcasts_total", "Transactions handed to a node.").inc()
        with self._database.unit(None, self._actor) as uow:
            row = repository.lock_mine(uow, claim)
            if row is None:
                return
            repository.mark_broadcast(uow, claim, number)
            pause = timedelta(seconds=self._pace.rebroadcast_after_seconds)
            row.lease_until, row.due_at = None, uow.now + pause
            row.last_error, row.updated_at = sentence, uow.now
            if row.state == "signed":
                row.state = "broadcast"
                self._tell(uow, row)

    def _defer(self, claim: Claim, error: Exception) -> None:
        """A part is away, or a node said no: nothing is known, so the row waits and tries again."""
        sentence = error.message if isinstance(error, StrongroomError) else str(error)
        kind = error.code if isinstance(error, ChainError) else type(error).__name__
        log.warning("relay.waits", outgoing=str(claim.outgoing.id), code=kind, reason=sentence)
        counter("strongroom_relay_waits_total", "Rows put back.", ("code",)).labels(kind).inc()
        with self._database.unit(None, self._actor) as uow:
            row = repository.lock_mine(uow, claim)
            if row is not None:
                not_now = isinstance(error, StrongroomError) and "signer_code" in error.detail
                self._wait(row, sentence, PATIENT_SECONDS if not_now else RETRY_SECONDS)

    def _wait(self, row: Outgoing, sentence: str, seconds: int = RETRY_SECONDS) -> None:
        now = self._database.clock.now()
        row.lease_until, row.due_at = None, now + timedelta(seconds=seconds)
        row.last_error, row.updated_at = sentence, now

    def _tell(self, uow: UnitOfWork, row: Outgoing) -> None:
        uow.session.flush()
        view: OutgoingView = row.view()
        for observer in self._observers:
            observer.on_changed(uow, view)


def _record(uow: UnitOfWork, row: Outgoing, action: str, more: dict[str, object]) -> None:
    body = {"purpose": row.purpose, "ref": to_hex(row.ref), "nonce": row.nonce, **more}
    auditlog.append(uow, action, str(row.id), body, organisation_id=row.organisation_id)
