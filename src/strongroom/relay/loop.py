"""The relay's loop: claim → plan fees → sign → store → broadcast → record, for a group of rows.

Each arrow is one commit for the group, and everything outside happens between two commits. Whatever
dies in between is taken up again from the rows: the signer answers the same (ref, attempt) with the
same bytes, and a node that has a transaction says so. A new nonce is never taken instead of an old
one (`facts`: that is how others pay twice).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

from strongroom.auditlog import service as auditlog
from strongroom.chain.errors import AlreadyKnown, ChainError, NonceTooLow, Underpriced
from strongroom.chain.types import FeeQuote
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import bind_request_id, logger
from strongroom.kit.metrics import counter
from strongroom.relay import repository, rules
from strongroom.relay.foreseer import Foreseer
from strongroom.relay.models import Outgoing
from strongroom.relay.ports import CallSource, OutgoingObserver, OutgoingSigner, SendingNode
from strongroom.relay.repository import Claim
from strongroom.relay.types import AttemptKind, Fees, SignedAttempt
from strongroom.signing.errors import SignerRefused, SignerUnavailable
from strongroom_protocol.encoding import to_hex

RETRY_SECONDS: Final = 1
"""After a part was away: soon enough for people, far enough apart for the part."""
PATIENT_SECONDS: Final = 15
"""After the signer said "not now": each question leaves a receipt in its journal."""
PASSING_REFUSALS: Final = frozenset(
    {"signer.fee_above_cap", "signer.suspended", "signer.policy_lapsed"}
)
"""Not a no for ever: the market moved, or people sign the next version of the policy."""
GROUP_MAX: Final = 64
"""Rows of one claim: as many as the signer answers in one batch."""
CALLERS: Final = 16
"""Calls of the signer at once (it lets a user have 48): more threads only wait for each other."""
DEAR: Final = "The market asks for more gas money than the policy allows."

log = logger(__name__)
Group = dict[UUID, Claim]
"""The rows that this process works on and has not recorded yet."""
Steps = Mapping[UUID, rules.NextStep]


class RelayLoop:
    """One step takes the due rows as far as they go. Safe to run in several processes at once."""

    def __init__(
        self,
        database: Database,
        signer: OutgoingSigner,
        node: SendingNode,
        *,
        chain_id: int,
        observers: Sequence[OutgoingObserver] = (),
        pace: rules.Pace | None = None,
        private: SendingNode | None = None,
        calls: Sequence[CallSource] = (),
    ) -> None:
        """The database's role serves all organisations; signer and node are the relay's own.
        `private`: where transactions go first, and alone for `pace.private_seconds`. `calls`: who
        knows what will be signed, where a row does not say it.
        """
        self._database = database
        self._signer = signer
        self._node = node
        self._private = private
        self._chain_id = chain_id
        self._observers = tuple(observers)
        self._pace = pace or rules.Pace()
        self._foreseer = Foreseer(database, node, calls, self._pace)
        self._actor: Actor = system("relay")
        self._callers = ThreadPoolExecutor(CALLERS, "relay-signs")

    def step(self) -> bool:
        """Claim what is due and work on it. True: there was some. What is away makes rows wait."""
        with self._database.unit(None, self._actor) as uow:
            group: Group = repository.claim_due(uow, self._chain_id, GROUP_MAX)
        if not group:
            return False
        crash_point("relay.after_claim")
        try:
            self._advance(group)
        except (StrongroomError, OSError) as error:
            self._defer(group, group, error)
        return True

    def _advance(self, group: Group) -> None:
        """Go on until each newest attempt is with a node, or the row is nobody's business."""
        steps = {one: self._next(claim) for one, claim in group.items()}
        planned, send = self._plan(group, _those(steps, "plan"))
        asked = _those(steps, "sign") | {one: self._next(group[one]) for one in planned}
        signed = self._sign(group, asked)
        send |= {one: step.attempt for one, step in _those(steps, "broadcast").items()}
        send |= {one: self._next(group[one]).attempt for one in signed}
        self._broadcast(group, send)

    def _next(self, claim: Claim) -> rules.NextStep:
        return rules.next_step(
            claim.attempts,
            cancel_requested=claim.cancel_requested,
            now=self._database.clock.now(),
            pace=self._pace,
            offline=claim.outgoing.purpose == "cold_payment",
        )

    def _plan(self, group: Group, steps: Steps) -> tuple[list[UUID], dict[UUID, int]]:
        """Keep the fees of new attempts. Gives the rows to sign; and those whose bump would be too
        dear, with the attempt that is out there and stays there.
        """
        if not steps:
            return [], {}
        try:
            quote = self._node.fees()
        except (StrongroomError, OSError) as error:
            self._defer(group, steps, error)
            return [], {}
        plans: list[tuple[Claim, int, AttemptKind, Fees]] = []
        dear: dict[UUID, int] = {}
        with self._unit(group, steps) as (uow, rows):
            for row in rows:
                claim, step = group[row.id], steps[row.id]
                fees = self._fees(claim, step, quote)
                if fees is not None:
                    plans.append((claim, step.attempt, step.kind, fees))
                elif claim.raw:
                    dear[row.id] = max(claim.raw)
                else:
                    self._wait(row, DEAR)
                    del group[row.id]
            repository.plan(uow, plans)
            planned = {claim.outgoing.id for claim, *_ in plans}
            group.update(repository.reload(uow, [row for row in rows if row.id in planned]))
        return list(planned), dear

    def _fees(self, claim: Claim, step: rules.NextStep, quote: FeeQuote) -> Fees | None:
        outgoing = claim.outgoing
        gas = rules.gas_limit(outgoing.purpose, step.kind, outgoing.payload, outgoing.gas)
        cap = outgoing.cap.per_gas_wei(gas, self._pace.max_fee_per_gas_wei)
        tip = quote.tip_wei(outgoing.cap.level)
        market = (quote.max_fee_wei - quote.priority_fee_wei + tip, tip)
        if not claim.raw:
            # Between the base fee and the comfortable price the cap decides, not the comfort.
            wanted = min(market[0], cap) if quote.base_fee_wei + market[1] <= cap else market[0]
            return rules.first_fees(gas, wanted, market[1], cap)
        previous = claim.attempt(max(claim.raw)).fees
        return rules.next_fees(previous, gas, *market, cap)

    def _sign(self, group: Group, steps: Steps) -> list[UUID]:
        """Have planned attempts signed, many at once; store all of them before any is sent."""
        if not steps:
            return []
        first = [one for one, step in steps.items() if (step.attempt, step.kind) == (0, "payload")]
        ahead = self._foreseer.look([group[one] for one in first])
        answers = self._ask(group, {one: steps[one] for one in steps if one not in ahead.held})
        signed: list[Outgoing] = []
        stored: list[tuple[Claim, int, SignedAttempt]] = []
        with self._unit(group, steps) as (uow, rows):
            for row in rows:
                if row.id in ahead.held:
                    self._wait(row, ahead.held[row.id], PATIENT_SECONDS)
                    del group[row.id]
                    continue
                claim, step, answer = group[row.id], steps[row.id], answers[row.id]
                if isinstance(answer, SignedAttempt):
                    ahead.keep(uow, row)
                    stored.append((claim, step.attempt, answer))
                    signed.append(row)
                    _signed(uow, row, answer)
                    continue
                del group[row.id]
                if isinstance(answer, SignerRefused):
                    self._refused(uow, row, claim, step, answer)
                else:
                    self._wait_for(row, answer)
            repository.store(uow, stored)
            _record_signed(uow, stored)
            group.update(repository.reload(uow, signed))
        crash_point("relay.after_store")
        return [row.id for row in signed]

    def _ask(
        self, group: Group, steps: Steps
    ) -> dict[UUID, SignedAttempt | StrongroomError | OSError]:
        """What the signer says to each; once it is away nobody asks on and waits again."""
        away: list[StrongroomError] = []

        def ask(one: UUID) -> SignedAttempt | StrongroomError | OSError:
            if away:
                return away[0]
            claim, step = group[one], steps[one]
            fees = claim.attempt(step.attempt).fees
            with bind_request_id(claim.outgoing.request_id):
                try:
                    signed = self._signer.sign(claim.outgoing, step.attempt, step.kind, fees)
                except SignerUnavailable as error:
                    if not _not_now(error):
                        away.append(error)
                    return error
                except (StrongroomError, OSError) as error:
                    return error
            crash_point("relay.after_sign")
            return signed

        return dict(zip(steps, self._callers.map(ask, steps), strict=True))

    def _refused(
        self,
        uow: UnitOfWork,
        row: Outgoing,
        claim: Claim,
        step: rules.NextStep,
        refusal: SignerRefused,
    ) -> None:
        """A first attempt that is refused ends the row; a refused bump only ends the bumping."""
        code = refusal.signer_code
        log.warning("relay.refused", outgoing=str(row.id), code=code, reason=refusal.message)
        repository.mark_refused(uow, claim, step.attempt, refusal.message)
        is_market = code == "signer.fee_above_cap"
        self._wait(row, refusal.message, RETRY_SECONDS if is_market else PATIENT_SECONDS)
        if claim.raw or code in PASSING_REFUSALS:
            return
        if row.purpose == "hot_payment" and step.kind == "payload":
            # The key's nonce is taken if it was signed once and the answer was lost: then this is
            # signed, too, and nothing waits behind a gap. Else it is refused.
            fees = rules.replacing(claim.attempt(step.attempt).fees)
            repository.plan(uow, [(claim, step.attempt + 1, "cancel", fees)])
            return
        row.state = "failed"
        _record(uow, row, "relay.refused", {"code": code})
        self._tell(uow, [row])

    def _broadcast(self, group: Group, numbers: Mapping[UUID, int]) -> None:
        """Hand the attempts to a node, each key's in the order of their nonces, and record it."""
        if not numbers:
            return
        order = sorted(numbers, key=lambda one: _place(group[one]))
        answers = self._send(group, numbers, order)
        crash_point("relay.after_broadcast")
        counter("strongroom_relay_broadcasts_total", "Transactions handed to a node.").inc(
            len(order)
        )
        with self._unit(group, numbers) as (uow, rows):
            new: list[Outgoing] = []
            done: list[tuple[Claim, int]] = []
            for row in rows:
                claim, answer = group.pop(row.id), answers[row.id]
                if isinstance(answer, ChainError) and not isinstance(answer, _ARRIVED):
                    self._wait_for(row, answer)
                    continue
                done.append((claim, numbers[row.id]))
                self._sent(uow, row, answer)
                if row.state == "signed":
                    row.state = "broadcast"
                    new.append(row)
            repository.mark_broadcast(uow, done)
            self._tell(uow, new)

    def _send(
        self, group: Group, numbers: Mapping[UUID, int], order: Sequence[UUID]
    ) -> dict[UUID, bytes | ChainError]:
        """To the private endpoint while a transaction is young; to everybody's nodes then."""
        answers: dict[UUID, bytes | ChainError] = {}
        since = self._database.clock.now() - timedelta(seconds=self._pace.private_seconds)
        young = [one for one in order if group[one].attempts[0].planned_at > since]
        hidden = young if self._private is not None else []
        shown = [one for one in order if one not in hidden]
        for node, which in ((self._private, hidden), (self._node, shown)):
            if node is not None and which:
                sent = node.send_all([group[one].raw[numbers[one]] for one in which])
                answers |= dict(zip(which, sent, strict=True))
        return answers

    def _sent(self, uow: UnitOfWork, row: Outgoing, answer: bytes | ChainError) -> None:
        pause = timedelta(seconds=self._pace.rebroadcast_after_seconds)
        row.lease_until, row.due_at, row.updated_at = None, uow.now + pause, uow.now
        row.last_error = _SENTENCES.get(type(answer))

    def _defer(self, group: Group, which: Collection[UUID], error: Exception) -> None:
        """A part is away: nothing is known, so the rows wait and are tried again."""
        ids = list(which)
        with self._unit(group, ids) as (_, rows):
            for row in rows:
                self._wait_for(row, error)
        for one in ids:
            group.pop(one, None)

    def _wait_for(self, row: Outgoing, error: Exception) -> None:
        """A part is away, or a node said no."""
        sentence = error.message if isinstance(error, StrongroomError) else str(error)
        kind = error.code if isinstance(error, ChainError) else type(error).__name__
        log.warning("relay.waits", outgoing=str(row.id), code=kind, reason=sentence)
        counter("strongroom_relay_waits_total", "Rows put back.", ("code",)).labels(kind).inc()
        self._wait(row, sentence, PATIENT_SECONDS if _not_now(error) else RETRY_SECONDS)

    def _wait(self, row: Outgoing, sentence: str, seconds: int = RETRY_SECONDS) -> None:
        now = self._database.clock.now()
        row.lease_until, row.due_at = None, now + timedelta(seconds=seconds)
        row.last_error, row.updated_at = sentence, now

    @contextmanager
    def _unit(
        self, group: Group, which: Collection[UUID]
    ) -> Iterator[tuple[UnitOfWork, list[Outgoing]]]:
        """A unit with those rows that are still ours, locked; the others were taken over."""
        with self._database.unit(None, self._actor) as uow:
            rows = repository.lock_mine(uow, [group[one] for one in which])
            for lost in set(which) - {row.id for row in rows}:
                del group[lost]
            yield uow, rows

    def _tell(self, uow: UnitOfWork, rows: Sequence[Outgoing]) -> None:
        uow.session.flush()
        for row in rows:
            uow.request_id = row.request_id
            for observer in self._observers:
                observer.on_changed(uow, row.view())


_ARRIVED: Final = (AlreadyKnown, NonceTooLow, Underpriced)
"""What a node says that has the transaction, saw its nonce mined, or wants a bump for it."""
_SENTENCES: Final[Mapping[type, str]] = {
    # One of our attempts is mined, or a stranger used the key: the indexer will tell.
    NonceTooLow: "The nonce is used; waiting for the block that shows by which attempt.",
    Underpriced: "A node finds its fees too low for now; it is sent again, and bumped after a "
    "while.",
}


def _those(steps: Steps, act: str) -> dict[UUID, rules.NextStep]:
    return {one: step for one, step in steps.items() if step.act == act}


def _place(claim: Claim) -> tuple[bytes, int]:
    return claim.outgoing.sender or b"", claim.outgoing.nonce or 0


def _not_now(error: Exception) -> bool:
    """The signer itself says that it may be asked again."""
    return isinstance(error, StrongroomError) and "signer_code" in error.detail


def _signed(uow: UnitOfWork, row: Outgoing, signed: SignedAttempt) -> None:
    row.sender, row.nonce = signed.sender, signed.nonce
    if row.state == "queued":
        row.state = "signed"
    row.last_error, row.updated_at = None, uow.now


def _record_signed(uow: UnitOfWork, stored: Sequence[tuple[Claim, int, SignedAttempt]]) -> None:
    """One record an organisation, which names each attempt: rows of a record are postings only."""
    of: dict[UUID, list[dict[str, object]]] = {}
    for claim, number, signed in stored:
        row = claim.outgoing
        uow.request_id = row.request_id
        of.setdefault(row.organisation_id, []).append(
            {
                "outgoing": str(row.id),
                "purpose": row.purpose,
                "ref": to_hex(row.ref),
                "nonce": signed.nonce,
                "attempt": number,
                "hash": to_hex(signed.hash),
                "request_id": row.request_id,
            }
        )
    for owner, rows in sorted(of.items()):
        subject = str(rows[0]["outgoing"]) if len(rows) == 1 else f"{len(rows)} transactions"
        body = {"attempts": rows}
        auditlog.append(uow, "relay.signed", subject, body, organisation_id=owner)


def _record(uow: UnitOfWork, row: Outgoing, action: str, more: dict[str, object]) -> None:
    uow.request_id = row.request_id
    body = {"purpose": row.purpose, "ref": to_hex(row.ref), "nonce": row.nonce, **more}
    auditlog.append(uow, action, str(row.id), body, organisation_id=row.organisation_id)
