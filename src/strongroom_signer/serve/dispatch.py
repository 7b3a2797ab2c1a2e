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
from strongroom_signer.errors import Refused
from strongroom_signer.house import House
from strongroom_signer.operations.checkpoint import checkpoint
from strongroom_signer.operations.policies import policy_first, policy_update, revoke, suspend
from strongroom_signer.operations.provenance import provenance
from strongroom_signer.operations.relay import relay
from strongroom_signer.operations.status import status
from strongroom_signer.operations.vault_permit import vault_permit

Operation = Callable[[House, dict[str, Any], str], dict[str, Any]]
OPERATIONS: Mapping[str, Operation] = {
    "status": status,
    "policy_first": policy_first,
    "policy_update": policy_update,
    "suspend": suspend,
    "revoke": revoke,
    "provenance": provenance,
    "vault_permit": vault_permit,
    "relay": relay,
    "checkpoint": checkpoint,
}
TRACE_MAX = 100


class Dispatcher:
    """Runs operations on the house; counts outcomes for /metrics."""

    def __init__(self, house: House, log: TextIO | None = None) -> None:
        self._house = house
        self._log = log or sys.stderr
        self.outcomes: dict[tuple[str, str], int] = {}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a parsed request. TokenLost and programmer's errors pass through."""
        op, trace = request.get("op"), request.get("trace")
        name = op if isinstance(op, str) and op in OPERATIONS else "unknown"
        words = trace if isinstance(trace, str) and trace.isprintable() else ""
        words = words[:TRACE_MAX]
        try:
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
        return OPERATIONS[name](self._house, body, trace)

    def refuse(self, op: str, trace: str, refusal: Refused) -> dict[str, Any]:
        """The receipt of a refusal, and its answer."""
        journal = self._house.journal
        try:
            with journal.unit():
                facts = {"code": refusal.code, "words": refusal.message[:500]}
                journal.receipt({"op": op, "outcome": "refused", "trace": trace, **facts})
        except Refused as unavailable:
            refusal = unavailable
        self._note(op, trace, "refused", refusal.code)
        return {
            "ok": False,
            "code": refusal.code,
            "message": refusal.message,
            "retryable": refusal.retryable,
        }

    def _note(self, op: str, trace: str, outcome: str, code: str | None) -> None:
        key = (op, outcome)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        self.note(event="request", op=op, trace=trace, outcome=outcome, code=code)

    def note(self, **facts: Any) -> None:
        """One structured log line."""
        line = {"process": "signer", "at": self._house.clock.now(), **facts}
        print(json.dumps(line), file=self._log, flush=True)
