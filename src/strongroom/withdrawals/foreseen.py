"""The call of a vault's execution as the signer will make it, for the relay to simulate before; and
what holds a payment back by whom it would pay.
"""

from collections.abc import Sequence

from sqlalchemy import select

from strongroom.db.database import UnitOfWork
from strongroom.relay.foresight import SentCall
from strongroom.relay.types import OutgoingView
from strongroom.vaults import service as vaults
from strongroom.withdrawals import recipients, repository, wallet
from strongroom.withdrawals.models import WithdrawalPermit
from strongroom_protocol.encoding import from_hex
from strongroom_protocol.safe import exec_calldata, pack_signatures, payments_of, permit_tail
from strongroom_protocol.signatures import Signature, recover


class ExecutionCalls:
    """A CallSource of the relay: payments, and vaults' rejections."""

    def call_of(self, uow: UnitOfWork, outgoing: OutgoingView) -> SentCall | None:
        """execTransaction with the owners' signatures and the Permit, to the last byte."""
        if outgoing.purpose != "vault_execution":
            return None
        permit = _permit(uow, outgoing)
        if permit is None:
            return None
        row = repository.find(uow, permit.organisation_id, permit.withdrawal_id)
        safe_tx = wallet.safe_tx_of(row, permit.kind)
        texts = outgoing.payload["signatures"]
        signed = [Signature.parse(from_hex(text, 65)) for text in texts]
        owners = {recover(permit.safe_tx_hash, one): one for one in signed}
        threshold = int(outgoing.payload.get("threshold", len(owners)))
        tail = permit_tail(
            permit.policy_version,
            int(permit.valid_until.timestamp()),
            Signature.parse(permit.permit_signature),
        )
        platform = vaults.platform(uow, outgoing.chain_id)
        is_payment = permit.kind == "payment"
        paid = payments_of(safe_tx, platform.deployment.multi_send) if is_payment else ()
        return SentCall(
            sender=platform.relay,
            to=row.wallet,
            value=0,
            data=exec_calldata(safe_tx, pack_signatures(sorted(owners.items())[:threshold]) + tail),
            payer=row.wallet,
            payees=frozenset(bytes(one.to) for one in paid),
        )

    def held(self, uow: UnitOfWork, outgoing: OutgoingView, others: Sequence[bytes]) -> str | None:
        """Have the others screened; a batch's by its first payment. A rejection pays nobody."""
        if outgoing.purpose == "hot_payment":
            row = repository.lock_of_outgoing(uow, outgoing)
        else:
            permit = _permit(uow, outgoing)
            if permit is None or permit.kind != "payment":
                return None
            row = repository.lock(uow, permit.organisation_id, permit.withdrawal_id)
        if row is None:
            return None
        recipients.ask(uow, row, others)
        sentence = recipients.held_by(uow, row)
        if sentence is not None:
            row.reason, row.updated_at = sentence, uow.now
        return sentence


def _permit(uow: UnitOfWork, outgoing: OutgoingView) -> WithdrawalPermit | None:
    """The first of those that an execution carries."""
    return uow.session.scalars(
        select(WithdrawalPermit)
        .where(
            WithdrawalPermit.organisation_id == outgoing.organisation_id,
            WithdrawalPermit.outgoing_id == outgoing.id,
        )
        .order_by(WithdrawalPermit.withdrawal_id)
        .limit(1)
    ).one_or_none()
