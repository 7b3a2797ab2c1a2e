"""What blocks tell of our transactions: mined, final, or thrown out again; and what the gas cost.

The receipts come with the block, so a transaction counts as mined where the indexer's chain says
so and nowhere else. Gas is booked to the wei in the house's own books.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from strongroom.chain.ports import BlockView, TransactionSeen
from strongroom.db.database import UnitOfWork
from strongroom.kit.ids import HOUSE
from strongroom.kit.log import logger
from strongroom.kit.metrics import counter
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, ChainPoint, Leg, Posting
from strongroom.relay import alerts, mined, repository
from strongroom.relay.foresight import difference
from strongroom.relay.mined import Carried
from strongroom.wallets.service import custody_code

GAS_ACCOUNT: Final = "house:gas"
OWN_GAS: Final = frozenset({"gas_topup", "leaf_sweep"})
"""Purposes whose gas an organisation pays, out of the sender's own custody. GAS_ACCOUNT in its own
books has no floor and refuses nothing; who sweeps charges the treasury for it.
"""

log = logger(__name__)


class RelaySink:
    """The relay's BlockSink: first in the list, so that rooms above find its rows up to date."""

    def __init__(self, chain_id: int, relay_address: bytes, native_asset: str) -> None:
        """`relay_address`: 20 bytes, the signer's relay key; `native_asset`: what gas costs."""
        self._chain_id = chain_id
        self._native_asset = native_asset
        self._relay_address = relay_address

    def on_confirmed(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Rows become `mined`; each transaction of the relay's key costs the house its gas, and gas
        money and sweeps sent by an organisation's keys cost itself theirs. What a payment by a
        spending key costs is its withdrawal's to book.
        """
        every = [(seen, block) for block in blocks for seen in block.transactions]
        rows = mined.by_hash(uow, [seen.hash for seen, _ in every])
        ours = [(rows[seen.hash], seen, block) for seen, block in every if seen.hash in rows]
        mined.mark_mined(uow, ours)
        for row, seen, block in ours:
            _compare(uow, row, seen, block)
        self._tell_of_foreign([seen for seen, _ in every if seen.hash not in rows])
        return [self._gas_of(uow, block, rows) for block in blocks]

    def on_finalized(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Only now a transaction is over: its nonce is consumed for good."""
        mined.mark_over(uow, self._chain_id, blocks)
        return [[] for _ in blocks]

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Re-open the rows: the same bytes go out again, and all behind them of the same keys. The
        gas was not spent after all.
        """
        senders = mined.reopen(uow, self._chain_id, block)
        repository.send_again(uow, self._chain_id, senders)
        rows = mined.by_hash(uow, [seen.hash for seen in block.transactions])
        return self._gas_of(uow, block, rows, back=True)

    def _tell_of_foreign(self, unknown: Sequence[TransactionSeen]) -> None:
        for seen in unknown:
            if seen.sender == self._relay_address:
                counter("strongroom_relay_foreign_total", "Relay key used by others.").inc()
                log.error("relay.foreign_transaction", hash="0x" + seen.hash.hex())

    def _gas_of(
        self,
        uow: UnitOfWork,
        block: BlockView,
        rows: Mapping[bytes, Carried],
        *,
        back: bool = False,
    ) -> list[Posting]:
        """Who pays for each transaction that is booked here, and from where."""
        postings = []
        for seen in block.transactions:
            row = rows.get(seen.hash)
            if not _cost_wei(seen):
                continue
            if seen.sender == self._relay_address:
                postings.append(self._gas(block, seen, HOUSE, GAS_ACCOUNT, back=back))
            elif row is not None and row.purpose in OWN_GAS:
                owner, code = row.organisation_id, custody_code(self._chain_id, seen.sender)
                codes = (GAS_ACCOUNT, code)
                accounts = [AccountRef(owner, one, self._native_asset) for one in codes]
                ledger.open_accounts(uow, accounts)
                postings.append(self._gas(block, seen, owner, GAS_ACCOUNT, back=back))
        return postings

    def _gas(
        self, block: BlockView, seen: TransactionSeen, owner: UUID, payer: str, *, back: bool
    ) -> Posting:
        custody = custody_code(self._chain_id, seen.sender)
        key = f"gas:{block.tag}:{seen.hash.hex()}"
        debit, credit = (custody, payer) if back else (payer, custody)
        return Posting(
            organisation_id=owner,
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


def _compare(uow: UnitOfWork, row: Carried, seen: TransactionSeen, block: BlockView) -> None:
    """Tell people where a block moved something else than was foretold. A cancel moves nothing."""
    if row.predicted is None or not seen.status or seen.recipient == seen.sender:
        return
    sentence = difference(row.predicted, seen, block)
    if sentence is not None:
        counter("strongroom_relay_differs_total", "Mined otherwise than foretold.").inc()
        alerts.tell(uow, row.organisation_id, "mined_differs", str(row.id), block.tag, sentence)


def _cost_wei(seen: TransactionSeen) -> int:
    return seen.gas_used * seen.effective_gas_price
