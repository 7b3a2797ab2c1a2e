"""The relay's look at its keys: nonces and gas money as two nodes say, every few seconds.

It sends the whole queue of a key again where a pool has lost it, and tells people of a gap, a
stranger's use, a transaction that is stuck, and gas money that ends soon. It concludes nothing by
one node, and changes no state: what is mined, blocks tell.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.errors import ChainError
from strongroom.chain.rpc import Call, quantity, read
from strongroom.chain.types import FeeQuote
from strongroom.db import outbox
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.log import logger
from strongroom.kit.metrics import gauge
from strongroom.relay import alerts, queue, repository, rules
from strongroom.relay.models import Purse
from strongroom_protocol.addresses import Address, checksum

PAUSE_SECONDS: Final = 5.0
KEYS_A_BATCH: Final = 100
TOPUP_TOPIC: Final = "relay.topup"

log = logger(__name__)


class AskedNodes(Protocol):
    """The nodes as this loop uses them. Errors are those of chain.errors."""

    @property
    def url(self) -> str:
        """The node that is asked first now."""
        ...

    def fees(self) -> FeeQuote:
        """What the next block costs."""
        ...

    def ask_each(
        self, calls: Sequence[Call], count: int = 2
    ) -> list[list[msgspec.Raw | ChainError]]:
        """The same batch at up to `count` nodes."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """One key as the nodes see it."""

    organisation_id: UUID
    address: bytes
    balance_wei: int
    mined: int
    pending: int
    finalized: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """In usual transactions at the present price: alert below `low`, fill up to `full`."""

    low: int = 20
    full: int = 100


class KeyWatch:
    """One step looks at every key once."""

    def __init__(
        self, database: Database, nodes: AskedNodes, chain_id: int, thresholds: Thresholds
    ) -> None:
        """The database's role serves all organisations."""
        self._database = database
        self._nodes = nodes
        self._chain_id = chain_id
        self._thresholds = thresholds
        self._actor: Actor = system("relay")
        self._url = nodes.url

    def step(self) -> bool:
        """False: there is time until the next look. Raises ChainError when no node answers."""
        with self._database.read(None, self._actor) as uow:
            keys = repository.keys(uow, self._chain_id)
        quote = self._nodes.fees()
        seen = [one for batch in _batches(keys) for one in self._ask(batch)]
        moved, self._url = self._nodes.url != self._url, self._nodes.url
        ours = self._mined_as_ours(seen)
        with self._database.unit(None, self._actor) as uow:
            low = [one for one in seen if self._keep(uow, one, quote)]
            handed = uow.now - timedelta(seconds=PAUSE_SECONDS)
            first = repository.first_unmined(uow, self._chain_id, handed)
            again = {one.address for one in seen if moved or _lost(one, first)}
            if again:
                count = repository.send_again(uow, self._chain_id, again)
                log.info("relay.sends_again", keys=len(again), rows=count, other_node=moved)
            self._tell_of_stuck(uow, ours)
            for one in low:
                self._ask_for_gas(uow, one, quote)
        return False

    def _ask(self, keys: Mapping[bytes, UUID]) -> Iterator[Seen]:
        calls = [
            Call(method, ("0x" + key.hex(), tag))
            for key in keys
            for method, tag in (
                ("eth_getBalance", "latest"),
                ("eth_getTransactionCount", "latest"),
                ("eth_getTransactionCount", "pending"),
                ("eth_getTransactionCount", "finalized"),
            )
        ]
        answers = self._nodes.ask_each(calls)
        for place, (key, organisation_id) in enumerate(keys.items()):
            told = [[_number(one) for one in node[place * 4 : place * 4 + 4]] for node in answers]
            # The lower answer claims less: the money that is there, the nonces that are used.
            balance, mined, _, finalized = (min(column) for column in zip(*told, strict=True))
            pending = max(node[2] for node in told)
            yield Seen(organisation_id, key, balance, mined, pending, finalized)

    def _keep(self, uow: UnitOfWork, seen: Seen, quote: FeeQuote) -> bool:
        """Write it down. True: the key runs low."""
        place = (seen.organisation_id, self._chain_id, seen.address)
        before = uow.session.get(Purse, place)
        cost = rules.USUAL_GAS * quote.max_fee_wei
        left = seen.balance_wei // cost
        state = "dry" if left == 0 else "low" if left < self._thresholds.low else "ok"
        looked = (seen.mined, seen.pending, seen.finalized, state)
        if before is not None and _told(before) == looked and before.checked_at > _minute_ago(uow):
            return state != "ok"
        since = uow.now if before is None or before.state != state else before.since
        values: dict[str, Any] = {
            "balance_wei": seen.balance_wei,
            "cost_wei": cost,
            "transactions_left": min(left, 2**62),
            "mined_nonce": seen.mined,
            "pending_nonce": seen.pending,
            "finalized_nonce": seen.finalized,
            "state": state,
            "since": since,
            "checked_at": uow.now,
        }
        named = dict(zip(("organisation_id", "chain_id", "address"), place, strict=True))
        uow.session.execute(
            insert(Purse)
            .values(**named, **values)
            .on_conflict_do_update(index_elements=list(named), set_=values)
        )
        who = checksum(Address(seen.address))
        figure = gauge(
            "strongroom_relay_transactions_left", "What a key can pay for.", ("chain", "key")
        )
        figure.labels(str(self._chain_id), who).set(left)
        if state != "ok":
            sentence = (
                f"{who} holds {seen.balance_wei} wei: gas for {left} usual transactions at the "
                f"present price. Send coin to it before it is empty."
            )
            once = f"{self._chain_id}:{since.isoformat()}"
            alerts.tell(uow, seen.organisation_id, f"gas_{state}", who, once, sentence)
        return state != "ok"

    def _mined_as_ours(self, seen: Sequence[Seen]) -> set[UUID]:
        """Rows whose nonce is final and of which a node has a receipt: they wait for the indexer,
        and no stranger used the key.
        """
        final = {one.address: one.finalized for one in seen}
        with self._database.read(None, self._actor) as uow:
            attempts = repository.attempts_below(uow, self._chain_id, final)
        calls = [Call("eth_getTransactionReceipt", ("0x" + one.hex(),)) for one, _ in attempts]
        answers = self._nodes.ask_each(calls) if calls else []
        return {
            outgoing_id
            for node in answers
            for (_, outgoing_id), answer in zip(attempts, node, strict=True)
            if isinstance(answer, ChainError) or bytes(answer) != b"null"
        }

    def _tell_of_stuck(self, uow: UnitOfWork, ours: Collection[UUID]) -> None:
        rows = queue.queue(uow, self._chain_id)
        stuck = [row for row in rows if row.advice.stuck and row.outgoing.id not in ours]
        name = "strongroom_relay_stuck"
        gauge(name, "Rows that people should look at.", ("chain",)).labels(str(self._chain_id)).set(
            len(stuck)
        )
        for row in stuck:
            sentence = f"It waits for {row.advice.waits_for}. {row.advice.what_to_do}"
            one = row.outgoing
            owner, once = one.organisation_id, str(one.nonce)
            alerts.tell(uow, owner, row.advice.code, str(one.id), once, sentence)

    def _ask_for_gas(self, uow: UnitOfWork, seen: Seen, quote: FeeQuote) -> None:
        """Ask each organisation whose policy may feed the house's key; the first one does."""
        purse = uow.session.get_one(
            Purse, (seen.organisation_id, self._chain_id, seen.address), populate_existing=True
        )
        if not repository.is_relay_key(uow, self._chain_id, seen.address):
            return
        full = self._thresholds.full * rules.USUAL_GAS * quote.max_fee_wei
        payload = {
            "chain_id": self._chain_id,
            "episode": f"{self._chain_id}:{seen.address.hex()}:{purse.since.isoformat()}",
            "units": str(max(full - seen.balance_wei, 1)),
        }
        others = select(Purse.organisation_id).where(
            Purse.chain_id == self._chain_id, Purse.address != seen.address, Purse.state == "ok"
        )
        for owner in uow.session.scalars(others.distinct()):
            outbox.enqueue(
                uow, TOPUP_TOPIC, str(payload["episode"]), payload, organisation_id=owner
            )


def _batches(keys: Mapping[bytes, UUID]) -> Iterator[Mapping[bytes, UUID]]:
    every = list(keys.items())
    for at in range(0, len(every), KEYS_A_BATCH):
        yield dict(every[at : at + KEYS_A_BATCH])


def _told(purse: Purse) -> tuple[int, int, int, str]:
    return purse.mined_nonce, purse.pending_nonce, purse.finalized_nonce, purse.state


def _minute_ago(uow: UnitOfWork) -> datetime:
    return uow.now - timedelta(minutes=1)


def _lost(seen: Seen, first: Mapping[bytes, int]) -> bool:
    """Its next transaction was handed over a while ago, and no pool has it."""
    return first.get(seen.address) == seen.mined and seen.pending <= seen.mined


def _number(answer: msgspec.Raw | ChainError) -> int:
    """A quantity; 0 where a node has no word for it, such as a tag that it does not know."""
    return 0 if isinstance(answer, ChainError) else quantity(read(answer, str))
