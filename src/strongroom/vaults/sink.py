"""A vault's state follows its two outgoing transactions: creating when sent, active when final."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from strongroom.chain.ports import BlockView
from strongroom.db.database import UnitOfWork
from strongroom.ledger.types import Posting
from strongroom.relay import service as relay
from strongroom.relay.types import OutgoingView
from strongroom.vaults.models import Vault

PURPOSES: Final = frozenset({"vault_creation", "delegate_deployment"})


class VaultObserver:
    """Told by the relay when a transaction goes out, or is refused by the signer."""

    def on_changed(self, uow: UnitOfWork, outgoing: OutgoingView) -> None:
        """`requested` becomes `creating`; a refusal makes it `failed`."""
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

    def on_confirmed(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Nothing is booked: making a vault moves no money of the organisation's."""
        del uow, block
        return []

    def on_finalized(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Both transactions final: the vault is active. One of them reverted: it failed."""
        sent = relay.by_hash(uow, self._chain_id, [seen.hash for seen in block.transactions])
        for outgoing in sent.values():
            row = _vault_of(uow, outgoing) if outgoing.purpose in PURPOSES else None
            if row is None or row.state not in ("requested", "creating"):
                continue
            both = [
                relay.get(uow, row.organisation_id, one)
                for one in (row.creation_id, row.delegate_id)
            ]
            if all(one.state == "finalized" for one in both):
                row.state, row.active_at = "active", uow.now
            elif outgoing.state in ("failed", "cancelled"):
                row.state = "failed"
                row.reason = f"The {outgoing.purpose} transaction was mined and reverted."
            row.updated_at = uow.now
        uow.session.flush()
        return []

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """The relay sends the same bytes again; a vault counts from finality only."""
        del uow, block
        return []


def _vault_of(uow: UnitOfWork, outgoing: OutgoingView) -> Vault | None:
    return uow.session.scalars(
        select(Vault)
        .where(
            Vault.organisation_id == outgoing.organisation_id,
            (Vault.creation_id == outgoing.id) | (Vault.delegate_id == outgoing.id),
        )
        .with_for_update(key_share=True)
    ).one_or_none()
