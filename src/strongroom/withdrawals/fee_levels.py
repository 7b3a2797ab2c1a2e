"""What a payment's gas may cost: slow, normal and fast, from what the chain's last blocks paid.

The relay process reads the chain and keeps one row a chain; the API shows it. The level chooses the
tip that is offered; what may be paid at most is the order's own signed cap, and the policy's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.chain.types import FeeQuote
from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.relay.rules import GAS
from strongroom.relay.types import FeeLevel
from strongroom.withdrawals.models import FeeQuoteRow
from strongroom.withdrawals.wallet import Wallet
from strongroom_protocol.bundle import Bundle

PAUSE_SECONDS: Final = 6.0
OLD_SECONDS: Final = 120
"""An older quote is shown with its age, and no cap is made from it."""
HEADROOM: Final = 2
LEVELS: Final[tuple[FeeLevel, ...]] = ("slow", "normal", "fast")


class PricedNode(Protocol):
    """What the loop needs of a node."""

    def fees(self) -> FeeQuote:
        """What the next block costs."""
        ...


@dataclass(frozen=True, slots=True)
class Level:
    """In wei: the tip, the most that a unit of gas may cost, and what all may cost. `limited`: the
    policy allows less than the chain may ask for, so it may wait.
    """

    name: FeeLevel
    priority_fee_wei: int
    max_fee_per_gas_wei: int
    max_fee_wei: int
    limited: bool


class FeeLoop:
    """One step asks the node what its next block costs, and keeps that."""

    def __init__(self, database: Database, node: PricedNode, chain_id: int) -> None:
        """The relay's role; the node's chain."""
        self._database = database
        self._node = node
        self._chain_id = chain_id
        self._actor: Actor = system("relay")

    def step(self) -> bool:
        """Always False: the clock sets the pace. A node that is away leaves the old row."""
        quote = self._node.fees()
        with self._database.unit(None, self._actor) as uow:
            values = {
                "base_fee_wei": quote.base_fee_wei,
                **{f"{level}_wei": quote.tip_wei(level) for level in LEVELS},
                "at": uow.now,
            }
            written = insert(FeeQuoteRow).values(chain_id=self._chain_id, **values)
            uow.session.execute(
                written.on_conflict_do_update(index_elements=["chain_id"], set_=values)
            )
        return False


def levels(uow: UnitOfWork, bundle: Bundle, payer: Wallet) -> tuple[datetime, list[Level]] | None:
    """Since when, and the three levels for a payment by this wallet; None: nothing is known lately.
    Half of the price per unit is for a base fee that rises.
    """
    row = uow.session.scalars(
        select(FeeQuoteRow).where(FeeQuoteRow.chain_id == bundle.chain_id)
    ).one_or_none()
    if row is None or row.at < uow.now - timedelta(seconds=OLD_SECONDS):
        return None
    gas = GAS["vault_execution" if payer.kind == "vault" else "hot_payment"]
    tips = (row.slow_wei, row.normal_wei, row.fast_wei)
    found = []
    for name, tip in zip(LEVELS, tips, strict=True):
        wanted = HEADROOM * row.base_fee_wei + tip
        price = min(wanted, bundle.max_fee_per_gas_wei, payer.max_fee_wei // gas)
        found.append(Level(name, tip, price, price * gas, price < wanted))
    return row.at, found


def cap_wei(uow: UnitOfWork, bundle: Bundle, payer: Wallet, level: FeeLevel | None) -> int:
    """What an order of this level lets its gas cost; without a level or a quote, what the policy
    allows.
    """
    known = None if level is None else levels(uow, bundle, payer)
    if known is None:
        return payer.max_fee_wei
    return next(one.max_fee_wei for one in known[1] if one.name == level)
