"""What blocks tell of vaults: made, and their changes executed. All of it counts from finality on.

An execution is known by the vault's own event, whoever sent it: anybody may send what is signed.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from strongroom.chain.ports import BlockView
from strongroom.db.database import UnitOfWork
from strongroom.ledger.types import Posting
from strongroom.relay import service as relay
from strongroom.relay.types import OutgoingView
from strongroom.vaults import events, steps
from strongroom.vaults.models import Vault, VaultStep
from strongroom_protocol.hashing import keccak256

PURPOSES: Final = frozenset({"vault_creation", "delegate_deployment"})
EXECUTION_SUCCESS: Final = keccak256(b"ExecutionSuccess(bytes32,uint256)")
"""Safe's event: its first topic is the hash of the Safe transaction."""


class VaultObserver:
    """Told by the relay when a transaction goes out, or is refused by the signer."""

    def on_changed(self, uow: UnitOfWork, outgoings: Sequence[OutgoingView]) -> None:
        """`requested` becomes `creating`; a refusal makes it `failed`, or a step's nonce void."""
        for outgoing in outgoings:
            uow.request_id = outgoing.request_id
            self._changed(uow, outgoing)

    def _changed(self, uow: UnitOfWork, outgoing: OutgoingView) -> None:
        if outgoing.purpose == "vault_execution" and outgoing.state == "failed":
            _failed(uow, outgoing)
        if outgoing.purpose not in PURPOSES:
            return
        row = _vault_of(uow, outgoing)
        if row is None or row.state not in ("requested", "creating"):
            return
        row.state = "failed" if outgoing.state == "failed" else "creating"
        row.reason = outgoing.last_error if outgoing.state == "failed" else None
        row.updated_at = uow.now


class VaultSink:
    """The vaults' BlockSink; stands after the relay's, whose rows it reads."""

    def __init__(self, chain_id: int) -> None:
        """One chain's vaults."""
        self._chain_id = chain_id

    def on_confirmed(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Nothing is booked: making or changing a vault moves no money of the organisation's."""
        del uow
        return [[] for _ in blocks]

    def on_finalized(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Both transactions final: the vault is active. One of them reverted: it failed. A step's
        Safe transaction executed: it is done, or void.
        """
        hashes = [seen.hash for block in blocks for seen in block.transactions]
        sent = relay.by_hash(uow, self._chain_id, hashes)
        for block in blocks:
            _executed(uow, block)
            for seen in block.transactions:
                if seen.hash in sent:
                    _sent_by_us(uow, sent[seen.hash], block)
            events.record(uow, block, sent)
        uow.session.flush()
        return [[] for _ in blocks]

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """The relay sends the same bytes again; a vault counts from finality only."""
        del uow, block
        return []


def _sent_by_us(uow: UnitOfWork, outgoing: OutgoingView, block: BlockView) -> None:
    if outgoing.purpose == "vault_execution" and outgoing.state in ("failed", "cancelled"):
        _failed(uow, outgoing)
    row = _vault_of(uow, outgoing) if outgoing.purpose in PURPOSES else None
    if row is not None and row.delegate_id == outgoing.id and outgoing.succeeded:
        events.record_sweeper(uow, row, block, outgoing.mined_hash or b"")
    if row is not None and row.state in ("requested", "creating"):
        _follow(uow, row, outgoing)


def _follow(uow: UnitOfWork, row: Vault, outgoing: OutgoingView) -> None:
    """One that was taken in has no creation, and is active once it is seen under guard."""
    made = [one for one in (row.creation_id, row.delegate_id) if one is not None]
    both = [relay.get(uow, row.organisation_id, one) for one in made]
    if row.creation_id is not None and all(one.state == "finalized" for one in both):
        row.state, row.active_at = "active", uow.now
    elif outgoing.state in ("failed", "cancelled"):
        row.state = "failed"
        row.reason = f"The {outgoing.purpose} transaction was mined and reverted."
    row.updated_at = uow.now


def _executed(uow: UnitOfWork, block: BlockView) -> None:
    told = {
        (log.address, log.topics[1])
        for seen in block.transactions
        for log in seen.logs
        if len(log.topics) == 2 and log.topics[0] == EXECUTION_SUCCESS
    }
    hashes = sorted({safe_tx_hash for _, safe_tx_hash in told})
    if not hashes:
        return
    found = uow.session.execute(
        select(VaultStep.organisation_id, VaultStep.id, Vault.address)
        .join(Vault, (Vault.organisation_id == VaultStep.organisation_id))
        .where(
            VaultStep.safe_tx_hash.in_(hashes) | VaultStep.rejection_hash.in_(hashes),
            VaultStep.state.in_(steps.OPEN),
        )
        .order_by(VaultStep.id)
    ).all()
    for organisation_id, step_id, address in found:
        row = steps.lock(uow, organisation_id, step_id)
        if (address, row.safe_tx_hash) in told:
            steps.end(uow, row, "done", "Its execution is final.")
        elif (address, row.rejection_hash) in told:
            steps.end(uow, row, "void", "Its nonce was used by a rejection.")


def _failed(uow: UnitOfWork, outgoing: OutgoingView) -> None:
    """An execution that did nothing: its nonce stays payable until a rejection consumes it."""
    found = uow.session.scalars(
        select(VaultStep.id).where(
            VaultStep.organisation_id == outgoing.organisation_id,
            VaultStep.outgoing_id == outgoing.id,
        )
    ).one_or_none()
    if found is None:
        return
    row = steps.lock(uow, outgoing.organisation_id, found)
    if row.state in ("sent", "voiding"):
        steps.begin_voiding(uow, row, outgoing.last_error or "It was refused.")


def _vault_of(uow: UnitOfWork, outgoing: OutgoingView) -> Vault | None:
    return uow.session.scalars(
        select(Vault)
        .where(
            Vault.organisation_id == outgoing.organisation_id,
            (Vault.creation_id == outgoing.id) | (Vault.delegate_id == outgoing.id),
        )
        .with_for_update(key_share=True)
    ).one_or_none()
