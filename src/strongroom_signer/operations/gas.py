"""`gas_topup`: the bundle's hot key feeds the relay or a deposit address of its own organisation.
Nobody approves one by one: the mandate names the key and what a day may cost, fees included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.documents import Members
from strongroom_protocol.errors import FieldInvalid
from strongroom_protocol.hashing import keccak256
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once, Plan
from strongroom_signer.operations import attempts
from strongroom_signer.operations.calls import Call
from strongroom_signer.operations.leaves import listed_leaf, own_spending_key
from strongroom_signer.operations.limits import count_gas


def gas_topup(house: House, body: dict[str, Any], _trace: str) -> Once:
    """{organisation, ref, to, units, attempt, fees} → {from, nonce, raw, hash, fees}; `to` is
    {"relay": true}, {"deposit": index}, or {"cancel": true} with units 0: the nonce of a top-up
    that is stuck, given back to its key even when the mandate is gone. Idempotent by (ref, number).
    """
    members = Members(body, "body", {"organisation", "ref", "to", "units", "attempt", "fees"})
    organisation = find(house, members.hash32("organisation"))
    mandate, units = organisation.bundle.gas, members.units("units")
    to = members.part("to", _reader(house, organisation))
    require((units > 0) == (to is not None), "units_zero", "a top-up of nothing is none")
    asked = _attempt(house, organisation, members, body, to)

    def check() -> None:
        if to is not None:
            require_alive(house, organisation)

    def count(wei: int) -> None:
        budget = mandate.per_day_wei if mandate else 0
        counter = f"gas money of {checksum(asked.key)}"
        count_gas(house, asked.request_id, organisation.ref, counter, wei, budget)

    fee_max_wei = organisation.bundle.max_total_fee_wei
    return attempts.once(
        house,
        asked,
        lambda: Call(to or asked.key, b"", asked.ref, fee_max_wei, value=units),
        check=check,
        still=lambda: None,
        count=count,
    )


def _attempt(
    house: House, organisation: Organisation, members: Members, body: Plan, to: Address | None
) -> attempts.Attempt:
    number = attempts.read_number(members)
    ref = keccak256(b"gas_topup" + organisation.ref + members.hash32("ref"))
    if to is None:
        row = house.journal.one("SELECT key FROM attempt WHERE ref = ? AND attempt = 0", ref)
        if row is None:
            raise Refused("ref_unknown", "there is nothing to cancel under this ref")
        source = Address(row[0])
    elif organisation.bundle.gas is None:
        raise Refused("mandate_missing", "the signed policy gives no mandate to feed gas")
    else:
        source = organisation.bundle.gas.source
    leaf = own_spending_key(house, organisation, source)
    content = {name: value for name, value in body.items() if name not in ("attempt", "fees")}
    return attempts.Attempt(
        op="gas_topup",
        purpose="gas_topup" if to else attempts.CANCEL,
        key=source,
        ref=ref,
        number=number,
        fees=members.part("fees", attempts.read_fees),
        organisation=organisation,
        request_id=keccak256(ref + number.to_bytes(4, "big")),
        content=keccak256(canonical_bytes(content)),
        leaf=leaf,
    )


def _reader(house: House, organisation: Organisation) -> Callable[[object, str], Address | None]:
    """Reader of `to`; None = cancel."""

    def read(value: object, path: str) -> Address | None:
        names = frozenset({"relay", "deposit", "cancel"})
        to = Members(value, path, set(), names)
        there = [name for name in names if name in to]
        if there == ["deposit"]:
            return listed_leaf(house, organisation, to.integer("deposit")).address
        if len(there) != 1 or not to.boolean(there[0]):
            raise FieldInvalid(f'{path}: must be {{"relay": true}}, {{"deposit": index}} or cancel')
        return house.config.keys.relay if there == ["relay"] else None

    return read
