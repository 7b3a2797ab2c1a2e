"""`relay`: the relay key's transactions, each for one of a few purposes, or a cancellation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.documents import Members
from strongroom_protocol.hashing import keccak256
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once
from strongroom_signer.operations import attempts, calls
from strongroom_signer.operations.limits import SWEEP_GAS, SWEEP_TRANSACTIONS, count_gas
from strongroom_signer.operations.sweep import sweep

Build = Callable[[House, Organisation, Members], calls.Call]
PURPOSES: Mapping[str, tuple[Build, frozenset[str]]] = {
    "vault_creation": (calls.vault_creation, frozenset()),
    "delegate_deployment": (calls.delegate_deployment, frozenset()),
    "vault_execution": (calls.vault_execution, frozenset({"safe_tx_hash", "signatures"})),
    "sweep": (sweep, frozenset({"items", "delegate"})),
}
COMMON = {"purpose", "ref", "attempt", "fees"}


def relay(house: House, body: dict[str, Any], _trace: str) -> Once:
    """→ {from, nonce, raw, hash, fees}. Idempotent by (ref, attempt)."""
    asked, members = _read(house, body)
    bundle, is_cancel = asked.organisation.bundle, asked.purpose == attempts.CANCEL

    def check() -> None:
        # Asked before the nonce is taken and not after: once it is taken the transaction goes out,
        # or every later one of the relay would wait behind the gap for ever.
        if not is_cancel:
            require_alive(house, asked.organisation)
        if asked.purpose == "sweep":
            released = house.journal.one("SELECT 1 FROM released WHERE ref = ?", asked.ref)
            words = "people signed that this sweep is over; plan another"
            require(released is None, "released", words)

    def count(wei: int) -> None:
        budget = SWEEP_TRANSACTIONS * bundle.max_total_fee_wei
        count_gas(house, asked.request_id, asked.organisation.ref, SWEEP_GAS, wei, budget)

    return attempts.once(
        house,
        asked,
        lambda: PURPOSES[asked.purpose][0](house, asked.organisation, members),
        check=check,
        still=lambda: None,
        count=count if asked.purpose == "sweep" else None,
    )


def _read(house: House, body: dict[str, Any]) -> tuple[attempts.Attempt, Members]:
    purpose = body.get("purpose")
    if purpose == attempts.CANCEL:
        extra: frozenset[str] = frozenset()
    elif isinstance(purpose, str) and purpose in PURPOSES:
        extra = PURPOSES[purpose][1] | {"organisation"}
    else:
        raise Refused("purpose_unknown", f"purposes are cancel, {', '.join(sorted(PURPOSES))}")
    optional = frozenset({"threshold"}) if purpose == "vault_execution" else frozenset[str]()
    members = Members(body, "body", COMMON | extra, optional)
    key, ref = house.config.keys.relay, members.hash32("ref")
    number = attempts.read_number(members)
    if purpose == attempts.CANCEL:
        query = "SELECT organisation FROM attempt WHERE key = ? AND ref = ?"
        row = house.journal.one(query, key, ref)
        require(row is not None, "ref_unknown", "there is nothing to cancel under this ref")
        organisation = find(house, bytes(row[0]) if row else b"")
    else:
        organisation = find(house, members.hash32("organisation"))
    content = {name: value for name, value in body.items() if name not in ("attempt", "fees")}
    asked = attempts.Attempt(
        op="relay",
        purpose=purpose,
        key=key,
        ref=ref,
        number=number,
        fees=members.part("fees", attempts.read_fees),
        organisation=organisation,
        request_id=keccak256(b"relay" + ref + number.to_bytes(4, "big")),
        content=keccak256(canonical_bytes(content)),
    )
    return asked, members
