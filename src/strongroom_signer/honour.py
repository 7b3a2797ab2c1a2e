"""The one way to a key. A request that signs is entered in the journal, synced, before its key is
used, and its answer is stored after: a retry gets the stored answer, and after a crash between the
two the same plan is signed, so nonce and digest stay the same.

Requests that wait together share both commits. Only the first is synced: it holds all that must not
be forgotten (names used up, nonces, counters), and the next one's sync covers the answers before
it. A killed process loses neither. A power cut may lose the newest answers, nothing else, although
their callers may have them: the same question is then signed again over the same digest, which
yields the same call under the same nonce, the same address, the same order. Two such signatures can
do no more than one. An answer that other requests build upon (a Permit) is synced like an entry.
The mark in the token and a checkpoint's line name receipts of synced units only, so the chain that
goes on from there contradicts neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom_protocol.canonical import canonical_bytes, parse_json
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once, Plan


@dataclass(frozen=True, slots=True)
class Entry:
    """A request as the journal has it; `answer` only where it was stored before."""

    number: int
    plan: Plan
    answer: Plan | None = None


def enter(house: House, once: Once, trace: str) -> Entry:
    """Inside a unit: all checks and effects, then the request that they refer to, its receipt.
    Raises whatever the checks do.
    """
    journal = house.journal
    row = journal.one(
        "SELECT identity, number, plan, body FROM request LEFT JOIN answer USING (number)"
        " WHERE id = ?",
        once.id,
    )
    if row is None:
        house.crash.pass_by("sign.before_journal")
        once.still()
        plan = once.prepare()
        text = canonical_bytes(plan)
        now = house.clock.now()
        row_of = (once.id, once.op, once.identity, text.decode(), now)
        number = journal.add("request", None, *row_of)
        journal.receipt(_facts(once, "accepted", trace, text))
        return Entry(number, plan)
    require(
        bytes(row[0]) == once.identity,
        "request_differs",
        "this request was made before with other contents, and its name is used up; make a new "
        "request",
    )
    number, plan = row[1], parse_json(row[2].encode())
    if row[3] is not None:
        return Entry(number, plan, parse_json(row[3].encode()))
    once.still()
    return Entry(number, plan)


def settle(house: House, once: Once, trace: str, entry: Entry, answer: Plan) -> None:
    """Inside a unit: what was signed, for every retry."""
    text = canonical_bytes(answer)
    house.journal.add("answer", entry.number, text.decode(), house.clock.now())
    if once.settle is not None:
        once.settle(entry.plan, answer)
    house.journal.receipt(_facts(once, "signed", trace, text))


def _facts(once: Once, outcome: str, trace: str, text: bytes) -> Plan:
    facts = {"request": to_hex(once.id), "content": to_hex(keccak256(text))}
    return {"op": once.op, "outcome": outcome, "trace": trace, **facts}
