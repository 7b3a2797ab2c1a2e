"""What a page shows of money and of what is signed, derived from the very bytes (P5)."""

from dataclasses import dataclass
from typing import Any

from strongroom.ledger.types import Balance
from strongroom.wallets.types import AddressView
from strongroom.withdrawals.seen import SimulationView
from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.amounts import Amount, Asset, grouped
from strongroom_protocol.authority import Bundle
from strongroom_protocol.decoded import Line as DecodedLine
from strongroom_protocol.encoding import to_hex


@dataclass(frozen=True)
class Line:
    """One account's balance, as text."""

    account: str
    asset: str
    available: str
    pending: str
    posted: str


@dataclass(frozen=True)
class ShownLine:
    """One line of what is signed. A payment has amount, asset, label and to; others their text."""

    kind: str
    text: str
    amount: str
    asset: str
    label: str
    to: str
    value: str | None
    nested: tuple["ShownLine", ...]


@dataclass(frozen=True)
class ShownChange:
    """What an address would gain or lose, by the node's word."""

    who: str
    address: str
    amount: str
    asset: str
    is_loss: bool


def line(balance: Balance) -> Line:
    """Show a balance."""
    return Line(
        account=balance.code,
        asset=balance.asset.partition("/")[0],
        available=_grouped(balance.available, balance.asset),
        pending=_grouped(balance.pending, balance.asset),
        posted=_grouped(balance.posted, balance.asset),
    )


def shown_line(line: DecodedLine, bundle: Bundle) -> ShownLine:
    """A decoded line, taken apart for a page; asset and label come from the signed bundle."""
    token = bundle.token_of(line.token) if line.kind == "payment" else None
    label = next((e.label for e in bundle.address_book if e.address == line.recipient), None)
    return ShownLine(
        kind=line.kind,
        text=line.text,
        amount="" if token is None else grouped(Amount(line.units or 0, token.asset)),
        asset="" if token is None else token.asset.symbol,
        label=label or "not in the address book",
        to="" if line.recipient is None else checksum(line.recipient),
        value=line.value,
        nested=tuple(shown_line(one, bundle) for one in line.nested),
    )


def shown_changes(simulation: SimulationView, bundle: Bundle, wallet: str) -> list[ShownChange]:
    """The balance changes of a simulation, in the assets' own units where they are listed."""
    found = []
    for one in simulation.changes:
        address, units = checksum(parse_address(one["address"])), int(one["units"])
        contract = parse_address(one["token"])
        token = bundle.token_of(None if contract == ZERO else contract)
        label = next(
            (e.label for e in bundle.address_book if checksum(e.address) == address), "somebody"
        )
        amount = str(abs(units)) if token is None else grouped(Amount(abs(units), token.asset))
        found.append(
            ShownChange(
                who="the wallet that pays" if address == wallet else label,
                address=address,
                amount=("\u2212" if units < 0 else "+") + amount,
                asset=checksum(contract) if token is None else token.asset.symbol,
                is_loss=units < 0,
            )
        )
    return found


def _grouped(units: int, asset: str) -> str:
    """Units as decimal text with thousands separated; a balance may be below zero."""
    sign = "-" if units < 0 else ""
    return sign + grouped(Amount(abs(units), Asset(asset)))


def provenance(view: AddressView) -> dict[str, Any]:
    """What the browser verifies of a deposit address; it says by itself what it finds."""
    return {
        "index": view.index,
        "path": view.path,
        "address": checksum(view.address),
        "signature": to_hex(view.provenance_signature),
        "proof": [to_hex(node) for node in view.manifest_proof],
        "root": to_hex(view.manifest_root),
        "count": view.manifest_count,
    }
