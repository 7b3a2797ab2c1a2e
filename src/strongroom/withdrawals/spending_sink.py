"""What blocks tell of spending keys' transactions. Their nonce is consumed by whatever is mined, so
each end is an end; the gas is the organisation's own and is booked as what it came to.
"""

from collections.abc import Iterator, Mapping, Sequence

from strongroom.chain.ports import BlockView, TransactionSeen
from strongroom.db.database import UnitOfWork
from strongroom.ledger.types import ChainPoint, Posting
from strongroom.relay import service as relay
from strongroom.relay.types import OutgoingView
from strongroom.wallets import service as wallets
from strongroom.withdrawals import lifecycle, repository, rules
from strongroom.withdrawals.models import Withdrawal
from strongroom.withdrawals.sink import booked_out, mined, transfer_of
from strongroom.withdrawals.wallet import custody_of

PURPOSES = ("hot_payment", "cold_payment")


class SpendingObserver:
    """Told by the relay when a spending key's transaction goes out, or is refused by the signer."""

    def on_changed(self, uow: UnitOfWork, outgoings: Sequence[OutgoingView]) -> None:
        """Sent: `broadcast`. Refused before it had a nonce: the loop lets the money go."""
        ours = [one for one in outgoings if one.purpose in PURPOSES]
        rows = repository.lock_paying(uow, ours)
        for outgoing in ours:
            if outgoing.id in rows:
                uow.request_id = outgoing.request_id
                self._changed(uow, rows[outgoing.id], outgoing)

    def _changed(self, uow: UnitOfWork, row: Withdrawal, outgoing: OutgoingView) -> None:
        if outgoing.state == "broadcast" and row.state in ("binding", "signed"):
            repository.step(uow, row, "broadcast", "Sent to the chain.")
        elif outgoing.state == "failed" and row.state in rules.BOUND:
            if row.state != "voiding":
                void_to = "expired" if uow.now > row.valid_until else "failed"
                reason = f"The signer refuses: {outgoing.last_error}"
                lifecycle.begin_voiding(uow, row, void_to, reason)
            row.due_at = uow.now


class SpendingSink:
    """The BlockSink of spending keys' payments; stands after the relay's, whose rows it reads."""

    def __init__(self, chain_id: int) -> None:
        """One chain's payments."""
        self._chain_id = chain_id

    def on_confirmed(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Mined. Nothing is booked yet: the holds stand until the block is final."""
        sent = self._sent(uow, blocks)
        for block in blocks:
            for row, outgoing, _ in _ours(uow, block, sent):
                if row.state in rules.UNMINED:
                    mined(uow, row)
                    if not outgoing.succeeded:
                        row.reason = "Mined and reverted; waiting until that is final."
        return [[] for _ in blocks]

    def on_finalized(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """The payment is posted out of custody, or released; its gas is posted either way."""
        sent = self._sent(uow, blocks)
        booked = []
        for block in blocks:
            postings: list[Posting] = []
            for row, outgoing, seen in _ours(uow, block, sent):
                if row.state in rules.UNMINED:
                    mined(uow, row)
                if row.state in ("mined", "voiding"):
                    postings += _final(uow, row, outgoing, seen, block)
            booked.append(postings)
        return booked

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Not mined after all: the relay sends the same bytes again. Nothing was booked."""
        for row, _, _ in _ours(uow, block, self._sent(uow, [block])):
            if row.state == "mined":
                repository.step(uow, row, "broadcast", "A reorganisation undid its block.")
        return []

    def _sent(self, uow: UnitOfWork, blocks: Sequence[BlockView]) -> dict[bytes, OutgoingView]:
        hashes = [seen.hash for block in blocks for seen in block.transactions]
        return relay.by_hash(uow, self._chain_id, hashes)


def _ours(
    uow: UnitOfWork, block: BlockView, sent: Mapping[bytes, OutgoingView]
) -> Iterator[tuple[Withdrawal, OutgoingView, TransactionSeen]]:
    """The withdrawals, locked, whose transactions are in this block; `sent`: the relay's."""
    found = [(sent[seen.hash], seen) for seen in block.transactions if seen.hash in sent]
    ours = [(outgoing, seen) for outgoing, seen in found if outgoing.purpose in PURPOSES]
    rows = repository.lock_paying(uow, [outgoing for outgoing, _ in ours])
    for outgoing, seen in ours:
        if outgoing.id in rows:
            yield rows[outgoing.id], outgoing, seen


def _final(
    uow: UnitOfWork,
    row: Withdrawal,
    outgoing: OutgoingView,
    seen: TransactionSeen,
    block: BlockView,
) -> list[Posting]:
    transfer = transfer_of(row, seen.hash, block) if outgoing.state == "finalized" else None
    gas = _gas(uow, row, seen, block)
    lifecycle.close_screening(uow, row)
    if transfer is not None:
        row.held = False
        repository.step(uow, row, "finalized", "Paid, and final.")
        return [booked_out(row, transfer, block), gas]
    released = lifecycle.released(uow, row, fee=False)
    if row.state != "voiding":
        row.void_to = "failed"
        repository.step(uow, row, "voiding", "The transaction was mined and moved nothing.")
    ended = "failed" if outgoing.state == "failed" else row.void_to or "failed"
    why = f" {outgoing.last_error}" if outgoing.state == "failed" and outgoing.last_error else ""
    over = "Its nonce is used, and nothing was paid; the money is free."
    repository.step(uow, row, ended, over + why)
    return [*released, gas]


def _gas(uow: UnitOfWork, row: Withdrawal, seen: TransactionSeen, block: BlockView) -> Posting:
    """Of the gas that was held, as much as it came to."""
    units = seen.gas_used * seen.effective_gas_price
    coin = wallets.native_asset(uow, block.chain_id)
    leg = lifecycle.fee_leg(row, custody_of(row, block.chain_id), units, coin)
    key = rules.fee_key(row.id)
    return Posting(
        organisation_id=row.organisation_id,
        key=f"{key}:post:{block.tag}" if units else rules.void_key(key),
        kind="withdrawal.gas",
        legs=(leg,) if units else (),
        chain=ChainPoint(block.chain_id, block.height, block.hash) if units else None,
        phase="post" if units else "void",
        refers_to=key,
        memo={
            "tx": "0x" + seen.hash.hex(),
            "position": "",
            "kind": "gas",
            "token": "",
            "from": "0x" + seen.sender.hex(),
            "to": "" if seen.recipient is None else "0x" + seen.recipient.hex(),
        },
    )
