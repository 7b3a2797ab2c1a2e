"""Transactions of a key of ours. The signer owns the nonces: one logical transaction (ref) of a key
has one nonce for ever; its attempts are the same call with higher fees, or its cancellation.

Every attempt is journalled before it is signed; its answer keeps the raw bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.canonical import parse_json
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.signatures import Signature
from strongroom_protocol.transactions import (
    Authorization,
    SetCodeTransaction,
    SignedAuthorization,
    Transaction1559,
)
from strongroom_signer.agreement import agreed
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations.calls import Call, describe
from strongroom_signer.operations.leaves import listed_leaf
from strongroom_signer.pool import Leaf

FEE_NAMES = ("gas", "max_fee_per_gas", "max_priority_fee_per_gas")
ATTEMPTS_MAX = 50
# A call that failed may be tried again under a new ref, but not until the gas money is gone.
REFS_MAX = 3
AUTHORISATION_GAS = 25_000  # EIP-7702
BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8  # +12.5 %
CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Fees:
    """Gas units and wei a unit."""

    gas: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int

    def total_wei(self) -> int:
        """The most that the transaction can cost."""
        return self.gas * self.max_fee_per_gas


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that is asked for; `key` is the address that sends, `leaf` what it is in the key
    table, None = the relay's. `content` is what every bump must repeat, `request_id` the attempt's
    own name.
    """

    op: str
    purpose: str
    key: Address
    ref: bytes
    number: int
    fees: Fees
    organisation: Organisation
    request_id: bytes
    content: bytes
    leaf: Leaf | None = None


def once(
    house: House,
    asked: Attempt,
    first: Callable[[], Call],
    *,
    still: Callable[[], None],
    check: Callable[[], None] | None = None,
    count: Callable[[int], None] | None = None,
) -> Once:
    """→ {from, nonce, raw, hash, fees}; idempotent by (ref, attempt): a retry gets the stored bytes
    whatever fees it names, `fees` are those that were signed.

    `still` refuses any attempt that is not signed yet, `check` only one whose nonce is not taken
    yet; `first` makes the call of the first one,
    `count` is told how many wei more than the last this attempt may cost, value included.
    """

    def prepare() -> Plan:
        if check is not None:
            check()
        return _prepare(house, asked, first, count)

    return Once(
        op=asked.op,
        id=asked.request_id,
        identity=asked.content,
        prepare=prepare,
        sign=lambda plan: _sign(house, asked, plan),
        still=still,
    )


def read_fees(value: object, path: str) -> Fees:
    """{gas, max_fee_per_gas, max_priority_fee_per_gas}, decimal strings."""
    members = Members(value, path, set(FEE_NAMES))
    return Fees(*(members.units(name) for name in FEE_NAMES))


def read_number(members: Members) -> int:
    """Which attempt, from 0."""
    return members.integer("attempt", 0, ATTEMPTS_MAX)


def _prepare(
    house: House, asked: Attempt, first: Callable[[], Call], count: Callable[[int], None] | None
) -> Plan:
    """Check: Effect, inside the unit."""
    last = house.journal.one(
        "SELECT attempt, attempt.purpose, plan, subject FROM attempt"
        " JOIN request ON request.id = attempt.request_id"
        " WHERE key = ? AND ref = ? ORDER BY attempt DESC LIMIT 1",
        asked.key,
        asked.ref,
    )
    expected = 0 if last is None else int(last[0]) + 1
    require(
        asked.number == expected,
        "attempt_out_of_order",
        f"the next attempt of this ref is {expected}, not {asked.number}",
    )
    before = 0
    if last is None:
        plan, subject = _first(house, asked, first)
    else:
        previous = parse_json(last[2].encode())
        plan, subject = _next(house, asked, last[1], previous), bytes(last[3])
        before = _cost_wei(previous)
    _check_sound(house, plan)
    more = _cost_wei(plan) - before
    if count is not None and more > 0:
        count(more)
    row = (asked.purpose, asked.organisation.ref, subject, asked.content)
    house.journal.add("attempt", asked.key, asked.ref, asked.number, asked.request_id, *row)
    return plan


def _first(house: House, asked: Attempt, first: Callable[[], Call]) -> tuple[Plan, bytes]:
    require(asked.purpose != CANCEL, "ref_unknown", "there is nothing to cancel under this ref")
    call = first()
    row = house.journal.one(
        "SELECT count(DISTINCT ref) FROM attempt WHERE purpose = ? AND subject = ?"
        " AND subject <> ref",
        asked.purpose,
        call.subject,
    )
    require(
        row is not None and row[0] < REFS_MAX,
        "tried_too_often",
        f"this was sent under {REFS_MAX} refs already; find out why it fails",
    )
    _check_fees(asked, call.fee_max_wei)
    nonce = _take_nonce(house, asked.key, asked.ref)
    head = {"from": checksum(asked.key), "nonce": nonce, "fee_max_wei": str(call.fee_max_wei)}
    return {**head, **describe(call), **_fee_plan(asked.fees)}, call.subject


def _next(house: House, asked: Attempt, last_purpose: str, last: Plan) -> Plan:
    """A bump of the same call, or its cancellation; both under the same nonce."""
    _check_bump(asked.fees, last)
    _check_fees(asked, int(last["fee_max_wei"]))
    if asked.purpose == CANCEL:
        nothing = {"to": last["from"], "value": "0", "data": "0x", "authorisations": []}
        return {**last, **nothing, **_fee_plan(asked.fees)}
    require(last_purpose != CANCEL, "cancelled", "after a cancellation only it can be bumped")
    first = house.journal.one(
        "SELECT content FROM attempt WHERE key = ? AND ref = ? AND attempt = 0",
        asked.key,
        asked.ref,
    )
    require(
        first is not None and bytes(first[0]) == asked.content,
        "content_differs",
        "a bump repeats everything but the fees; another call needs another ref",
    )
    require(str(asked.fees.gas) == last["gas"], "content_differs", "a bump keeps the gas as it was")
    return {**last, **_fee_plan(asked.fees)}


def _check_sound(house: House, plan: Plan) -> None:
    """What could not be signed must not take a nonce: it is encoded before the journal's entry."""
    transaction = _transaction(house, plan, ())
    agreed(transaction)
    gas_min = transaction.gas_min() + AUTHORISATION_GAS * len(plan["authorisations"])
    require(
        transaction.gas >= gas_min,
        "gas_too_low",
        f"gas must be {gas_min} or more for this data and {len(plan['authorisations'])} "
        "authorisations",
    )


def _check_fees(asked: Attempt, fee_max_wei: int) -> None:
    cap = asked.organisation.bundle.max_fee_per_gas_wei
    require(
        asked.fees.max_fee_per_gas <= cap,
        "fee_above_cap",
        f"max_fee_per_gas is above the {cap} wei of the signed policy",
    )
    require(
        asked.fees.total_wei() <= fee_max_wei,
        "fee_above_cap",
        f"gas times max_fee_per_gas = {asked.fees.total_wei()} wei is above the signed maximum of "
        f"{fee_max_wei} wei",
    )


def _check_bump(fees: Fees, last: Plan) -> None:
    for name in ("max_fee_per_gas", "max_priority_fee_per_gas"):
        before, now = int(last[name]), getattr(fees, name)
        require(
            now * BUMP_DENOMINATOR >= before * BUMP_NUMERATOR and now > before,
            "bump_too_small",
            f"{name} must rise by 12.5 %: from {before} to "
            f"{-(-before * BUMP_NUMERATOR // BUMP_DENOMINATOR)} or more",
        )


def _take_nonce(house: House, key: Address, ref: bytes) -> int:
    """Last + 1 of (chain, key), never below what officers set with an epoch."""
    journal, chain_id = house.journal, house.config.chain_id
    query = "SELECT nonce FROM epoch_nonce WHERE key = ? ORDER BY epoch DESC LIMIT 1"
    floor = journal.remembered(("epoch_nonce", key), lambda: journal.one(query, key))
    last = journal.one("SELECT max(nonce) FROM nonce WHERE chain_id = ? AND key = ?", chain_id, key)
    following = 0 if last is None or last[0] is None else int(last[0]) + 1
    nonce = max(following, int(floor[0]) if floor else 0)
    journal.add("nonce", chain_id, key, nonce, ref)
    return nonce


def _sign(house: House, asked: Attempt, plan: Plan) -> Plan:
    signed: list[SignedAuthorization] = []
    for item in plan["authorisations"]:
        leaf = listed_leaf(house, asked.organisation, item["index"])
        inner = Authorization(house.config.chain_id, parse_address(item["delegate"]), item["nonce"])
        signature = house.keyring.leaf(leaf.address, leaf.wrapped, agreed(inner), leaf.kek)
        signed.append(SignedAuthorization(inner, signature))
    transaction = _transaction(house, plan, tuple(signed))
    signature = _signature(house, asked, agreed(transaction))
    raw = transaction.signed_bytes(signature)
    return {
        "from": plan["from"],
        "nonce": plan["nonce"],
        "raw": to_hex(raw),
        "hash": to_hex(keccak256(raw)),
        "fees": {name: plan[name] for name in FEE_NAMES},
    }


def _signature(house: House, asked: Attempt, digest: bytes) -> Signature:
    leaf = asked.leaf
    if leaf is None:
        return house.keyring.relay(digest)
    return house.keyring.leaf(leaf.address, leaf.wrapped, digest, leaf.kek)


def _transaction(
    house: House, plan: Plan, signed: tuple[SignedAuthorization, ...]
) -> Transaction1559 | SetCodeTransaction:
    fields: dict[str, Any] = {
        "chain_id": house.config.chain_id,
        "nonce": plan["nonce"],
        "max_priority_fee_per_gas": int(plan["max_priority_fee_per_gas"]),
        "max_fee_per_gas": int(plan["max_fee_per_gas"]),
        "gas": int(plan["gas"]),
        "to": parse_address(plan["to"]),
        "value": int(plan["value"]),
        "data": from_hex(plan["data"]),
    }
    if signed:
        return SetCodeTransaction(**fields, authorizations=signed)
    return Transaction1559(**fields)


def _cost_wei(plan: Plan) -> int:
    """The most that leaves the key by it."""
    return int(plan["value"]) + int(plan["gas"]) * int(plan["max_fee_per_gas"])


def _fee_plan(fees: Fees) -> Plan:
    return {name: str(getattr(fees, name)) for name in FEE_NAMES}
