"""Between which blocks an account's balance on chain and in the books came apart.

Halving needs a node that has old states (an archive node). Without one the range stays as wide as
the readings kept here make it, and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from strongroom.chain.errors import ChainError
from strongroom.db.database import Database, UnitOfWork
from strongroom.indexer import repository
from strongroom.indexer.booking import ACTOR
from strongroom.indexer.errors import ForkChanged
from strongroom.indexer.fetch_thread import FetchThread
from strongroom.indexer.types import Range
from strongroom.ledger import service as ledger
from strongroom.wallets import service as wallets
from strongroom.wallets.types import Holding

PROBES_MAX: Final = 64
"""Halvings: more than any chain's height needs."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What chain and books say of one account at one final block, in units."""

    chain_units: int
    ledger_units: int

    @property
    def differ(self) -> bool:
        """Whether they disagree."""
        return self.chain_units != self.ledger_units


def bisect(differ: Callable[[int], bool], low: int, high: int, *, known: bool = False) -> Range:
    """Halve the blocks above `low` up to `high`, which differs. `known`: `low` is equal, as known.

    A ChainError of `differ` ends the search with what was found until then.
    """
    equal = low if known else None
    why = ""
    try:
        if equal is None and low < high:
            if differ(low):
                told = f"They differed already at block {low}, the first that is followed here."
                return Range(None, low, told)
            equal = low
        for _ in range(PROBES_MAX):
            if equal is None or high - equal <= 1:
                break
            middle = (equal + high) // 2
            if differ(middle):
                high = middle
            else:
                equal = middle
    except ChainError as error:
        why = f" It is no narrower because the node has no state of older blocks: {error.message}"
    if equal is None:
        return Range(None, high, f"They differ at block {high}; when it began is not known.{why}")
    if high - equal == 1:
        return Range(equal, high, f"It began in block {high}.")
    return Range(equal, high, f"It began in one of the blocks {equal + 1} to {high}.{why}")


class Inspector:
    """Puts one account's two sides beside each other at any final block."""

    def __init__(self, database: Database, thread: FetchThread, chain_id: int) -> None:
        """`thread`: the chain's nodes; `database` connects as strongroom_indexer."""
        self._database = database
        self._thread = thread
        self._chain_id = chain_id

    def sides(self, holding: Holding, height: int) -> Sides:
        """Both sides at a final block. Raises ChainError, ForkChanged."""
        code = wallets.custody_code(self._chain_id, holding.address)
        with self._database.read(None, ACTOR) as uow:
            own = repository.canonical(uow, self._chain_id, height)
            books = ledger.custody_at(uow, self._chain_id, height, codes=[code])
        header = self._thread.read(self._thread.fetcher.header_at(height))
        if own is not None and own.block_hash != header.hash:
            raise ForkChanged(f"The node shows another block {height} than the final one here.")
        asked = [(holding.address, holding.token)]
        (held,) = self._thread.read(self._thread.fetcher.balances(header, asked))
        return Sides(held, sum(one.units for one in books if one.asset == holding.asset))

    def range_of(self, holding: Holding, first: int, height: int) -> Range:
        """Where the difference that `height` shows began; `first`: followed from there on."""
        equal = self._last_equal(holding, height)
        low = first if equal is None else max(first, equal)
        return bisect(lambda at: self.sides(holding, at).differ, low, height, known=low == equal)

    def _last_equal(self, holding: Holding, height: int) -> int | None:
        """The newest kept reading below `height` that the books agree with."""
        code = wallets.custody_code(self._chain_id, holding.address)
        with self._database.read(None, ACTOR) as uow:
            found = uow.execute(
                "SELECT height, units FROM chain_balance AS r WHERE chain_id = %s AND address = %s"
                " AND asset = %s AND height < %s AND NOT EXISTS (SELECT FROM chain_block AS b"
                "  WHERE b.chain_id = r.chain_id AND b.block_hash = r.block_hash"
                "  AND b.orphaned_at IS NOT NULL) ORDER BY height DESC LIMIT 8",
                (self._chain_id, holding.address, holding.asset, height),
            ).fetchall()
            for at, units in found:
                if self._booked(uow, code, holding.asset, at) == int(units):
                    return int(at)
        return None

    def _booked(self, uow: UnitOfWork, code: str, asset: str, height: int) -> int:
        books = ledger.custody_at(uow, self._chain_id, height, codes=[code])
        return sum(one.units for one in books if one.asset == asset)
