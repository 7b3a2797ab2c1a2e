"""A loop's step: folds what waits for accounts without a floor into their balances."""

from typing import Final

from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.ledger import service

FOLD_MAX: Final = 5_000
PAUSE_SECONDS: Final = 1.0
_ACTOR: Final = system("folder")


class Folder:
    """Balances are right before and after a fold; folding only keeps reading them cheap."""

    def __init__(self, database: Database) -> None:
        """`database` connects as strongroom_relay or strongroom_worker."""
        self._database = database

    def step(self) -> bool:
        """True when more may wait."""
        with self._database.unit(None, _ACTOR) as uow:
            return service.fold(uow, FOLD_MAX) == FOLD_MAX
