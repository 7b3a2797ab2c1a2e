"""`leaf_sweep`: a deposit address itself sends its deposit to its own vault, where a chain lacks
EIP-7702. By the mandate, clearances and counters of every sweep; the leaf pays the gas.

A leaf either sends or delegates, never both: a delegation's nonce is counted apart from these.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.documents import Members
from strongroom_protocol.hashing import keccak256
from strongroom_protocol.safe import payment_call
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import require
from strongroom_signer.house import House, Once
from strongroom_signer.operations import attempts
from strongroom_signer.operations.calls import Call
from strongroom_signer.operations.leaves import listed_leaf
from strongroom_signer.operations.limits import SWEEP_GAS, SWEEP_TRANSACTIONS, count_gas
from strongroom_signer.operations.sweep import ITEM, check_mandate, count_swept, read_item
from strongroom_signer.pool import Leaf

SWEEP = "sweep"


def leaf_sweep(house: House, body: dict[str, Any], _trace: str) -> Once:
    """{organisation, ref, index, item, attempt, fees} → {from, nonce, raw, hash, fees}; `item` is
    {token, units, clearances}, null cancels. Idempotent by (ref, attempt). For `release_sweep` its
    ref is keccak256("leaf_sweep" ‖ organisation ‖ ref).
    """
    members = Members(body, "body", {"organisation", "ref", "index", "item", "attempt", "fees"})
    organisation = find(house, members.hash32("organisation"))
    leaf = listed_leaf(house, organisation, members.integer("index"))
    asked = _attempt(organisation, leaf, members, body)
    fee_max_wei = organisation.bundle.max_total_fee_wei
    moved: list[int] = []

    def check() -> None:
        require_alive(house, organisation)
        released = house.journal.one("SELECT 1 FROM released WHERE ref = ?", asked.ref)
        require(released is None, "released", "people signed that this is over; plan another")

    def send() -> Call:
        check_mandate(organisation)
        query = "SELECT 1 FROM authorisation WHERE leaf = ?"
        delegated = house.journal.one(query, leaf.address) is not None
        require(not delegated, "leaf_delegated", "a leaf that delegates does not send: its nonces")
        named = members.part("item", lambda value, path: Members(value, path, {*ITEM}))
        item = read_item(house, organisation, leaf, named)
        count_swept(house, asked.ref, item)
        to, value, data = payment_call(item.token, organisation.vault, item.units)
        moved.append(value)
        return Call(to, data, asked.ref, fee_max_wei, value=value)

    def count(wei: int) -> None:
        gas_wei = wei - sum(moved)
        budget = SWEEP_TRANSACTIONS * fee_max_wei
        count_gas(house, asked.request_id, organisation.ref, SWEEP_GAS, gas_wei, budget)

    is_cancel = asked.purpose == attempts.CANCEL
    return attempts.once(
        house,
        asked,
        send,
        check=None if is_cancel else check,
        still=lambda: None,
        count=count,
    )


def _attempt(
    organisation: Organisation, leaf: Leaf, members: Members, body: dict[str, Any]
) -> attempts.Attempt:
    number = attempts.read_number(members)
    ref = keccak256(b"leaf_sweep" + organisation.ref + members.hash32("ref"))
    content = {name: value for name, value in body.items() if name not in ("attempt", "fees")}
    return attempts.Attempt(
        op="leaf_sweep",
        purpose=attempts.CANCEL if members.is_null("item") else SWEEP,
        key=leaf.address,
        ref=ref,
        number=number,
        fees=members.part("fees", attempts.read_fees),
        organisation=organisation,
        request_id=keccak256(leaf.address + ref + number.to_bytes(4, "big")),
        content=keccak256(canonical_bytes(content)),
        leaf=leaf,
    )
