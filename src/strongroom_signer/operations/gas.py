"""`gas_topup`: the bundle's hot key feeds the relay or a deposit address of its own organisation.
Nobody approves one by one: the mandate names the key and what a day may cost, fees included.
"""

from __future__ import annotations

from typing import Any

from strongroom_protocol.addresses import Address, checksum
from strongroom_protocol.canonical import canonical_bytes
from strongroom_protocol.documents import Members
from strongroom_protocol.hashing import keccak256
from strongroom_signer.authority.organisations import Organisation, find, require_alive
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Once
from strongroom_signer.operations import attempts
from strongroom_signer.operations.calls import Call
from strongroom_signer.operations.leaves import listed_leaf, own_spending_key
from strongroom_signer.operations.limits import count_gas


def gas_topup(house: House, body: dict[str, Any], _trace: str) -> Once:
    """{organisation, ref, to, units, attempt, fees} → {from, nonce, raw, hash, fees}; `to` is
    {"relay": true} or {"deposit": index}; idempotent by (ref, attempt).
    """
    members = Members(body, "body", {"organisation", "ref", "to", "units", "attempt", "fees"})
    organisation = find(house, members.hash32("organisation"))
    bundle = organisation.bundle
    if bundle.gas is None:
        raise Refused("mandate_missing", "the signed policy gives no mandate to feed gas")
    source, budget = bundle.gas.source, bundle.gas.per_day_wei
    own_spending_key(house, organisation, source)
    units, number = members.units("units"), attempts.read_number(members)
    require(units > 0, "units_zero", "a top-up of nothing is none")
    to = _destination(house, organisation, members)
    ref = keccak256(b"gas_topup" + organisation.ref + members.hash32("ref"))
    content = {name: value for name, value in body.items() if name not in ("attempt", "fees")}
    asked = attempts.Attempt(
        op="gas_topup",
        purpose="gas_topup",
        key=source,
        ref=ref,
        number=number,
        fees=members.part("fees", attempts.read_fees),
        organisation=organisation,
        request_id=keccak256(ref + number.to_bytes(4, "big")),
        content=keccak256(canonical_bytes(content)),
    )

    def count(wei: int) -> None:
        counter = f"gas money of {checksum(source)}"
        count_gas(house, asked.request_id, organisation.ref, counter, wei, budget)

    return attempts.once(
        house,
        asked,
        lambda: Call(to, b"", ref, bundle.max_total_fee_wei, value=units),
        check=lambda: require_alive(house, organisation),
        still=lambda: None,
        count=count,
    )


def _destination(house: House, organisation: Organisation, members: Members) -> Address:
    def read(value: object, path: str) -> Address:
        to = Members(value, path, set(), frozenset({"relay", "deposit"}))
        if ("relay" in to) == ("deposit" in to) or ("relay" in to and not to.boolean("relay")):
            raise members.fail("to", 'must be {"relay": true} or {"deposit": index}')
        if "relay" in to:
            return house.config.keys.relay
        return listed_leaf(house, organisation, to.integer("deposit")).address

    return members.part("to", read)
