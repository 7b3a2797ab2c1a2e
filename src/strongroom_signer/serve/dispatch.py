"""One request in, one answer out: every refusal is coded and leaves a receipt.
What is written to the log names operation, trace and outcome, never contents.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from strongroom_protocol.errors import ProtocolError
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once, honour
from strongroom_signer.operations.checkpoint import checkpoint
from strongroom_signer.operations.policies import policy_first, policy_update, revoke, suspend
from strongroom_signer.operations.provenance import provenance
from strongroom_signer.operations.relay import relay
from strongroom_signer.operations.release import release_sweep
from strongroom_signer.operations.spending import spending_payment
from strongroom_signer.operations.status import status
from strongroom_signer.operations.vault_permit import vault_permit

# An operation answers at once, or says what is to be signed once: `honour` does that.
Operation = Callable[[House, dict[str, Any], str], Once | dict[str, Any]]
OPERATIONS: Mapping[str, Operation] = {
    "status": status,
    "policy_first": policy_first,
    "policy_update": policy_update,
    "suspend": suspend,
    "revoke": revoke,
    "release_sweep": release_sweep,
    "provenance": provenance,
    "vault_permit": vault_permit,
    "spending_payment": spending_payment,
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
    {"status", "policy_first", "policy_update", "suspend", "revoke", "provenance", "release_sweep"}
)
# Refusals beyond these are counted and not written, or a flood of them would fill the disk.
REFUSALS_AN_HOUR = 1000


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
        """The answer to a parsed request; `api`: the peer may ask API_OPERATIONS only. TokenLost
        and programmer's errors pass through.
        """
        op, trace = request.get("op"), request.get("trace")
        name = op if isinstance(op, str) and op in OPERATIONS else "unknown"
        words = trace if isinstance(trace, str) and trace.isprintable() else ""
        words = words[:TRACE_MAX]
        try:
            require(
                not api or name in API_OPERATIONS,
                "operation_not_yours",
                "this is for the relay's user to ask, not for the API's",
            )
            answer = {"ok": True, "body": self._run(name, words, request)}
        except Refused as refusal:
            return self.refuse(name, words, refusal)
        except ProtocolError as error:
            code = error.code.replace(".", "_")
            return self.refuse(name, words, Refused(code, str(error)))
        except sqlite3.IntegrityError:
            conflict = Refused("journal_conflict", "something in this request is used up already")
            return self.refuse(name, words, conflict)
        self._note(name, words, "ok", None)
        return answer

    def _run(self, name: str, trace: str, request: Mapping[str, Any]) -> dict[str, Any]:
        body = request.get("body")
        if set(request) != {"op", "trace", "body"} or not isinstance(body, dict):
            words = "a request has exactly op, trace and body, and body is an object"
            raise Refused("request_malformed", words)
        if name == "unknown":
            known = ", ".join(sorted(OPERATIONS))
            raise Refused("operation_unknown", f"the operations are {known}")
        require(
            self._house.config.kind == "online" or name in OFFLINE_OPERATIONS,
            "operation_offline",
            f"an offline signer serves {', '.join(sorted(OFFLINE_OPERATIONS))} alone",
        )
        asked = OPERATIONS[name](self._house, body, trace)
        return honour(self._house, asked, trace) if isinstance(asked, Once) else asked

    def refuse(self, op: str, trace: str, refusal: Refused) -> dict[str, Any]:
        """The receipt of a refusal, and its answer."""
        try:
            self._write_down(op, trace, refusal)
        except Refused as unavailable:
            refusal = unavailable
        self._note(op, trace, "refused", refusal.code)
        return {
            "ok": False,
            "code": refusal.code,
            "message": refusal.message,
            "retryable": refusal.retryable,
        }

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

    def _note(self, op: str, trace: str, outcome: str, code: str | None) -> None:
        key = (op, outcome)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        self.note(event="request", op=op, trace=trace, outcome=outcome, code=code)

    def note(self, **facts: Any) -> None:
        """One structured log line."""
        line = {"process": "signer", "at": self._house.clock.now(), **facts}
        print(json.dumps(line), file=self._log, flush=True)
