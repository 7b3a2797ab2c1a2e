"""`sweep`: deposits into the organisation's own vault, by standing mandate and clearances.

Cumulative units swept of an address and token never exceed what was cleared there: a quarantined
deposit stays where it lies. What a reverted item did not move stays counted, until the
administrators' quorum, who can see the chain, say that it did not move (`release_sweep`).
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.deployment import SweepItem, sweep_calldata
from strongroom_protocol.documents import Members
from strongroom_protocol.evidence import ClearedDeposit
from strongroom_signer.authority.organisations import Organisation
from strongroom_signer.errors import Refused, require
from strongroom_signer.house import House, Plan
from strongroom_signer.operations.calls import Call
from strongroom_signer.operations.clearances import read_clearance, remember_list_version
from strongroom_signer.operations.leaves import listed_leaf
from strongroom_signer.pool import Leaf

ITEMS_MAX = 200
ITEM = frozenset({"token", "units", "clearances"})
CLEARANCES_MAX = 100


@dataclass(frozen=True, slots=True)
class Item:
    """Units of a token that lie on a deposit address."""

    leaf: Leaf
    token: Address
    units: int


def sweep(house: House, organisation: Organisation, members: Members) -> Call:
    """To the batcher; leaves in `delegate` authorise the vault's sweeper along (EIP-7702)."""
    check_mandate(organisation)
    ref = members.hash32("ref")

    def read(value: object, path: str) -> Item:
        members = Members(value, path, {"index", *ITEM})
        leaf = listed_leaf(house, organisation, members.integer("index"))
        return read_item(house, organisation, leaf, members)

    items = members.list("items", read, minimum=1, maximum=ITEMS_MAX)
    keys = [(item.leaf.address, item.token) for item in items]
    require(len(set(keys)) == len(keys), "item_twice", "an address and token may appear once")
    for item in items:
        count_swept(house, ref, item)
    sweeper = house.deployment.sweeper_address(organisation.vault)

    def authorise(value: object, path: str) -> Plan:
        index = Members({"index": value}, path, {"index"}).integer("index")
        return _authorisation(house, listed_leaf(house, organisation, index), sweeper)

    delegating = members.list("delegate", authorise, maximum=ITEMS_MAX)
    require(
        len({plan["index"] for plan in delegating}) == len(delegating),
        "delegate_twice",
        "a leaf may delegate once in a transaction",
    )
    data = sweep_calldata([SweepItem(item.leaf.address, item.token, item.units) for item in items])
    return Call(
        house.deployment.batcher,
        data,
        ref,
        organisation.bundle.max_total_fee_wei,
        delegating,
    )


def check_mandate(organisation: Organisation) -> None:
    """Refuse a sweep that people gave no mandate for."""
    require(
        organisation.bundle.sweep_mandate,
        "mandate_missing",
        "the signed policy gives no standing mandate to sweep",
    )


def read_item(house: House, organisation: Organisation, leaf: Leaf, members: Members) -> Item:
    """Members ITEM; the clearances are learnt. Raises Refused."""
    item = Item(leaf, members.address("token", zero=True), members.units("units"))
    contract = None if item.token == ZERO else item.token
    require(
        organisation.bundle.token_of(contract) is not None,
        "token_unknown",
        f"{checksum(item.token)} is not in the signed policy",
    )
    require(item.units > 0, "units_zero", "a sweep of nothing is none")

    def learn(clearance_value: object, where: str) -> None:
        clearance = read_clearance(house, organisation, clearance_value, where)
        deposit = clearance.deposit
        if clearance.direction != "in" or deposit is None:
            raise Refused("clearance_differs", f"{where} is no clearance of a deposit")
        require(
            (deposit.chain_id, deposit.address, deposit.token)
            == (house.config.chain_id, leaf.address, item.token),
            "clearance_differs",
            f"{where} clears a deposit to another address, token or chain",
        )
        remember_list_version(house, clearance)
        _learn(house, organisation, deposit)

    members.list("clearances", learn, maximum=CLEARANCES_MAX)
    return item


def _learn(house: House, organisation: Organisation, deposit: ClearedDeposit) -> None:
    """A deposit counts once, however often its clearance is shown."""
    key = (deposit.chain_id, deposit.tx_hash, deposit.log_index, deposit.token, deposit.address)
    row = house.journal.one(
        "SELECT units FROM cleared_deposit WHERE chain_id = ? AND tx_hash = ? AND log_index = ?"
        " AND token = ? AND address = ?",
        *key,
    )
    if row is None:
        units = str(deposit.units)
        house.journal.add("cleared_deposit", *key, units, organisation.ref)
    else:
        require(
            int(row[0]) == deposit.units,
            "clearance_differs",
            "this deposit was cleared before with other units",
        )


def count_swept(house: House, ref: bytes, item: Item) -> None:
    """Inside a unit: so much is swept, and never more than was cleared. Raises Refused."""
    address, token = item.leaf.address, item.token
    cleared = _sum(house, "cleared_deposit", address, token)
    swept = _sum(house, "swept NATURAL LEFT JOIN released", address, token, "AND at IS NULL")
    require(
        swept + item.units <= cleared,
        "units_uncleared",
        f"{checksum(address)}: {swept} units swept and {item.units} asked, but only {cleared} "
        "cleared",
    )
    house.journal.add("swept", ref, token, address, str(item.units))


def _sum(house: House, table: str, address: Address, token: Address, more: str = "") -> int:
    rows = house.journal.all(
        f"SELECT units FROM {table} WHERE address = ? AND token = ? {more}",  # noqa: S608
        address,
        token,
    )
    return sum(int(row[0]) for row in rows)


def _authorisation(house: House, leaf: Leaf, delegate: Address) -> Plan:
    """One delegate a (chain, leaf, nonce): the same again is the same; another takes the next."""
    chain_id = house.config.chain_id
    query = "SELECT 1 FROM nonce WHERE chain_id = ? AND key = ?"
    sent = house.journal.one(query, chain_id, leaf.address)
    require(sent is None, "leaf_sends", "a leaf that sends by itself does not delegate: its nonces")
    row = house.journal.one(
        "SELECT nonce, delegate FROM authorisation WHERE chain_id = ? AND leaf = ?"
        " ORDER BY nonce DESC LIMIT 1",
        chain_id,
        leaf.address,
    )
    nonce = 0 if row is None else int(row[0])
    if row is None or bytes(row[1]) != delegate:
        nonce = 0 if row is None else nonce + 1
        house.journal.add("authorisation", chain_id, leaf.address, nonce, delegate)
    return {"index": leaf.leaf_index, "nonce": nonce, "delegate": checksum(delegate)}
