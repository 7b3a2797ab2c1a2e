"""What a transfer means to us, and the postings that follow. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final, Literal
from uuid import UUID

from strongroom.chain.ports import BlockView, Transfer
from strongroom.kit.ids import HOUSE
from strongroom.ledger.types import ChainPoint, Leg, Posting
from strongroom.wallets.types import Watched

SUSPENSE: Final = "suspense:unscreened"
QUARANTINE: Final = "quarantine"
HOUSE_FUNDS: Final = "house:equity"

Meaning = Literal["deposit", "sweep", "feed", "funding", "none"]
Tokens = Mapping[tuple[UUID, bytes], str]
"""(organisation, contract) to the asset code that its policy gave the token."""


def meaning(
    transfer: Transfer, watched: Mapping[bytes, Watched], feeds: Collection[bytes] = ()
) -> Meaning:
    """What a transfer is to us: money in, our own sweep, gas money for a deposit address (`feeds`:
    the hashes of the transactions that we sent for that) or for the house, or none of them.

    What leaves a deposit address for anywhere but its own vault is not booked: nobody ordered it,
    so the difference shows in the reconciliation, freezes the account and alerts.
    """
    to, source = watched.get(transfer.recipient), watched.get(transfer.sender)
    if to is None or transfer.units == 0 or transfer.sender == transfer.recipient:
        return "none"
    if to.kind == "relay":
        return "funding" if transfer.token is None else "none"
    same_owner = source is not None and source.organisation_id == to.organisation_id
    if to.kind == "vault" and source is not None and source.kind == "deposit" and same_owner:
        return "sweep"
    if may_feed(transfer, source, to) and transfer.tx_hash in feeds:
        return "feed"
    return "deposit"


def may_feed(transfer: Transfer, source: Watched | None, to: Watched | None) -> bool:
    """Whether it can be gas money: coin of a spending key to a deposit address of its own house."""
    return (
        transfer.token is None
        and (source is not None and source.kind == "spending")
        and (to is not None and to.kind == "deposit")
        and source.organisation_id == to.organisation_id
    )


def asset_of(transfer: Transfer, organisation_id: UUID, tokens: Tokens, coin: str) -> str | None:
    """The asset code of what moved, `coin` being the chain's own; None for a token that the policy
    does not name.
    """
    if transfer.token is None:
        return coin
    return tokens.get((organisation_id, transfer.token))


def arrival(
    block: BlockView, transfer: Transfer, to: Watched, asset: str, customer: str | None = None
) -> Posting:
    """Custody against what is not screened yet. `customer`: the reference of the address."""
    leg = Leg(to.custody_code, SUSPENSE, asset, transfer.units)
    posting = _posting(block, transfer, to.organisation_id, "deposit", leg)
    return posting if customer is None else replace(posting, memo=_of(customer, posting.memo))


def funding(block: BlockView, transfer: Transfer, to: Watched, coin: str) -> Posting:
    """Gas money for a key of the house, in the chain's own coin."""
    leg = Leg(to.custody_code, HOUSE_FUNDS, coin, transfer.units)
    return _posting(block, transfer, HOUSE, "funding", leg)


def move(block: BlockView, transfer: Transfer, source: Watched, to: Watched, asset: str) -> Posting:
    """From one custody account of an organisation to another: nobody's claim changes. A sweep, or
    gas money for a deposit address.
    """
    leg = Leg(to.custody_code, source.custody_code, asset, transfer.units)
    return _posting(block, transfer, to.organisation_id, "sweep", leg)


def settlement(
    organisation_id: UUID,
    deposit_id: UUID,
    account: str,
    asset: str,
    units: int,
    customer: str | None = None,
) -> Posting:
    """Out of suspense, to the client or into quarantine. Once a deposit: the key says so."""
    return Posting(
        organisation_id=organisation_id,
        key=f"settle:{deposit_id}",
        kind="deposit.settled",
        legs=(Leg(SUSPENSE, account, asset, units),),
        memo=_of(customer, {"deposit": str(deposit_id)}),
    )


def _of(customer: str | None, memo: Mapping[str, str]) -> Mapping[str, str]:
    return memo if customer is None else {**memo, "customer": customer}


def reversal(original: Posting) -> Posting:
    """The linked reversal of a whole posting."""
    return Posting(
        organisation_id=original.organisation_id,
        key=f"{original.key}:reversal",
        kind=original.kind,
        legs=tuple(Leg(leg.credit, leg.debit, leg.asset, leg.units) for leg in original.legs),
        chain=original.chain,
        phase="reversal",
        refers_to=original.key,
        memo=original.memo,
    )


def _posting(
    block: BlockView, transfer: Transfer, organisation_id: UUID, kind: str, leg: Leg
) -> Posting:
    return Posting(
        organisation_id=organisation_id,
        key=f"{kind}:{block.tag}:{transfer.tx_hash.hex()}:{transfer.position}",
        kind=kind,
        legs=(leg,),
        chain=ChainPoint(block.chain_id, block.height, block.hash),
        memo={
            "tx": "0x" + transfer.tx_hash.hex(),
            "position": str(transfer.position),
            "kind": transfer.kind,
            "token": "" if transfer.token is None else "0x" + transfer.token.hex(),
            "from": "0x" + transfer.sender.hex(),
            "to": "0x" + transfer.recipient.hex(),
        },
    )
