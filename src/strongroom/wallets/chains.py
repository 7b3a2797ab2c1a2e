"""The code of each chain's own coin: said once, at the chain's deploy, and never changed.

The house's books know two chains' gas money apart by it; custody accounts name their chain anyway.
"""

from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from strongroom.db.database import UnitOfWork
from strongroom.wallets.errors import CoinTaken
from strongroom.wallets.models import WatchedChain

FIRST_COIN: Final = "ETH/18"
"""The coin of a chain that nothing was said of."""


def name_coin(uow: UnitOfWork, chain_id: int, native_asset: str) -> None:
    """Say the code of a chain's coin; idempotent. Raises CoinTaken."""
    said = insert(WatchedChain).values(
        chain_id=chain_id, native_asset=native_asset, created_at=uow.now
    )
    uow.session.execute(said.on_conflict_do_nothing())
    found = uow.session.execute(
        select(WatchedChain.chain_id, WatchedChain.native_asset).where(
            (WatchedChain.chain_id == chain_id) | (WatchedChain.native_asset == native_asset)
        )
    ).all()
    for other, code in found:
        if (other, code) != (chain_id, native_asset):
            raise CoinTaken(
                f"Chain {other} has the coin {code}; chain {chain_id} can't have {native_asset} in "
                "the same books. Correct native_asset (STRONGROOM_NATIVE_ASSET): each chain keeps "
                "its own code for ever."
            )


def native_asset(uow: UnitOfWork, chain_id: int) -> str:
    """The code of the chain's own coin."""
    found = uow.execute(
        "SELECT native_asset FROM watched_chain WHERE chain_id = %s", (chain_id,)
    ).fetchone()
    return FIRST_COIN if found is None else str(found[0])
