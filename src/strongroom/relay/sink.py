"""What blocks tell of our transactions: mined, final, or thrown out again; and what the gas cost.

The receipts come with the block, so a transaction counts as mined where the indexer's chain says
so and nowhere else. Gas is booked to the wei in the house's own books.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from strongroom.chain.ports import BlockView, TransactionSeen
from strongroom.db.database import UnitOfWork
from strongroom.kit.ids import HOUSE
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom.ledger.types import ChainPoint, Leg, Posting
from strongroom.relay.models import Outgoing, OutgoingAttempt
from strongroom.wallets.service import custody_code

GAS_ACCOUNT: Final = "house:gas"

log = logger(__name__)


class RelaySink:
    """The relay's BlockSink: first in the list, so that rooms above find its rows up to date."""

    def __init__(self, chain_id: int, relay_address: bytes, native_asset: str) -> None:
        """`relay_address`: 20 bytes, the signer's relay key; `native_asset`: what gas costs."""
        self._chain_id = chain_id
        self._native_asset = native_asset
        self._relay_address = relay_address

    def on_confirmed(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Rows become `mined`; each transaction of the relay's key costs the house its gas. What a
        spending key's costs is its withdrawal's to book.
        """
        ours = [seen for seen in block.transactions if seen.sender == self._relay_address]
        rows = _rows_by_hash(uow, [seen.hash for seen in block.transactions])
        for seen in block.transactions:
            row = rows.get(seen.hash)
            if row is None:
                if seen.sender == self._relay_address:
                    counter("strongroom_relay_foreign_total", "Relay key used by others.").inc()
                    log.error("relay.foreign_transaction", hash="0x" + seen.hash.hex())
                continue
            row.state, row.succeeded = "mined", seen.status
            row.mined_hash, row.mined_height = seen.hash, block.height
            row.mined_block_hash, row.lease_until = block.hash, None
            row.updated_at = uow.now
        uow.session.flush()
        return [self._gas(block, seen) for seen in ours if _cost_wei(seen)]

    def on_finalized(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Only now a transaction is over: its nonce is consumed for good."""
        for row in _mined_in(uow, self._chain_id, block):
            kind = uow.session.scalars(
                select(OutgoingAttempt.kind).where(OutgoingAttempt.hash == row.mined_hash)
            ).one()
            done = "cancelled" if kind == "cancel" else "finalized"
            row.state = done if row.succeeded else "failed"
            if not row.succeeded:
                row.last_error = "The transaction was mined and reverted."
            row.updated_at = uow.now
        uow.session.flush()
        return []

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Re-open the rows: the same bytes go out again. The gas was not spent after all."""
        for row in _mined_in(uow, self._chain_id, block):
            row.state, row.succeeded = "broadcast", None
            row.mined_hash = row.mined_height = row.mined_block_hash = None
            row.due_at = row.updated_at = uow.now
        uow.session.flush()
        ours = [seen for seen in block.transactions if seen.sender == self._relay_address]
        return [self._gas(block, seen, back=True) for seen in ours if _cost_wei(seen)]

    def _gas(self, block: BlockView, seen: TransactionSeen, *, back: bool = False) -> Posting:
        custody = custody_code(self._chain_id, self._relay_address)
        key = f"gas:{block.tag}:{seen.hash.hex()}"
        debit, credit = (custody, GAS_ACCOUNT) if back else (GAS_ACCOUNT, custody)
        return Posting(
            organisation_id=HOUSE,
            key=f"{key}:reversal" if back else key,
            kind="gas",
            legs=(Leg(debit, credit, self._native_asset, _cost_wei(seen)),),
            chain=ChainPoint(self._chain_id, block.height, block.hash),
            phase="reversal" if back else "single",
            refers_to=key if back else None,
            memo={
                "tx": "0x" + seen.hash.hex(),
                "position": "",
                "kind": "gas",
                "token": "",
                "from": "0x" + seen.sender.hex(),
                "to": "" if seen.recipient is None else "0x" + seen.recipient.hex(),
            },
        )


def _cost_wei(seen: TransactionSeen) -> int:
    return seen.gas_used * seen.effective_gas_price


def _rows_by_hash(uow: UnitOfWork, hashes: Sequence[bytes]) -> dict[bytes, Outgoing]:
    if not hashes:
        return {}
    found = uow.session.execute(
        select(OutgoingAttempt.hash, Outgoing)
        .join(
            Outgoing,
            (Outgoing.organisation_id == OutgoingAttempt.organisation_id)
            & (Outgoing.id == OutgoingAttempt.outgoing_id),
        )
        .where(OutgoingAttempt.hash.in_(sorted(hashes)))
        .order_by(Outgoing.id)
        .with_for_update(of=Outgoing)
    )
    return {attempt_hash: row for attempt_hash, row in found if attempt_hash is not None}


def _mined_in(uow: UnitOfWork, chain_id: int, block: BlockView) -> list[Outgoing]:
    return list(
        uow.session.scalars(
            select(Outgoing)
            .where(
                Outgoing.chain_id == chain_id,
                Outgoing.state == "mined",
                Outgoing.mined_height == block.height,
                Outgoing.mined_block_hash == block.hash,
            )
            .order_by(Outgoing.id)
            .with_for_update()
        )
    )
