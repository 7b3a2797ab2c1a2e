"""What a page shows of money and of what is signed, derived from the very bytes (P5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.ledger.types import Balance
from strongroom.wallets.types import AddressView
from strongroom_protocol.addresses import ZERO, checksum, parse_address
from strongroom_protocol.amounts import Amount, Asset, format_amount
from strongroom_protocol.authority import Bundle
from strongroom_protocol.encoding import to_hex
from strongroom_protocol.intents import Withdrawal, domain
from strongroom_protocol.safe import Payment, SafeTx, decode_payment
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain, domain_separator, hash_struct

CENTS = 2
"""Assets with at most so many decimals are shown with all of them: 4,000.50 EUR."""


@dataclass(frozen=True)
class Line:
    """One account's balance, as text."""

    account: str
    asset: str
    available: str
    pending: str
    posted: str


@dataclass(frozen=True)
class Picture:
    """A payment as its SafeTx says it, in plain words, and the digests a device shows."""

    amount: str
    asset: str
    to: str
    label: str
    domain_hash: str
    message_hash: str
    digest: str


def line(balance: Balance) -> Line:
    """Show a balance."""
    return Line(
        account=balance.code,
        asset=balance.asset.partition("/")[0],
        available=_grouped(balance.available, balance.asset),
        pending=_grouped(balance.pending, balance.asset),
        posted=_grouped(balance.posted, balance.asset),
    )


def picture(safe_tx: Mapping[str, Any], bundle: Bundle) -> Picture:
    """Decode the SafeTx that is to be signed; what cannot be decoded is refused, not guessed.

    Asset and label come from the signed bundle, never from the database. Raises ProtocolError.
    """
    tx = SafeTx.from_fields(safe_tx["message"])
    vault = parse_address(safe_tx["domain"]["verifyingContract"])
    safe = Domain(chain_id=int(safe_tx["domain"]["chainId"]), verifying_contract=vault)
    return _picture(tx, safe, decode_payment(tx), bundle)


def order_picture(order: Mapping[str, Any], bundle: Bundle) -> Picture:
    """The same of an order that a spending key pays. Raises ProtocolError."""
    intent = Withdrawal.from_fields(order["message"])
    payment = Payment(intent.token, intent.to, intent.units)
    return _picture(intent, domain(int(order["domain"]["chainId"])), payment, bundle)


def _picture(signed: Structure, within: Domain, payment: Payment, bundle: Bundle) -> Picture:
    typed = signed.typed(within)
    token = bundle.token_of(None if payment.token == ZERO else payment.token)
    label = next((e.label for e in bundle.address_book if e.address == payment.to), None)
    return Picture(
        amount="?" if token is None else _grouped(payment.units, token.asset.code),
        asset="an unlisted token" if token is None else token.asset.symbol,
        to=checksum(payment.to),
        label=label or "not in the address book",
        domain_hash="0x" + domain_separator(within).hex(),
        message_hash="0x" + hash_struct(typed.types, typed.primary, typed.values).hex(),
        digest="0x" + signed.digest_in(within).hex(),
    )


def _grouped(units: int, asset: str) -> str:
    """Return units as decimal text with thousands separated, and cents written out."""
    scale = Asset(asset).scale
    whole, point, rest = format_amount(Amount(abs(units), Asset(asset))).partition(".")
    if 0 < scale <= CENTS:
        point, rest = ".", rest.ljust(scale, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{int(whole):,}{point}{rest}"


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
