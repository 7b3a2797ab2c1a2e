"""What blocks tell of withdrawals: sent, mined, final; the held money is booked out at finality.

Both executions of a Safe nonce end here: the payment, and the rejection that frees the money. What
happened is what was mined: anybody may send a signed Safe transaction, so an execution is known by
the vault's own event, whoever sent it, and a payment counts by its transfer, not by a status.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from strongroom.chain.ports import BlockView, Transfer
from strongroom.db.database import UnitOfWork
from strongroom.ledger.types import ChainPoint, Posting
from strongroom.relay import service as relay
from strongroom.relay.types import OutgoingView
from strongroom.withdrawals import lifecycle, repository, rules
from strongroom.withdrawals.models import Withdrawal, WithdrawalPermit
from strongroom_protocol.hashing import keccak256

EXECUTION_SUCCESS: Final = keccak256(b"ExecutionSuccess(bytes32,uint256)")
"""Safe's event: its first topic is the hash of the Safe transaction."""
VOID_ROUNDS_MAX: Final = 2
"""The signer takes three references for one Safe transaction: one try and two more."""


class WithdrawalObserver:
    """Told by the relay when an execution goes out, or is refused by the signer."""

    def on_changed(self, uow: UnitOfWork, outgoings: Sequence[OutgoingView]) -> None:
        """`signed` becomes `broadcast`; a refusal means that the nonce must be voided."""
        for outgoing in outgoings:
            uow.request_id = outgoing.request_id
            self._changed(uow, outgoing)

    def _changed(self, uow: UnitOfWork, outgoing: OutgoingView) -> None:
        for row, kind in _of_outgoing(uow, outgoing):
            if outgoing.state == "broadcast" and kind == "payment" and row.state == "signed":
                repository.step(uow, row, "broadcast", "Sent to the chain.")
            elif outgoing.state == "failed":
                _execution_failed(uow, row, kind, outgoing.last_error or "it was refused")


class WithdrawalSink:
    """The withdrawals' BlockSink; stands after the relay's, whose rows it reads."""

    def __init__(self, chain_id: int) -> None:
        """One chain's withdrawals."""
        self._chain_id = chain_id

    def on_confirmed(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Mined. Nothing is booked yet: the hold stands until the block is final."""
        sent = self._sent(uow, blocks)
        for block in blocks:
            for row, kind, _ in _executed(uow, block):
                if kind == "payment" and row.state in rules.UNMINED:
                    mined(uow, row)
                    lifecycle.call_next(uow, row)
            for row, kind, _ in _reverted(uow, block, sent):
                if kind == "payment" and row.state in ("signed", "broadcast"):
                    # Not `mined`: its Safe nonce is not consumed, so nobody else has his turn.
                    row.reason = (
                        "Its transaction was mined and reverted; waiting until that is final."
                    )
                    row.updated_at = uow.now
        return [[] for _ in blocks]

    def on_finalized(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """The hold is posted out of custody, or released, or people must void the nonce."""
        sent = self._sent(uow, blocks)
        return [_final(uow, block, sent) for block in blocks]

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Not mined after all: the relay sends the same bytes again. Nothing was booked."""
        for row, kind, _ in _executed(uow, block):
            if kind == "payment" and row.state == "mined":
                repository.step(uow, row, "broadcast", "A reorganisation undid its block.")
        return []

    def _sent(self, uow: UnitOfWork, blocks: Sequence[BlockView]) -> dict[bytes, OutgoingView]:
        hashes = [seen.hash for block in blocks for seen in block.transactions]
        return relay.by_hash(uow, self._chain_id, hashes)


def _final(uow: UnitOfWork, block: BlockView, sent: Mapping[bytes, OutgoingView]) -> list[Posting]:
    postings: list[Posting] = []
    for row, kind, tx_hash in _executed(uow, block):
        if kind == "payment" and row.state in rules.UNMINED:
            mined(uow, row)
        if kind == "payment" and row.state in ("mined", "voiding"):
            postings += _payment_final(uow, row, tx_hash, block)
        elif kind == "rejection" and row.state == "voiding":
            postings += _rejection_final(uow, row)
    for row, kind, reason in _reverted(uow, block, sent):
        if row.state in rules.BOUND:
            _execution_failed(uow, row, kind, reason)
    return postings


def _reverted(
    uow: UnitOfWork, block: BlockView, sent: Mapping[bytes, OutgoingView]
) -> Iterator[tuple[Withdrawal, str, str]]:
    """Our own executions in this block that did nothing, and why. `sent`: what the relay sent."""
    executed = {(one.safe, one.tx_hash) for one in _executions(block)}
    for tx_hash in sorted(seen.hash for seen in block.transactions if seen.hash in sent):
        outgoing = sent[tx_hash]
        for row, kind in _of_outgoing(uow, outgoing):
            if (row.wallet, tx_hash) not in executed:
                yield row, kind, outgoing.last_error or "its nonce was used by a cancel."


@dataclass(frozen=True, slots=True)
class _Execution:
    """A contract's word that it executed a Safe transaction; it counts for that contract only."""

    safe: bytes
    safe_tx_hash: bytes
    tx_hash: bytes


def _executions(block: BlockView) -> list[_Execution]:
    return [
        _Execution(log.address, log.topics[1], seen.hash)
        for seen in block.transactions
        for log in seen.logs
        if len(log.topics) == 2 and log.topics[0] == EXECUTION_SUCCESS
    ]


def _executed(uow: UnitOfWork, block: BlockView) -> Iterator[tuple[Withdrawal, str, bytes]]:
    """The withdrawals, locked, whose Safe transactions their own vault executed in this block."""
    told = {(one.safe, one.safe_tx_hash): one.tx_hash for one in _executions(block)}
    if not told:
        return
    hashes = sorted({safe_tx_hash for _, safe_tx_hash in told})
    for organisation_id, withdrawal_id, kind, safe_tx_hash in repository.of_safe_tx(uow, hashes):
        row = repository.lock(uow, organisation_id, withdrawal_id)
        tx_hash = told.get((row.wallet, safe_tx_hash))
        if tx_hash is not None:
            yield row, kind, tx_hash


def mined(uow: UnitOfWork, row: Withdrawal) -> None:
    """Whoever sent it, and whether or not we have stored the Permit that it carried."""
    row.due_at = row.lease_until = None
    row.bound_at = row.bound_at or uow.now
    repository.step(uow, row, "mined", "Mined; it is final in a few blocks.")


def _payment_final(
    uow: UnitOfWork, row: Withdrawal, tx_hash: bytes, block: BlockView
) -> list[Posting]:
    transfer = transfer_of(row, tx_hash, block)
    if transfer is None:
        return _nothing_moved(uow, row)
    row.held = False
    was_voiding = row.state == "voiding"
    repository.step(uow, row, "finalized", "Paid, and final.")
    lifecycle.close_screening(uow, row)
    if was_voiding:
        lifecycle.call_next(uow, row)
    return [booked_out(row, transfer, block)]


def _nothing_moved(uow: UnitOfWork, row: Withdrawal) -> list[Posting]:
    """The nonce is consumed, yet the token moved nothing: the money is still in the vault."""
    postings = lifecycle.released(uow, row)
    if row.state == "mined":
        row.void_to = "failed"
        repository.step(uow, row, "voiding", "The transaction was mined and moved nothing.")
    repository.step(uow, row, "failed", "The token accepted the transfer and moved nothing.")
    lifecycle.close_screening(uow, row)
    return postings


def _rejection_final(uow: UnitOfWork, row: Withdrawal) -> list[Posting]:
    postings = lifecycle.released(uow, row)
    ended = row.void_to or "failed"
    repository.step(uow, row, ended, "The same-nonce rejection is final; the money is free.")
    lifecycle.close_screening(uow, row)
    lifecycle.call_next(uow, row)
    return postings


def _execution_failed(uow: UnitOfWork, row: Withdrawal, kind: str, reason: str) -> None:
    """The nonce is not consumed. A failed payment is voided; a failed rejection is tried again."""
    if kind == "payment":
        if row.state != "voiding":
            lifecycle.begin_voiding(uow, row, "failed", f"The payment failed: {reason}")
        return
    if row.state == "voiding" and row.void_round < VOID_ROUNDS_MAX:
        row.void_round += 1
        row.void_bound_at = None
        row.due_at = uow.now if row.batch_place == 0 else None
        row.reason, row.updated_at = f"The rejection failed, it is sent again: {reason}", uow.now


def _of_outgoing(uow: UnitOfWork, outgoing: OutgoingView) -> list[tuple[Withdrawal, str]]:
    """The withdrawals, locked, and which of their executions this is."""
    if outgoing.purpose != "vault_execution":
        return []
    found = uow.session.execute(
        select(WithdrawalPermit.withdrawal_id, WithdrawalPermit.kind)
        .where(
            WithdrawalPermit.organisation_id == outgoing.organisation_id,
            WithdrawalPermit.outgoing_id == outgoing.id,
        )
        .order_by(WithdrawalPermit.withdrawal_id)
    ).all()
    owner = outgoing.organisation_id
    return [(repository.lock(uow, owner, one.withdrawal_id), one.kind) for one in found]


def transfer_of(row: Withdrawal, tx_hash: bytes, block: BlockView) -> Transfer | None:
    """The transfer by which this transaction paid it, if it did."""
    wallet = row.wallet
    wanted = (row.token, wallet, row.destination, row.units)
    return next(
        (
            one
            for one in block.transfers
            if one.tx_hash == tx_hash
            and (one.token, one.sender, one.recipient, one.units) == wanted
        ),
        None,
    )


def booked_out(row: Withdrawal, transfer: Transfer, block: BlockView) -> Posting:
    """The held payment leaves custody, with block and transfer."""
    return Posting(
        organisation_id=row.organisation_id,
        key=f"withdrawal:{row.id}:post:{block.tag}",
        kind="withdrawal.paid",
        legs=(),
        chain=ChainPoint(block.chain_id, block.height, block.hash),
        phase="post",
        refers_to=rules.hold_key(row.id),
        memo={
            "tx": "0x" + transfer.tx_hash.hex(),
            "position": str(transfer.position),
            "kind": transfer.kind,
            "token": "" if transfer.token is None else "0x" + transfer.token.hex(),
            "from": "0x" + transfer.sender.hex(),
            "to": "0x" + transfer.recipient.hex(),
        },
    )
