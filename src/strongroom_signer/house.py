"""Everything an operation works with, joined once at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.canonical import canonical_bytes, parse_json
from strongroom_protocol.deployment import Deployment
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_signer.clock import Clock
from strongroom_signer.crash import CrashPoints
from strongroom_signer.errors import require
from strongroom_signer.journal.store import Journal
from strongroom_signer.pool import Pool
from strongroom_signer.sealed import SealedConfig
from strongroom_signer.token.keyring import Keyring

Plan = dict[str, Any]


@dataclass(frozen=True, slots=True)
class House:
    """The signer's parts. `trace` of the running request is passed apart; `trial` means that a
    software token stands in on a main network.
    """

    config: SealedConfig
    deployment: Deployment
    keyring: Keyring
    journal: Journal
    pool: Pool
    clock: Clock
    crash: CrashPoints
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """One request that is honoured at most once. `id` is its name for ever; `identity` is what a
    retry must repeat; `still` refuses what was journalled but may no longer be signed.
    """

    op: str
    id: bytes
    identity: bytes
    prepare: Callable[[], Plan]
    sign: Callable[[Plan], Plan]
    still: Callable[[], None]
    settle: Callable[[Plan, Plan], None] | None = None


def honour(house: House, once: Once, trace: str) -> Plan:
    """Check: Effect: Interaction. All checks and the journal entry in one synced unit, then the
    key is used, then the answer is stored. A retry gets the stored answer; after a crash between
    entry and signature the same plan is signed, so nonce and digest stay the same.
    """
    journal = house.journal
    row = journal.one(
        "SELECT identity, plan, body FROM request LEFT JOIN answer ON request_id = id WHERE id = ?",
        once.id,
    )
    if row is not None:
        require(
            bytes(row[0]) == once.identity,
            "request_differs",
            "this request was made before with other contents, and its name is used up; make a "
            "new request",
        )
        if row[2] is not None:
            stored: Plan = parse_json(row[2].encode())
            return stored
        once.still()
        plan: Plan = parse_json(row[1].encode())
    else:
        house.crash.pass_by("sign.before_journal")
        with journal.unit():
            once.still()
            plan = _enter(house, once, trace)
    house.crash.pass_by("sign.after_journal")
    answer = once.sign(plan)
    house.crash.pass_by("sign.after_sign")
    with journal.unit():
        text = canonical_bytes(answer)
        journal.add("answer", once.id, text.decode(), house.clock.now())
        if once.settle is not None:
            once.settle(plan, answer)
        facts = {"request": to_hex(once.id), "content": to_hex(keccak256(text))}
        journal.receipt({"op": once.op, "outcome": "signed", "trace": trace, **facts})
    return answer


def _enter(house: House, once: Once, trace: str) -> Plan:
    """Inside a unit: all checks and effects, then the request that they refer to, its receipt."""
    journal = house.journal
    plan = once.prepare()
    text = canonical_bytes(plan)
    now = house.clock.now()
    journal.add("request", once.id, once.op, once.identity, text.decode(), now)
    facts = {"request": to_hex(once.id), "content": to_hex(keccak256(text))}
    journal.receipt({"op": once.op, "outcome": "accepted", "trace": trace, **facts})
    return plan
