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
from strongroom.relay.ports import CallSource, OutgoingObserver, OutgoingSigner, SendingNode
from strongroom.relay.repository import Claim, Row
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
        if not repository.any_due(self._database, self._chain_id):
            return False
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
                claim, step = row.claim, steps[row.id]
                fees = self._fees(claim, step, quote)
                if fees is not None:
                    plans.append((claim, step.attempt, step.kind, fees))
                elif claim.raw:
                    dear[row.id] = max(claim.raw)
                else:
                    self._wait(row, DEAR)
                    del group[row.id]
            planned = repository.plan(uow, plans)
            self._keep(uow, rows)
        group.update(planned)
        return list(planned), dear

    def _fees(self, claim: Claim, step: rules.NextStep, quote: FeeQuote) -> Fees | None:
        outgoing = claim.outgoing
        gas = rules.gas_limit(outgoing.purpose, step.kind, outgoing.payload, outgoing.gas)
        owners = rules.cap_once_sent(outgoing.purpose, outgoing.cap) if claim.raw else outgoing.cap
        cap = owners.per_gas_wei(gas, self._pace.max_fee_per_gas_wei)
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
        stored: list[tuple[Row, int, SignedAttempt]] = []
        failed: list[Row] = []
        with self._unit(group, steps) as (uow, rows):
            for row in rows:
                if row.id in ahead.held:
                    self._wait(row, ahead.held[row.id], PATIENT_SECONDS)
                    del group[row.id]
                    continue
                step, answer = steps[row.id], answers[row.id]
                if isinstance(answer, SignedAttempt):
                    ahead.keep(uow, row)
                    stored.append((row, step.attempt, answer))
                    _signed(row, answer)
                    continue
                del group[row.id]
                if isinstance(answer, SignerRefused):
                    failed += self._refused(uow, row, step, answer)
                else:
                    self._wait_for(row, answer)
            group.update(repository.store(uow, stored))
            _record_signed(uow, stored)
            self._keep(uow, rows, tell=failed)
        crash_point("relay.after_store")
        return [row.id for row, *_ in stored]

    def _ask(
        self, group: Group, steps: Steps
    ) -> dict[UUID, SignedAttempt | StrongroomError | OSError]:
        """What the signer says to each; once it is away nobody asks on and waits again."""
        away: list[StrongroomError] = []
        answers: dict[UUID, SignedAttempt | StrongroomError | OSError] = {}
        turns = iter(list(steps))  # shared: each thread takes the next one

        def ask() -> None:
            for one in turns:
                answers[one] = away[0] if away else self._asked(group[one], steps[one], away)

        for asking in [self._callers.submit(ask) for _ in range(min(CALLERS, len(steps)))]:
            asking.result()
        return answers

    def _asked(
        self, claim: Claim, step: rules.NextStep, away: list[StrongroomError]
    ) -> SignedAttempt | StrongroomError | OSError:
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

    def _refused(
        self, uow: UnitOfWork, row: Row, step: rules.NextStep, refusal: SignerRefused
    ) -> list[Row]:
        """A first attempt that is refused ends the row; a refused bump only ends the bumping. Gives
        the row if it ended.
        """
        code, claim = refusal.signer_code, row.claim
        log.warning("relay.refused", outgoing=str(row.id), code=code, reason=refusal.message)
        repository.mark_refused(uow, claim, step.attempt, refusal.message)
        is_market = code == "signer.fee_above_cap"
        self._wait(row, refusal.message, RETRY_SECONDS if is_market else PATIENT_SECONDS)
        if claim.raw or code in PASSING_REFUSALS:
            return []
        if claim.outgoing.purpose == "hot_payment" and step.kind == "payload":
            # The key's nonce is taken if it was signed once and the answer was lost: then this is
            # signed, too, and nothing waits behind a gap. Else it is refused.
            fees = rules.replacing(claim.attempt(step.attempt).fees)
            repository.plan(uow, [(claim, step.attempt + 1, "cancel", fees)])
            return []
        row.state = "failed"
        _record_refused(uow, row, code)
        return [row]

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
            new: list[Row] = []
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
            self._keep(uow, rows, tell=new)

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

    def _sent(self, uow: UnitOfWork, row: Row, answer: bytes | ChainError) -> None:
        row.due_at = uow.now + timedelta(seconds=self._pace.rebroadcast_after_seconds)
        row.last_error, row.changed = _SENTENCES.get(type(answer)), True

    def _defer(self, group: Group, which: Collection[UUID], error: Exception) -> None:
        """A part is away: nothing is known, so the rows wait and are tried again."""
        ids = list(which)
        with self._unit(group, ids) as (uow, rows):
            for row in rows:
                self._wait_for(row, error)
            self._keep(uow, rows)
        for one in ids:
            group.pop(one, None)

    def _wait_for(self, row: Row, error: Exception) -> None:
        """A part is away, or a node said no."""
        sentence = error.message if isinstance(error, StrongroomError) else str(error)
        kind = error.code if isinstance(error, ChainError) else type(error).__name__
        log.warning("relay.waits", outgoing=str(row.id), code=kind, reason=sentence)
        counter("strongroom_relay_waits_total", "Rows put back.", ("code",)).labels(kind).inc()
        self._wait(row, sentence, PATIENT_SECONDS if _not_now(error) else RETRY_SECONDS)

    def _wait(self, row: Row, sentence: str, seconds: int = RETRY_SECONDS) -> None:
        row.due_at = self._database.clock.now() + timedelta(seconds=seconds)
        row.last_error, row.changed = sentence, True

    @contextmanager
    def _unit(
        self, group: Group, which: Collection[UUID]
    ) -> Iterator[tuple[UnitOfWork, list[Row]]]:
        """A unit with those rows that are still ours, locked; the others were taken over."""
        with self._database.unit(None, self._actor) as uow:
            rows = repository.lock_mine(uow, [group[one] for one in which])
            for lost in set(which) - {row.id for row in rows}:
                del group[lost]
            yield uow, rows

    def _keep(self, uow: UnitOfWork, rows: Sequence[Row], *, tell: Sequence[Row] = ()) -> None:
        """Write what changed, then tell the rooms above of some of it."""
        repository.write(uow, [row for row in rows if row.changed])
        views = [row.view() for row in tell]
        for observer in self._observers if views else ():
            observer.on_changed(uow, views)


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


def _signed(row: Row, signed: SignedAttempt) -> None:
    row.sender, row.nonce = signed.sender, signed.nonce
    row.last_error, row.changed = None, True
    if row.state == "queued":
        row.state = "signed"


def _record_signed(uow: UnitOfWork, stored: Sequence[tuple[Row, int, SignedAttempt]]) -> None:
    """One record an organisation, which names each attempt: rows of a record are postings only."""
    of: dict[UUID, list[dict[str, object]]] = {}
    for row, number, signed in stored:
        one = row.claim.outgoing
        uow.request_id = one.request_id
        of.setdefault(one.organisation_id, []).append(
            {
                "outgoing": str(one.id),
                "purpose": one.purpose,
                "ref": to_hex(one.ref),
                "nonce": signed.nonce,
                "attempt": number,
                "hash": to_hex(signed.hash),
                "request_id": one.request_id,
            }
        )
    for owner, rows in sorted(of.items()):
        subject = str(rows[0]["outgoing"]) if len(rows) == 1 else f"{len(rows)} transactions"
        body = {"attempts": rows}
        auditlog.append(uow, "relay.signed", subject, body, organisation_id=owner)


def _record_refused(uow: UnitOfWork, row: Row, code: str) -> None:
    one = row.claim.outgoing
    uow.request_id = one.request_id
    body = {"purpose": one.purpose, "ref": to_hex(one.ref), "nonce": row.nonce, "code": code}
    auditlog.append(uow, "relay.refused", str(one.id), body, organisation_id=one.organisation_id)
