"""Requests in, answers out: what waits together shares a commit, each request under a savepoint of
its own; every refusal is coded and leaves a receipt. What is written to the log names operation,
trace and outcome, never contents.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from strongroom_protocol.errors import ProtocolError
from strongroom_signer import honour
from strongroom_signer.errors import Refused, check, require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.journal.store import RECEIPTS_A_REQUEST
from strongroom_signer.operations.checkpoint import checkpoint
from strongroom_signer.operations.fiat import fiat_order
from strongroom_signer.operations.gas import gas_topup
from strongroom_signer.operations.leaf_sweep import leaf_sweep
from strongroom_signer.operations.manifest import manifest_extend
from strongroom_signer.operations.policies import policy_first, policy_update, revoke, suspend
from strongroom_signer.operations.provenance import provenance
from strongroom_signer.operations.relay import relay
from strongroom_signer.operations.release import release_sweep
from strongroom_signer.operations.spending import spending_payment
from strongroom_signer.operations.status import status
from strongroom_signer.operations.vault_change import vault_change
from strongroom_signer.operations.vault_permit import vault_batch, vault_permit

# An operation answers at once, or says what is to be signed once: `honour` does that. It runs in a
# unit that it shares with other requests, so it keeps nothing outside the journal.
Operation = Callable[[House, dict[str, Any], str], Once | dict[str, Any]]
OPERATIONS: Mapping[str, Operation] = {
    "status": status,
    "policy_first": policy_first,
    "policy_update": policy_update,
    "suspend": suspend,
    "revoke": revoke,
    "release_sweep": release_sweep,
    "manifest_extend": manifest_extend,
    "provenance": provenance,
    "vault_permit": vault_permit,
    "vault_batch": vault_batch,
    "vault_change": vault_change,
    "spending_payment": spending_payment,
    "gas_topup": gas_topup,
    "leaf_sweep": leaf_sweep,
    "fiat_order": fiat_order,
    "relay": relay,
    "checkpoint": checkpoint,
}
# What a signer without a network serves.
OFFLINE_OPERATIONS = frozenset(
    {"status", "policy_first", "policy_update", "suspend", "revoke", "spending_payment"}
)
TRACE_MAX = 100
# What the API's user may ask for: nothing that takes a nonce, permits, or signs the log.
API_OPERATIONS = frozenset(
    {
        "status",
        "policy_first",
        "policy_update",
        "suspend",
        "revoke",
        "provenance",
        "release_sweep",
        "manifest_extend",
    }
)
# Refusals beyond these are counted and not written, or a flood of them would fill the disk.
REFUSALS_AN_HOUR = 1000
# Requests that share a commit; the journal's reserve is made for as many.
BATCH_MAX = 64
_FAILURES = (Refused, ProtocolError, sqlite3.IntegrityError)


@dataclass(slots=True)
class _Turn:
    """One request of a batch on its way to `answer`; `asked` and `entry` where a key is to be
    used, and then what it `signed`, or why not.
    """

    request: Mapping[str, Any]
    api: bool
    op: str
    trace: str
    asked: Once | None = None
    entry: honour.Entry | None = None
    signed: Plan | Exception | None = None
    answer: dict[str, Any] = field(default_factory=dict)


class Dispatcher:
    """Runs operations on the house; counts outcomes for /metrics."""

    def __init__(
        self, house: House, log: TextIO | None = None, refusals_an_hour: int = REFUSALS_AN_HOUR
    ) -> None:
        self._house = house
        self._log = log or sys.stderr
        self._refusals_an_hour = refusals_an_hour
        self._hour, self._refused, self._unwritten = 0, 0, 0
        self.outcomes: dict[tuple[str, str], int] = {}

    def answer(self, request: Mapping[str, Any], *, api: bool = False) -> dict[str, Any]:
        """The answer to one parsed request; see `answer_all`."""
        return self.answer_all([(request, api)])[0]

    def answer_all(self, asked: Sequence[tuple[Mapping[str, Any], bool]]) -> list[dict[str, Any]]:
        """The answers to at most BATCH_MAX parsed requests, in their order; `api`: the peer may ask
        API_OPERATIONS only. TokenLost and programmer's errors pass through: what was entered stays
        entered, and a retry gets the same plan signed.
        """
        check(len(asked) <= BATCH_MAX, "a batch fits the journal's reserve")
        turns = [_turn(request, api) for request, api in asked]
        self._together(turns, self._take)
        # Who asks for the same twice in a batch gets the same answer twice.
        named: dict[bytes, _Turn] = {}
        for turn in turns:
            if turn.asked is not None and not turn.answer:
                named.setdefault(turn.asked.id, turn)
        if named:
            self._sign(list(named.values()))
        for turn in turns:
            if turn.asked is not None and not turn.answer:
                turn.answer = named[turn.asked.id].answer
            self._note(turn.op, turn.trace, turn.answer)
        self._log.flush()
        return [turn.answer for turn in turns]

    def _sign(self, turns: Sequence[_Turn]) -> None:
        """Keys are used while no unit is open."""
        self._house.crash.pass_by("sign.after_journal")
        for turn in turns:
            if turn.asked is not None and turn.entry is not None:
                try:
                    turn.signed = turn.asked.sign(turn.entry.plan)
                except (Refused, ProtocolError) as failure:
                    turn.signed = failure
        self._house.crash.pass_by("sign.after_sign")
        built_upon = any(turn.asked is not None and turn.asked.built_upon for turn in turns)
        self._together(turns, self._settle, synced=built_upon)

    def _together(
        self, turns: Sequence[_Turn], step: Callable[[_Turn], None], *, synced: bool = True
    ) -> None:
        """A step of every request in one commit. A refusal undoes its own request's step only; if
        there is no commit, all are refused.
        """
        try:
            receipts = RECEIPTS_A_REQUEST * len(turns)
            with self._house.journal.unit(synced=synced, receipts=receipts):
                for turn in turns:
                    try:
                        with self._house.journal.unit():
                            step(turn)
                    except _FAILURES as failure:
                        turn.answer = self._refusal(turn.op, turn.trace, _refused(failure))
        except _FAILURES as failure:
            for turn in turns:
                turn.answer = _refusal_answer(_refused(failure))

    def _take(self, turn: _Turn) -> None:
        """All checks; then the answer, or the journal's entry of what is to be signed."""
        require(
            not turn.api or turn.op in API_OPERATIONS,
            "operation_not_yours",
            "this is for the relay's user to ask, not for the API's",
        )
        body = turn.request.get("body")
        if set(turn.request) != {"op", "trace", "body"} or not isinstance(body, dict):
            words = "a request has exactly op, trace and body, and body is an object"
            raise Refused("request_malformed", words)
        if turn.op not in OPERATIONS:
            known = ", ".join(sorted(OPERATIONS))
            raise Refused("operation_unknown", f"the operations are {known}")
        require(
            self._house.config.kind == "online" or turn.op in OFFLINE_OPERATIONS,
            "operation_offline",
            f"an offline signer serves {', '.join(sorted(OFFLINE_OPERATIONS))} alone",
        )
        answer: Plan | None
        asked = OPERATIONS[turn.op](self._house, body, turn.trace)
        if isinstance(asked, Once):
            turn.asked = asked
            turn.entry = honour.enter(self._house, asked, turn.trace)
            answer = turn.entry.answer
        else:
            answer = asked
        if answer is not None:
            turn.answer = {"ok": True, "body": answer}

    def _settle(self, turn: _Turn) -> None:
        if isinstance(turn.signed, Exception):
            raise turn.signed
        if turn.asked is not None and turn.entry is not None and turn.signed is not None:
            honour.settle(self._house, turn.asked, turn.trace, turn.entry, turn.signed)
            turn.answer = {"ok": True, "body": turn.signed}

    def refuse(self, op: str, trace: str, refusal: Refused) -> dict[str, Any]:
        """The receipt of a refusal, and its answer."""
        answer = self._refusal(op, trace, refusal)
        self._note(op, trace, answer)
        self._log.flush()
        return answer

    def _refusal(self, op: str, trace: str, refusal: Refused) -> dict[str, Any]:
        try:
            self._write_down(op, trace, refusal)
        except Refused as unavailable:
            refusal = unavailable
        return _refusal_answer(refusal)

    def _write_down(self, op: str, trace: str, refusal: Refused) -> None:
        """A receipt, which also says how many before it were too many to be written."""
        hour = self._house.clock.now() // 3600
        if hour != self._hour:
            self._hour, self._refused = hour, 0
        self._refused += 1
        if self._refused > self._refusals_an_hour:
            self._unwritten += 1
            return
        journal = self._house.journal
        facts: dict[str, Any] = {"code": refusal.code, "words": refusal.message[:500]}
        if self._unwritten:
            facts["unwritten"] = self._unwritten
        with journal.unit():
            journal.receipt({"op": op, "outcome": "refused", "trace": trace, **facts})
        self._unwritten = 0

    def _note(self, op: str, trace: str, answer: Mapping[str, Any]) -> None:
        outcome = "ok" if answer["ok"] else "refused"
        self.outcomes[op, outcome] = self.outcomes.get((op, outcome), 0) + 1
        self._write(event="request", op=op, trace=trace, outcome=outcome, code=answer.get("code"))

    def note(self, **facts: Any) -> None:
        """One structured log line, at once."""
        self._write(**facts)
        self._log.flush()

    def _write(self, **facts: Any) -> None:
        line = {"process": "signer", "at": self._house.clock.now(), **facts}
        self._log.write(json.dumps(line) + "\n")


def _turn(request: Mapping[str, Any], api: bool) -> _Turn:
    op, trace = request.get("op"), request.get("trace")
    name = op if isinstance(op, str) and op in OPERATIONS else "unknown"
    words = trace if isinstance(trace, str) and trace.isprintable() else ""
    return _Turn(request, api, name, words[:TRACE_MAX])


def _refused(failure: Exception) -> Refused:
    if isinstance(failure, Refused):
        return failure
    if isinstance(failure, ProtocolError):
        return Refused(failure.code.replace(".", "_"), str(failure))
    return Refused("journal_conflict", "something in this request is used up already")


def _refusal_answer(refusal: Refused) -> dict[str, Any]:
    return {
        "ok": False,
        "code": refusal.code,
        "message": refusal.message,
        "retryable": refusal.retryable,
    }
