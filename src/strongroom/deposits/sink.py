"""What blocks bring in: deposits booked against suspense, our own sweeps, gas money of the house.

Only rows and postings here: the indexer posts them. Reversals come in the opposite order of what
they take back, so that no account passes below zero on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from strongroom.chain.ports import BlockView, Transfer, TransferKind
from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, rules
from strongroom.deposits.models import Deposit
from strongroom.deposits.repository import Arrival
from strongroom.kit.check import check
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Posting
from strongroom.screening import service as screening
from strongroom.screening.types import DepositFacts
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressKind, Watched

TOPIC = "deposits.settle"


@dataclass(frozen=True, slots=True)
class _Context:
    watched: dict[bytes, Watched]
    tokens: rules.Tokens
    coin: str

    def sweeps(self, block: BlockView) -> list[tuple[Transfer, Posting, str]]:
        """Each sweep of the block that has an asset, with its posting."""
        found = []
        for transfer in block.transfers:
            if rules.meaning(transfer, self.watched) != "sweep":
                continue
            source, to = self.watched[transfer.sender], self.watched[transfer.recipient]
            asset = rules.asset_of(transfer, to.organisation_id, self.tokens, self.coin)
            if asset is not None:
                posting = rules.move(block, transfer, source, to, asset)
                found.append((transfer, posting, asset))
        return found

    def fundings(self, block: BlockView) -> list[Posting]:
        """Gas money that came to a key of the house."""
        return [
            rules.funding(block, transfer, self.watched[transfer.recipient], self.coin)
            for transfer in block.transfers
            if rules.meaning(transfer, self.watched) == "funding"
        ]


class DepositSink:
    """The deposits' BlockSink and SeenSink (it must be both); last in the list."""

    def __init__(self, chain_id: int) -> None:
        """One chain's deposits."""
        self._chain_id = chain_id

    def on_seen(self, uow: UnitOfWork, block: BlockView) -> None:
        """Keep what came in, before anything is booked."""
        self._record(uow, block, self._context(uow, block))

    def on_unseen(self, uow: UnitOfWork, block: BlockView) -> None:
        """The block left before it was booked: nothing to reverse."""
        for row in repository.of_block(uow, block, "seen"):
            _orphan(uow, row)
        uow.session.flush()

    def on_confirmed(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Book what came in to suspense and ask screening; book sweeps; book gas money."""
        context = self._context(uow, block)
        rows = repository.of_block(uow, block, "seen")
        arrivals = [self._book(uow, block, row) for row in rows if row.asset is not None]
        for row in rows:
            row.chain_state, row.confirmed_at = "confirmed", uow.now
        repository.add_transitions(uow, [_confirmed(block, row) for row in rows])
        sweeps = context.sweeps(block)
        for transfer, posting, asset in sweeps:
            repository.mark_swept(uow, block, posting.organisation_id, transfer.sender, asset)
        uow.session.flush()
        postings = [*arrivals, *(posting for _, posting, _ in sweeps), *context.fundings(block)]
        _open_accounts(uow, postings)
        return postings

    def on_finalized(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Nothing more is booked; final deposits may be swept, swept ones are screened no more."""
        for row in repository.of_block(uow, block, "confirmed"):
            row.chain_state, row.finalized_at = "finalized", uow.now
            reason = f"Block {block.height} is final."
            repository.add_transition(uow, row.organisation_id, row.id, "finalized", reason)
            finish_if_over(uow, row)
        for row in repository.swept_in(uow, block):
            if row.screening_request_id is not None:
                screening.finish(uow, row.screening_request_id)
            repository.add_transition(uow, row.organisation_id, row.id, "swept", "In the vault.")
        for transfer, _, _ in self._context(uow, block).sweeps(block):
            wallets.record_delegation(uow, transfer.sender)
        uow.session.flush()
        return []

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Linked reversals: gas money, sweeps, settlements, arrivals, last booked first."""
        context = self._context(uow, block)
        postings = [rules.reversal(posting) for posting in context.fundings(block)]
        postings += [rules.reversal(posting) for _, posting, _ in reversed(context.sweeps(block))]
        repository.unmark_swept(uow, block)
        for row in reversed(repository.of_block(uow, block, "seen", "confirmed", "finalized")):
            postings += _taken_back(block, row)
            _orphan(uow, row)
        uow.session.flush()
        return postings

    def _context(self, uow: UnitOfWork, block: BlockView) -> _Context:
        ends = {end for item in block.transfers for end in (item.sender, item.recipient)}
        tokens = wallets.tokens(uow, self._chain_id) if ends else []
        return _Context(
            watched=wallets.watched_among(uow, self._chain_id, ends),
            tokens={(item.organisation_id, item.contract): item.asset for item in tokens},
            coin=wallets.native_asset(uow, self._chain_id) if ends else "",
        )

    def _record(self, uow: UnitOfWork, block: BlockView, context: _Context) -> None:
        arrivals = [
            transfer
            for transfer in block.transfers
            if rules.meaning(transfer, context.watched) == "deposit"
        ]
        accounts = wallets.client_accounts(uow, {item.recipient for item in arrivals})
        found = []
        for transfer in arrivals:
            to = context.watched[transfer.recipient]
            asset = rules.asset_of(transfer, to.organisation_id, context.tokens, context.coin)
            account = accounts.get(transfer.recipient, wallets.TREASURY)
            found.append(Arrival(transfer, to, asset, account))
        repository.record(uow, block, found)

    def _book(self, uow: UnitOfWork, block: BlockView, row: Deposit) -> Posting:
        posting = _arrival(block, row)
        row.booking_key = posting.key
        row.screening_request_id = screening.request(
            uow,
            organisation_id=row.organisation_id,
            direction="in",
            subject=row.payer,
            reference=f"deposit:{row.id}",
            topic=TOPIC,
            payload={"deposit_id": str(row.id)},
            deposit=DepositFacts(
                chain_id=row.chain_id,
                tx_hash=row.tx_hash,
                log_index=row.position,
                token=row.token,
                address=row.address,
                units=row.units,
            ),
        )
        return posting


def _confirmed(block: BlockView, row: Deposit) -> tuple[UUID, UUID, str, str]:
    """The change of state of a deposit that is deep enough."""
    if row.asset is None:
        reason = "The token is not in the policy: kept and shown, never credited."
        return row.organisation_id, row.id, "unknown_token", reason
    reason = f"Booked to suspense from block {block.height}; being screened."
    return row.organisation_id, row.id, "unscreened", reason


def finish_if_over(uow: UnitOfWork, row: Deposit) -> None:
    """A final, credited payment to a wallet that pays goes nowhere else: screened no more."""
    over = row.chain_state == "finalized" and row.disposition == "credited"
    if over and row.address_kind != "deposit" and row.screening_request_id is not None:
        screening.finish(uow, row.screening_request_id)


def _arrival(block: BlockView, row: Deposit) -> Posting:
    check(row.asset is not None, "only a known asset is booked")
    transfer = Transfer(
        chain_id=row.chain_id,
        height=row.height,
        block_hash=row.block_hash,
        tx_hash=row.tx_hash,
        position=row.position,
        token=row.token,
        sender=row.payer,
        recipient=row.address,
        units=row.units,
        kind=cast("TransferKind", row.kind),
    )
    kind = cast("AddressKind", row.address_kind)
    to = Watched(row.organisation_id, row.address, kind, row.custody_code)
    return rules.arrival(block, transfer, to, row.asset or "")


def _taken_back(block: BlockView, row: Deposit) -> list[Posting]:
    """Reversals of a deposit's settlement and of its arrival, as far as they were booked."""
    found: list[Posting] = []
    if row.settlement_key is not None and row.asset is not None:
        account = row.client_account if row.disposition == "credited" else rules.QUARANTINE
        settled = rules.settlement(row.organisation_id, row.id, account, row.asset, row.units)
        found.append(rules.reversal(settled))
    if row.booking_key is not None:
        found.append(rules.reversal(_arrival(block, row)))
    return found


def _orphan(uow: UnitOfWork, row: Deposit) -> None:
    row.chain_state, row.orphaned_at = "orphaned", uow.now
    row.disposition = "reversed"
    reason = f"Block {row.height} left the chain; what was booked is reversed."
    repository.add_transition(uow, row.organisation_id, row.id, "reversed", reason)


def _open_accounts(uow: UnitOfWork, postings: Sequence[Posting]) -> None:
    refs = {
        AccountRef(posting.organisation_id, code, leg.asset)
        for posting in postings
        for leg in posting.legs
        for code in (leg.debit, leg.credit)
    }
    ledger.open_accounts(uow, sorted(refs, key=lambda ref: (ref.organisation_id, ref.code)))
