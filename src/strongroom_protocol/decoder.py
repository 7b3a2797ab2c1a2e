"""From the very bytes that are signed to plain lines: what happens, to whom, how much (P5).

Names, assets and decimals come from the signed bundle, addresses of contracts are computed; nothing
that a database or a node says changes a line. What can't be put into words completely is refused.
"""

from collections.abc import Iterator, Mapping

from strongroom_protocol import cautions, vault_words
from strongroom_protocol.addresses import ZERO, Address, checksum
from strongroom_protocol.amounts import Amount, grouped
from strongroom_protocol.bundle import Bundle
from strongroom_protocol.decoded import Caution, Decoded, DecodingRefused, Known, Line, Place
from strongroom_protocol.intents import Order, Withdrawal
from strongroom_protocol.intents import domain as intent_domain
from strongroom_protocol.safe import (
    Payment,
    SafeTx,
    SafeTxRefused,
    decode_calls,
    decode_payment,
    domain,
    rejection_safe_tx,
)
from strongroom_protocol.structures import Structure
from strongroom_protocol.typed_data import Domain, domain_separator


def decode_safe_tx(
    tx: SafeTx, within: Domain, bundle: Bundle, place: Place, known: Known
) -> Decoded:
    """A Safe transaction of the organisation's own vault: a payment, a batch of payments, a change
    of the vault, or the rejection of its nonce. Raises DecodingRefused.
    """
    if within != domain(bundle.chain_id, place.vault):
        raise DecodingRefused(
            "the transaction is for another chain or another vault than the organisation's own"
        )
    if tx == rejection_safe_tx(place.vault, tx.nonce):
        text = (
            f"Pay nothing and use up number {tx.nonce} of the vault's transactions: whatever else "
            "was signed for this number can never be executed."
        )
        line = Line("rejection", text, "", tx.to)
    else:
        line = _safe_line(tx, bundle, place, known)
    found = [*_cautions(line, bundle, place, known)]
    return _decoded(tx, within, line, found)


def decode_order(order: Order, bundle: Bundle, known: Known) -> Decoded:
    """An order that a spending key pays, as its initiator and its approvers sign it. Raises
    DecodingRefused.
    """
    if not isinstance(order, Withdrawal):
        raise DecodingRefused("this kind of order has no plain lines")
    if order.organisation != bundle.organisation:
        raise DecodingRefused("the order is another organisation's")
    if bundle.spending_at(order.wallet) is None:
        raise DecodingRefused(f"{checksum(order.wallet)} is no spending key of the signed policy")
    payment = Payment(order.token, order.to, order.units)
    line = _payment_line(payment, bundle, known, None)
    found = [*cautions.of_recipient(order.to, bundle, known, cautions.names(bundle, None))]
    return _decoded(order, intent_domain(bundle.chain_id), line, found)


def _decoded(signed: Structure, within: Domain, line: Line, found: list[Caution]) -> Decoded:
    return Decoded(
        kind=line.kind,
        lines=line.nested if line.kind == "batch" else (line,),
        cautions=cautions.distinct(found),
        domain_hash=domain_separator(within),
        message_hash=signed.struct_hash(),
        digest=signed.digest_in(within),
    )


def _safe_line(tx: SafeTx, bundle: Bundle, place: Place, known: Known) -> Line:
    if tx.to in (place.vault, place.guard) and tx.data:
        _check_plain(tx)
        return vault_words.change_line(tx, bundle, place, known)
    try:
        if tx.to == place.multi_send:
            return _batch_line(tx, bundle, place, known)
        return _vault_payment(decode_payment(tx), bundle, place, known)
    except SafeTxRefused as error:
        raise DecodingRefused(
            f"this transaction can't be put into plain words, so it must not be signed: {error}"
        ) from error


def _batch_line(tx: SafeTx, bundle: Bundle, place: Place, known: Known) -> Line:
    """Payments one after the other, all or none; or the vault's change of guards."""
    calls = decode_calls(tx, place.multi_send)
    if any(call.to == place.vault for call in calls):
        return vault_words.succession_line(calls, bundle, place)
    nested = tuple(
        _vault_payment(decode_payment(call.safe_tx(tx.nonce)), bundle, place, known)
        for call in calls
    )
    text = f"Make {len(nested)} payments, all or none."
    return Line("batch", text, "multiSend(bytes)", tx.to, nested=nested)


def _vault_payment(payment: Payment, bundle: Bundle, place: Place, known: Known) -> Line:
    if payment.to in (place.vault, place.guard, place.multi_send):
        raise DecodingRefused("the money would go to the vault's own contracts")
    return _payment_line(payment, bundle, known, place)


def _check_plain(tx: SafeTx) -> None:
    """Check: no delegatecall, no value, no refund (rule 3)."""
    plain = SafeTx(to=tx.to, value=0, data=tx.data, nonce=tx.nonce)
    if tx != plain:
        raise DecodingRefused(
            "a call to the vault's own contracts with value, delegatecall or refund fields"
        )


def _payment_line(payment: Payment, bundle: Bundle, known: Known, place: Place | None) -> Line:
    native = payment.token == ZERO
    token = bundle.token_of(None if native else payment.token)
    if token is None:
        listed = "the native coin" if native else f"the token {checksum(payment.token)}"
        raise DecodingRefused(
            f"{listed} is not among the assets of the signed policy, so nobody can say how much "
            "this is"
        )
    amount = Amount(payment.units, token.asset)
    name = cautions.names(bundle, place).get(payment.to)
    who = f"{name} ({checksum(payment.to)})" if name else checksum(payment.to)
    return Line(
        kind="payment",
        text=f"Pay {grouped(amount)} {token.asset.symbol} to {who}.",
        call="" if native else "transfer(address,uint256)",
        to=payment.to if native else payment.token,
        token=None if native else payment.token,
        recipient=payment.to,
        units=payment.units,
        value=known.value_of and known.value_of(token.asset.code, payment.units),
    )


def _cautions(line: Line, bundle: Bundle, place: Place, known: Known) -> Iterator[Caution]:
    known_names: Mapping[Address, str] = cautions.names(bundle, place)
    for one in line.nested if line.kind == "batch" else (line,):
        if one.kind == "payment" and one.recipient is not None:
            yield from cautions.of_recipient(one.recipient, bundle, known, known_names)
        elif one.kind != "rejection":
            yield from vault_words.change_cautions(one, bundle, known)
