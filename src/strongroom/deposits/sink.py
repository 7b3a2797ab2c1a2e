"""What blocks bring in: deposits booked against suspense, our own sweeps, gas money of the house.

Only rows and postings here: the indexer posts them. Reversals come in the opposite order of what
they take back, so that no account passes below zero on the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from strongroom.chain.ports import BlockView, Reached, Transfer
from strongroom.db.database import UnitOfWork
from strongroom.deposits import repository, reuse, rules, settings
from strongroom.deposits.models import Deposit
from strongroom.deposits.repository import Change, Row
from strongroom.deposits.terms import NO_TERMS, Terms, terms
from strongroom.kit.check import check
from strongroom.ledger import service as ledger
from strongroom.ledger.types import AccountRef, Posting
from strongroom.relay import service as relay
from strongroom.screening import service as screening
from strongroom.screening.types import DepositFacts
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Attribution, Watched

TOPIC: Final = "deposits.settle"
_TREASURY: Final = Attribution(wallets.TREASURY, None, "credit")
_Key = tuple[bytes, int]
"""An appearance of a block: its hash and sighting."""


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


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a transfer to one of our addresses means there."""

    to: Watched
    asset: str | None
    whose: Attribution
    terms: Terms


class DepositSink:
    """The deposits' BlockSink and SeenSink (it must be both); last in the list."""

    def __init__(self, chain_id: int) -> None:
        """One chain's deposits."""
        self._chain_id = chain_id
        self._unit: UnitOfWork | None = None
        self._contexts: dict[_Key, _Context] = {}
        self._fresh: dict[_Key, list[Posting]] = {}
        """Blocks whose deposits this unit has written in their end state, and their postings."""

    def on_seen(self, uow: UnitOfWork, blocks: Sequence[BlockView], reached: Reached) -> None:
        """Keep what came in. What is booked in this same unit is written so, and screened."""
        context = self._context(uow, blocks)
        arrived = self._arrived(uow, blocks, context, reached)
        rows = [row for _, row in arrived]
        changes: list[Change] = [(dict(row), "seen", f"In block {row['height']}.") for row in rows]
        if reached != "seen":
            self._fresh |= {_key(block): [] for block in blocks}
            changes += self._book(uow, arrived)
        if reached == "finalized":
            changes += [_finalized(row) for row in rows]
        if rows:
            repository.record(uow, rows)
            repository.add_transitions(uow, changes)

    def on_unseen(self, uow: UnitOfWork, block: BlockView) -> None:
        """The block left before it was booked: nothing to reverse."""
        _orphan(uow, repository.of_block(uow, block, "seen"))
        uow.session.flush()

    def on_confirmed(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Book what came in to suspense and ask screening; book sweeps; book gas money."""
        context = self._context(uow, blocks)
        waiting = {_key(block): block for block in blocks if _key(block) not in self._fresh}
        rows = repository.of_blocks(uow, list(waiting.values()), "seen")
        self._fresh |= {key: [] for key in waiting}
        if rows:
            changes = self._book(
                uow, [(waiting[row["block_hash"], row["sighting"]], row) for row in rows]
            )
            repository.confirm(uow, rows)
            repository.add_transitions(uow, changes)
        repository.mark_swept(uow, self._chain_id, _swept(context, blocks))
        postings = [
            [
                *self._fresh[_key(block)],
                *(posting for _, posting, _ in context.moves(block, "sweep", "feed")),
                *context.fundings(block),
            ]
            for block in blocks
        ]
        open_accounts(uow, [posting for of_block in postings for posting in of_block])
        return postings

    def on_finalized(
        self, uow: UnitOfWork, blocks: Sequence[BlockView]
    ) -> Sequence[Sequence[Posting]]:
        """Nothing more is booked; final deposits may be swept, swept ones are screened no more."""
        rows = repository.finalize(uow, blocks)
        context = self._context(uow, blocks)
        swept = repository.swept_in(uow, self._chain_id, _swept(context, blocks))
        over = [row for row in rows if _is_over(row)] + swept
        screening.finish_all(
            uow, [row["screening_request_id"] for row in over if row["screening_request_id"]]
        )
        changes = [_finalized(row) for row in rows]
        changes += [(row, "swept", "In the vault.") for row in swept]
        repository.add_transitions(uow, changes)
        by_themselves = context.hashes("leaf_sweep")
        wallets.record_delegations(
            uow,
            {
                transfer.sender
                for block in blocks
                for transfer, _, _ in context.moves(block, "sweep")
                if transfer.tx_hash not in by_themselves
            },
        )
        return [[] for _ in blocks]

    def on_orphaned(self, uow: UnitOfWork, block: BlockView) -> Sequence[Posting]:
        """Linked reversals: gas money, sweeps, settlements, arrivals, last booked first."""
        context = self._context(uow, [block])
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

    def _context(self, uow: UnitOfWork, blocks: Sequence[BlockView]) -> _Context:
        """Read once a unit, which may see, confirm and close the same blocks."""
        if self._unit is not uow:
            self._unit, self._contexts, self._fresh = uow, {}, {}
        found = [self._contexts.get(_key(block)) for block in blocks]
        if found and found[0] is not None and all(one is found[0] for one in found):
            return found[0]
        context = self._read_context(uow, blocks)
        self._contexts |= {_key(block): context for block in blocks}
        return context

    def _read_context(self, uow: UnitOfWork, blocks: Sequence[BlockView]) -> _Context:
        moved = [item for block in blocks for item in block.transfers]
        ends = {end for item in moved for end in (item.sender, item.recipient)}
        tokens = wallets.tokens(uow, self._chain_id) if ends else []
        watched = wallets.watched_among(uow, self._chain_id, ends) if ends else {}
        ours = {item.tx_hash for item in moved if _may_be_ours(item, watched)}
        sent = relay.by_hash(uow, self._chain_id, ours) if ours else {}
        return _Context(
            watched=watched,
            tokens={(item.organisation_id, item.contract): item.asset for item in tokens},
            coin=wallets.native_asset(uow, self._chain_id) if ends else "",
            purposes={tx_hash: view.purpose for tx_hash, view in sent.items()},
        )

    def _arrived(
        self, uow: UnitOfWork, blocks: Sequence[BlockView], context: _Context, reached: Reached
    ) -> list[tuple[BlockView, Row]]:
        """Rows of what came in, in the order of the blocks."""
        found = [
            (block, transfer)
            for block in blocks
            for transfer in block.transfers
            if context.meaning(transfer) == "deposit"
        ]
        if not found:
            return []
        owners = {context.watched[item.recipient].organisation_id for _, item in found}
        standing = settings.standing_rules(uow, owners)
        whose = wallets.attributions(uow, {item.recipient for _, item in found})
        rows = []
        ids = sorted(uow.new_id() for _ in found)  # of one millisecond, yet in this order
        for deposit_id, (block, transfer) in zip(ids, found, strict=True):
            to = context.watched[transfer.recipient]
            asset = rules.asset_of(transfer, to.organisation_id, context.tokens, context.coin)
            of = (standing, to.organisation_id, transfer.chain_id, asset or "", transfer.units)
            wanted = NO_TERMS if asset is None else terms(*of)
            meant = _Meant(to, asset, whose.get(transfer.recipient, _TREASURY), wanted)
            rows.append((block, _row(deposit_id, block, transfer, meant, reached)))
        return rows

    def _book(self, uow: UnitOfWork, arrived: Sequence[tuple[BlockView, Row]]) -> list[Change]:
        """Ask screening and keep the postings; gives the changes of state."""
        reuse.hold(uow, [row for _, row in arrived])
        known = [(block, row) for block, row in arrived if row["asset"] is not None]
        for (block, _), posting in zip(known, book_arrivals(uow, known), strict=True):
            self._fresh[_key(block)].append(posting)
        return [_confirmed(row) for _, row in arrived]


def book_arrivals(uow: UnitOfWork, arrived: Sequence[tuple[BlockView, Row]]) -> list[Posting]:
    """Ask screening about deposits of known assets, each with its block; gives the postings that
    bring them into suspense, and sets booking_key and screening_request_id.
    """
    asked = screening.requests(uow, [_question(row) for _, row in arrived])
    postings = [_arrival(block, row) for block, row in arrived]
    for (_, row), posting, request_id in zip(arrived, postings, asked, strict=True):
        row["booking_key"], row["screening_request_id"] = posting.key, request_id
    return postings


def _key(block: BlockView) -> _Key:
    return block.hash, block.sighting


def _swept(context: _Context, blocks: Sequence[BlockView]) -> list[Row]:
    """What was swept in these blocks; of an address and asset the first time."""
    first: dict[tuple[object, ...], Row] = {}
    for block in blocks:
        for transfer, posting, asset in context.moves(block, "sweep"):
            row = {
                "organisation_id": posting.organisation_id,
                "address": transfer.sender,
                "asset": asset,
                "block_hash": block.hash,
            }
            first.setdefault((posting.organisation_id, transfer.sender, asset), row)
    return list(first.values())


def _row(
    deposit_id: UUID, block: BlockView, transfer: Transfer, meant: _Meant, reached: Reached
) -> Row:
    to, asset = meant.to, meant.asset
    return {
        "organisation_id": to.organisation_id,
        "id": deposit_id,
        "chain_id": block.chain_id,
        "height": block.height,
        "block_hash": block.hash,
        "sighting": block.sighting,
        "tx_hash": transfer.tx_hash,
        "position": transfer.position,
        "kind": transfer.kind,
        "token": transfer.token,
        "asset": asset,
        "units": transfer.units,
        "payer": transfer.sender,
        "address": transfer.recipient,
        "address_kind": to.kind,
        "custody_code": to.custody_code,
        "client_account": meant.whose.client_account,
        "customer_reference": meant.whose.customer_reference,
        "confirmations": meant.terms.confirmations,
        "level": meant.terms.level,
        "awaits": meant.terms.why or None,
        "held": None,
        "booking_key": None,
        "screening_request_id": None,
        "chain_state": reached,
        "disposition": "unknown_token" if asset is None else "unscreened",
    }


def _question(row: Row) -> screening.Question:
    return {
        "organisation_id": row["organisation_id"],
        "direction": "in",
        "subject": row["payer"],
        "reference": f"deposit:{row['id']}",
        "topic": TOPIC,
        "payload": {"deposit_id": str(row["id"])},
        "deposit": DepositFacts(
            chain_id=row["chain_id"],
            tx_hash=row["tx_hash"],
            log_index=row["position"],
            token=row["token"],
            address=row["address"],
            units=row["units"],
        ),
    }


def _may_be_ours(transfer: Transfer, watched: Mapping[bytes, Watched]) -> bool:
    """Whether it looks like gas money of ours or a sweep: the relay's rows say whether it is."""
    to, source = watched.get(transfer.recipient), watched.get(transfer.sender)
    return rules.meaning(transfer, watched) == "sweep" or rules.may_feed(transfer, source, to)


def _confirmed(row: Row) -> Change:
    """The change of state of a deposit that is deep enough."""
    if row["asset"] is None:
        reason = "The token is not in the policy: kept and shown, never credited."
        return row, "unknown_token", reason
    return row, "unscreened", f"Booked to suspense from block {row['height']}; being screened."


def _finalized(row: Row) -> Change:
    return row, "finalized", f"Block {row['height']} is final."


def _is_over(row: Row) -> bool:
    """A final, credited payment to a wallet that pays goes nowhere else: screened no more."""
    return bool(row["disposition"] == "credited" and row["address_kind"] != "deposit")


def finish_if_over(uow: UnitOfWork, row: Deposit) -> None:
    """The same when the credit comes after finality."""
    over = row.chain_state == "finalized" and _is_over(repository.columns(row))
    if over and row.screening_request_id is not None:
        screening.finish(uow, row.screening_request_id)


def _arrival(block: BlockView, row: Row) -> Posting:
    check(row["asset"] is not None, "only a known asset is booked")
    transfer = Transfer(
        chain_id=row["chain_id"],
        height=row["height"],
        block_hash=row["block_hash"],
        tx_hash=row["tx_hash"],
        position=row["position"],
        token=row["token"],
        sender=row["payer"],
        recipient=row["address"],
        units=row["units"],
        kind=row["kind"],
    )
    to = Watched(row["organisation_id"], row["address"], row["address_kind"], row["custody_code"])
    return rules.arrival(block, transfer, to, row["asset"], row["customer_reference"])


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
        found.append(rules.reversal(_arrival(block, repository.columns(row))))
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
