"""`relay`: the relay key's transactions. The signer owns the nonces: one logical transaction (ref)
has one nonce for ever; its attempts are the same call with higher fees, or its cancellation.

Every attempt is journalled before it is signed and kept with its raw bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strongroom_protocol.addresses import Address, checksum, parse_address
from strongroom_protocol.canonical import canonical_bytes, parse_json
from strongroom_protocol.documents import Members
from strongroom_protocol.encoding import from_hex, to_hex
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.transactions import (
    Authorization,
    SetCodeTransaction,
    SignedAuthorization,
    Transaction1559,
)
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations import calls
from strongroom_signer.operations.limits import count_sweep_gas
from strongroom_signer.operations.sweep import listed_leaf, sweep

Build = Callable[[House, Organisation, Members], calls.Call]
PURPOSES: Mapping[str, tuple[Build, frozenset[str]]] = {
    "vault_creation": (calls.vault_creation, frozenset()),
    "delegate_deployment": (calls.delegate_deployment, frozenset()),
    "vault_execution": (calls.vault_execution, frozenset({"safe_tx_hash", "signatures"})),
    "sweep": (sweep, frozenset({"items", "delegate"})),
}
COMMON = {"purpose", "ref", "attempt", "fees"}
FEE_NAMES = ("gas", "max_fee_per_gas", "max_priority_fee_per_gas")
ATTEMPTS_MAX = 50
# A call that failed may be tried again under a new ref, but not until the gas money is gone.
REFS_MAX = 3
AUTHORISATION_GAS = 25_000  # EIP-7702
BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8  # +12.5 %


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
class Asked:
    """One attempt that is asked for. `content` is what every bump must repeat."""

    purpose: str
    ref: bytes
    attempt: int
    fees: Fees
    members: Members
    organisation: Organisation
    request_id: bytes
    content: bytes


def relay(house: House, body: dict[str, Any], _trace: str) -> Once:
    """→ {from, nonce, raw, hash, fees}. Idempotent by (ref, attempt): a retry gets the stored bytes
    whatever fees it names; `fees` are those that were signed.
    """
    asked = _read(house, body)

    def prepare() -> Plan:
        # Asked before the nonce is taken and not after: once it is taken the transaction goes out,
        # or every later one of the relay would wait behind the gap for ever.
        if asked.purpose != "cancel":
            require_alive(house, asked.organisation)
        return _prepare(house, asked)

    def settle(_plan: Plan, answer: Plan) -> None:
        raw, digest = from_hex(answer["raw"]), from_hex(answer["hash"])
        house.journal.add("raw_transaction", digest, asked.ref, asked.attempt, raw)

    return Once(
        op="relay",
        id=asked.request_id,
        identity=asked.content,
        prepare=prepare,
        sign=lambda plan: _sign(house, asked.organisation, plan),
        still=lambda: None,
        settle=settle,
    )


def _read(house: House, body: dict[str, Any]) -> Asked:
    purpose = body.get("purpose")
    if purpose == "cancel":
        extra: frozenset[str] = frozenset()
    elif isinstance(purpose, str) and purpose in PURPOSES:
        extra = PURPOSES[purpose][1] | {"organisation"}
    else:
        raise Refused("purpose_unknown", f"purposes are cancel, {', '.join(sorted(PURPOSES))}")
    members = Members(body, "body", COMMON | extra)
    ref, attempt = members.hash32("ref"), members.integer("attempt", 0, ATTEMPTS_MAX)
    if purpose == "cancel":
        row = house.journal.one("SELECT organisation FROM attempt WHERE ref = ?", ref)
        require(row is not None, "ref_unknown", "there is nothing to cancel under this ref")
        organisation = find(house, bytes(row[0]) if row else b"")
    else:
        organisation = find(house, members.hash32("organisation"))
    content = {name: value for name, value in body.items() if name not in ("attempt", "fees")}
    return Asked(
        purpose=purpose,
        ref=ref,
        attempt=attempt,
        fees=members.part("fees", _fees),
        members=members,
        organisation=organisation,
        request_id=keccak256(b"relay" + ref + attempt.to_bytes(4, "big")),
        content=keccak256(canonical_bytes(content)),
    )


def _prepare(house: House, asked: Asked) -> Plan:
    """Check: Effect, inside the unit."""
    last = house.journal.one(
        "SELECT attempt, attempt.purpose, plan, subject FROM attempt"
        " JOIN request ON request.id = attempt.request_id"
        " WHERE ref = ? ORDER BY attempt DESC LIMIT 1",
        asked.ref,
    )
    expected = 0 if last is None else int(last[0]) + 1
    require(
        asked.attempt == expected,
        "attempt_out_of_order",
        f"the next attempt of this ref is {expected}, not {asked.attempt}",
    )
    if last is None:
        plan, subject = _first(house, asked)
    else:
        plan, subject = _next(house, asked, last[1], parse_json(last[2].encode())), bytes(last[3])
    _check_sound(house, plan)
    if asked.purpose == "sweep":
        before = 0 if last is None else _total_wei(parse_json(last[2].encode()))
        count_sweep_gas(
            house,
            asked.request_id,
            asked.organisation.ref,
            _total_wei(plan) - before,
            asked.organisation.bundle.max_total_fee_wei,
        )
    journal, ref = house.journal, asked.organisation.ref
    journal.add(
        "attempt",
        asked.ref,
        asked.attempt,
        asked.request_id,
        asked.purpose,
        ref,
        subject,
        asked.content,
    )
    return plan


def _first(house: House, asked: Asked) -> tuple[Plan, bytes]:
    require(asked.purpose != "cancel", "ref_unknown", "there is nothing to cancel under this ref")
    build, _ = PURPOSES[asked.purpose]
    call = build(house, asked.organisation, asked.members)
    row = house.journal.one(
        "SELECT count(DISTINCT ref) FROM attempt WHERE purpose = ? AND subject = ?",
        asked.purpose,
        call.subject,
    )
    require(
        row is not None and row[0] < REFS_MAX,
        "tried_too_often",
        f"this was sent under {REFS_MAX} refs already; find out why it fails",
    )
    _check_fees(asked, call.fee_max_wei)
    nonce = _take_nonce(house, asked.ref)
    fee_max = {"fee_max_wei": str(call.fee_max_wei)}
    plan = {**calls.describe(call), "nonce": nonce, **_fee_plan(asked.fees), **fee_max}
    return plan, call.subject


def _next(house: House, asked: Asked, last_purpose: str, last: Plan) -> Plan:
    """A bump of the same call, or its cancellation; both under the same nonce."""
    _check_bump(asked.fees, last)
    _check_fees(asked, int(last["fee_max_wei"]))
    if asked.purpose == "cancel":
        nothing = {"to": checksum(house.config.keys.relay), "data": "0x", "authorisations": []}
        return {**last, **nothing, **_fee_plan(asked.fees)}
    released = house.journal.one("SELECT 1 FROM released WHERE ref = ?", asked.ref)
    require(released is None, "released", "people signed that this sweep is over; plan another")
    require(last_purpose != "cancel", "cancelled", "after a cancellation only it can be bumped")
    first = house.journal.one(
        "SELECT content FROM attempt WHERE ref = ? AND attempt = 0", asked.ref
    )
    require(
        first is not None and bytes(first[0]) == asked.content,
        "content_differs",
        "a bump repeats everything but the fees; another call needs another ref",
    )
    require(str(asked.fees.gas) == last["gas"], "content_differs", "a bump keeps the gas as it was")
    return {**last, **_fee_plan(asked.fees)}


def _check_sound(house: House, plan: Plan) -> None:
    """What could not be signed must not take a nonce: validate before the journal's entry."""
    transaction = _transaction(house, plan, ())
    transaction.validate()
    gas_min = transaction.gas_min() + AUTHORISATION_GAS * len(plan["authorisations"])
    require(
        transaction.gas >= gas_min,
        "gas_too_low",
        f"gas must be {gas_min} or more for this data and {len(plan['authorisations'])} "
        "authorisations",
    )


def _check_fees(asked: Asked, fee_max_wei: int) -> None:
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


def _take_nonce(house: House, ref: bytes) -> int:
    """Last + 1 of (chain, relay key), never below what officers set with an epoch."""
    journal, chain_id, key = house.journal, house.config.chain_id, house.config.keys.relay
    floor = journal.one("SELECT relay_nonce FROM epoch ORDER BY epoch DESC LIMIT 1")
    last = journal.one("SELECT max(nonce) FROM nonce WHERE chain_id = ? AND key = ?", chain_id, key)
    following = 0 if last is None or last[0] is None else int(last[0]) + 1
    nonce = max(following, int(floor[0]) if floor else 0)
    journal.add("nonce", chain_id, key, nonce, ref)
    return nonce


def _sign(house: House, organisation: Organisation, plan: Plan) -> Plan:
    signed: list[SignedAuthorization] = []
    for item in plan["authorisations"]:
        leaf = listed_leaf(house, organisation, item["index"])
        inner = Authorization(house.config.chain_id, parse_address(item["delegate"]), item["nonce"])
        signature = house.keyring.leaf(leaf.address, leaf.wrapped, inner.signing_hash(), leaf.kek)
        signed.append(SignedAuthorization(inner, signature))
    transaction = _transaction(house, plan, tuple(signed))
    signature = house.keyring.relay(transaction.signing_hash())
    return {
        "from": checksum(house.config.keys.relay),
        "nonce": plan["nonce"],
        "raw": to_hex(transaction.signed_bytes(signature)),
        "hash": to_hex(transaction.hash(signature)),
        "fees": {name: plan[name] for name in FEE_NAMES},
    }


def _transaction(
    house: House, plan: Plan, signed: tuple[SignedAuthorization, ...]
) -> Transaction1559 | SetCodeTransaction:
    fields: dict[str, Any] = {
        "chain_id": house.config.chain_id,
        "nonce": plan["nonce"],
        "max_priority_fee_per_gas": int(plan["max_priority_fee_per_gas"]),
        "max_fee_per_gas": int(plan["max_fee_per_gas"]),
        "gas": int(plan["gas"]),
        "to": Address(parse_address(plan["to"])),
        "value": 0,
        "data": from_hex(plan["data"]),
    }
    if signed:
        return SetCodeTransaction(**fields, authorizations=signed)
    return Transaction1559(**fields)


def _fees(value: object, path: str) -> Fees:
    members = Members(value, path, set(FEE_NAMES))
    return Fees(*(members.units(name) for name in FEE_NAMES))


def _total_wei(plan: Plan) -> int:
    return int(plan["gas"]) * int(plan["max_fee_per_gas"])


def _fee_plan(fees: Fees) -> Plan:
    return {name: str(getattr(fees, name)) for name in FEE_NAMES}
