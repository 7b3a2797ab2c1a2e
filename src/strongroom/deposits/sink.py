"""What blocks bring in: deposits booked against suspense, our own sweeps, gas money of the house.

Only rows and postings here: the indexer posts them. Reversals come in the opposite order of what
they take back, so that no account passes below zero on the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from strongroom.chain.ports import BlockView, Transfer, TransferKind
from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, reuse, rules, settings
from strongroom.deposits.models import Deposit
from strongroom.deposits.repository import Arrival, Change
from strongroom.deposits.terms import NO_TERMS, terms
from strongroom.kit.check import check
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Posting
from strongroom.relay import service as relay
from strongroom.screening import service as screening
from strongroom.screening.types import DepositFacts
from strongroom.wallets import service as wallets
from strongroom.wallets.types import AddressKind, Attribution, Watched

TOPIC: Final = "deposits.settle"
_TREASURY: Final = Attribution(wallets.TREASURY, None, "credit")


@dataclass(frozen=True, slots=True)
class _Context:
    watched: dict[bytes, Watched]
    tokens: rules.Tokens
    coin: str
    purposes: dict[bytes, str]
    """Of our own transactions of which transfers may be gas money or sweeps, by hash."""

    def meaning(self, transfer: Transfer) -> rules.Meaning:
        """What a transfer of the block is to us."""
        return rules.meaning(transfer, self.watched, self.hashes("gas_topup"))

    def hashes(self, purpose: str) -> set[bytes]:
        """The transactions that we sent for a purpose."""
        return {tx_hash for tx_hash, found in self.purposes.items() if found == purpose}

    def moves(self, block: BlockView, *meanings: str) -> list[tuple[Transfer, Posting, str]]:
        """Each move within our custody that has an asset, with its posting."""
        found = []
        for transfer in block.transfers:
            if self.meaning(transfer) not in meanings:
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
            if self.meaning(transfer) == "funding"
        ]


class DepositSink:
    """The deposits' BlockSink and SeenSink (it must be both); last in the list."""

    def __init__(self, chain_id: int) -> None:
        """One chain's deposits."""
        self._chain_id = chain_id
        self._unit: UnitOfWork | None = None
        self._contexts: dict[BlockView, _Context] = {}

    def on_seen(self, uow: UnitOfWork, block: BlockView) -> None:
        """Keep what came in, before anything is booked."""
        self._record(uow, block, self._context(uow, block))

    def on_unseen(self, uow: UnitOfWork, block: BlockView) -> None:
        """The block left before it was booked: nothing to reverse."""
        _orphan(uow, repository.of_block(uow, block, "seen"))
        uow.session.flush()

    def on_confirmed(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Book what came in to suspense and ask screening; book sweeps; book gas money."""
        context = self._context(uow, block)
        rows = repository.of_block(uow, block, "seen")
        reuse.hold(uow, block, rows)
        arrivals = book_arrivals(uow, block, [row for row in rows if row.asset is not None])
        for row in rows:
            row.chain_state, row.confirmed_at = "confirmed", uow.now
        repository.add_transitions(uow, [_confirmed(block, row) for row in rows])
        for transfer, posting, asset in context.moves(block, "sweep"):
            repository.mark_swept(uow, block, posting.organisation_id, transfer.sender, asset)
        uow.session.flush()
        moves = [posting for _, posting, _ in context.moves(block, "sweep", "feed")]
        postings = [*arrivals, *moves, *context.fundings(block)]
        open_accounts(uow, postings)
        return postings

    def on_finalized(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Nothing more is booked; final deposits may be swept, swept ones are screened no more."""
        changes = []
        for row in repository.of_block(uow, block, "confirmed"):
            row.chain_state, row.finalized_at = "finalized", uow.now
            changes.append(repository.change(row, "finalized", f"Block {block.height} is final."))
            finish_if_over(uow, row)
        for row in repository.swept_in(uow, block):
            if row.screening_request_id is not None:
                screening.finish(uow, row.screening_request_id)
            changes.append(repository.change(row, "swept", "In the vault."))
        repository.add_transitions(uow, changes)
        context = self._context(uow, block)
        by_themselves = context.hashes("leaf_sweep")
        for transfer, _, _ in context.moves(block, "sweep"):
            if transfer.tx_hash not in by_themselves:
                wallets.record_delegation(uow, transfer.sender)
        uow.session.flush()
        return []

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Linked reversals: gas money, sweeps, settlements, arrivals, last booked first."""
        context = self._context(uow, block)
        postings = [rules.reversal(posting) for posting in context.fundings(block)]
        moves = context.moves(block, "sweep", "feed")
        postings += [rules.reversal(posting) for _, posting, _ in reversed(moves)]
        repository.unmark_swept(uow, block)
        rows = repository.of_block(uow, block, "seen", "confirmed", "finalized")
        for row in reversed(rows):
            postings += _taken_back(block, row)
        _orphan(uow, rows)
        uow.session.flush()
        return postings

    def _context(self, uow: UnitOfWork, block: BlockView) -> _Context:
        """Read once a unit, which may see, confirm and close the same block."""
        if self._unit is not uow:
            self._unit, self._contexts = uow, {}
        if block not in self._contexts:
            self._contexts[block] = self._read_context(uow, block)
        return self._contexts[block]

    def _read_context(self, uow: UnitOfWork, block: BlockView) -> _Context:
        ends = {end for item in block.transfers for end in (item.sender, item.recipient)}
        tokens = wallets.tokens(uow, self._chain_id) if ends else []
        watched = wallets.watched_among(uow, self._chain_id, ends)
        ours = {item.tx_hash for item in block.transfers if _may_be_ours(item, watched)}
        sent = relay.by_hash(uow, self._chain_id, ours) if ours else {}
        return _Context(
            watched=watched,
            tokens={(item.organisation_id, item.contract): item.asset for item in tokens},
            coin=wallets.native_asset(uow, self._chain_id) if ends else "",
            purposes={tx_hash: view.purpose for tx_hash, view in sent.items()},
        )

    def _record(self, uow: UnitOfWork, block: BlockView, context: _Context) -> None:
        arrivals = [
            transfer for transfer in block.transfers if context.meaning(transfer) == "deposit"
        ]
        if not arrivals:
            return
        owners = {context.watched[item.recipient].organisation_id for item in arrivals}
        standing = settings.standing_rules(uow, owners)
        whose = wallets.attributions(uow, {item.recipient for item in arrivals})
        found = []
        for transfer in arrivals:
            to = context.watched[transfer.recipient]
            asset = rules.asset_of(transfer, to.organisation_id, context.tokens, context.coin)
            of = (standing, to.organisation_id, transfer.chain_id, asset or "", transfer.units)
            wanted = NO_TERMS if asset is None else terms(*of)
            found.append(
                Arrival(transfer, to, asset, whose.get(transfer.recipient, _TREASURY), wanted)
            )
        repository.record(uow, block, found)


def book_arrivals(uow: UnitOfWork, block: BlockView, rows: Sequence[Deposit]) -> list[Posting]:
    """Ask screening about deposits; gives the postings that bring them into suspense."""
    asked = screening.requests(uow, [_question(row) for row in rows])
    postings = [_arrival(block, row) for row in rows]
    for row, posting, request_id in zip(rows, postings, asked, strict=True):
        row.booking_key, row.screening_request_id = posting.key, request_id
    return postings


def _question(row: Deposit) -> screening.Question:
    return {
        "organisation_id": row.organisation_id,
        "direction": "in",
        "subject": row.payer,
        "reference": f"deposit:{row.id}",
        "topic": TOPIC,
        "payload": {"deposit_id": str(row.id)},
        "deposit": DepositFacts(
            chain_id=row.chain_id,
            tx_hash=row.tx_hash,
            log_index=row.position,
            token=row.token,
            address=row.address,
            units=row.units,
        ),
    }


def _may_be_ours(transfer: Transfer, watched: Mapping[bytes, Watched]) -> bool:
    """Whether it looks like gas money of ours or a sweep: the relay's rows say whether it is."""
    to, source = watched.get(transfer.recipient), watched.get(transfer.sender)
    return rules.meaning(transfer, watched) == "sweep" or rules.may_feed(transfer, source, to)


def _confirmed(block: BlockView, row: Deposit) -> Change:
    """The change of state of a deposit that is deep enough."""
    if row.asset is None:
        reason = "The token is not in the policy: kept and shown, never credited."
        return repository.change(row, "unknown_token", reason)
    reason = f"Booked to suspense from block {block.height}; being screened."
    return repository.change(row, "unscreened", reason)


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
    return rules.arrival(block, transfer, to, row.asset or "", row.customer_reference)


def _taken_back(block: BlockView, row: Deposit) -> list[Posting]:
    """Reversals of a deposit's settlement and of its arrival, as far as they were booked."""
    found: list[Posting] = []
    if row.settlement_key is not None and row.asset is not None:
        account = row.client_account if row.disposition == "credited" else rules.QUARANTINE
        settled = rules.settlement(
            row.organisation_id, row.id, account, row.asset, row.units, row.customer_reference
        )
        found.append(rules.reversal(settled))
    if row.booking_key is not None:
        found.append(rules.reversal(_arrival(block, row)))
    return found


def _orphan(uow: UnitOfWork, rows: Sequence[Deposit]) -> None:
    changes = []
    for row in rows:
        row.chain_state, row.orphaned_at = "orphaned", uow.now
        row.disposition, row.held, row.awaits = "reversed", None, None
        reason = f"Block {row.height} left the chain; what was booked is reversed."
        changes.append(repository.change(row, "reversed", reason))
    repository.add_transitions(uow, changes)


def open_accounts(uow: UnitOfWork, postings: Sequence[Posting]) -> None:
    refs = {
        AccountRef(posting.organisation_id, code, leg.asset)
        for posting in postings
        for leg in posting.legs
        for code in (leg.debit, leg.credit)
    }
    ledger.open_accounts(uow, sorted(refs, key=lambda ref: (ref.organisation_id, ref.code)))
