"""The shape of a loop that acts outside: claim a row (commit) → act → record, fenced (WRITES.md).

What is away makes the row wait, and nothing else. Any number of such loops may run.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

from strongroom.db.actor import Actor, system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point
from strongroom.kit.errors import StrongroomError
from strongroom.kit.log import bind_request_id, logger

log = logger(__name__)


class Claimed(Protocol):
    """What every claim names: its row, and the request that it goes back to."""

    @property
    def id(self) -> UUID:
        """The row's."""
        ...

    @property
    def request_id(self) -> str:
        """Bound to the log while it is worked on."""
        ...


C = TypeVar("C", bound=Claimed)


class ClaimLoop(ABC, Generic[C]):
    """One step takes one row of one chain's organisations."""

    CLAIMED: ClassVar[str]
    """The crash point after a claim."""
    WAITS: ClassVar[str]
    """What the log says when a row has to wait."""

    def __init__(self, database: Database, chain_id: int) -> None:
        """The database's role serves all organisations."""
        self._database = database
        self._chain_id = chain_id
        self._actor: Actor = system("relay")

    def step(self) -> bool:
        """True when there was one."""
        with self._database.unit(None, self._actor) as uow:
            found = self._claim(uow)
        if found is None:
            return False
        crash_point(self.CLAIMED)
        if not isinstance(found, bool):
            with bind_request_id(found.request_id):
                try:
                    self._act(found)
                except StrongroomError as error:
                    log.warning(self.WAITS, row=str(found.id), code=error.code)
                    with self._database.unit(None, self._actor) as uow:
                        self._defer(uow, found, error.message)
        return True

    @abstractmethod
    def _claim(self, uow: UnitOfWork) -> C | bool | None:
        """Lease what is due. None: nothing is; True: it was, and is done with for now."""

    @abstractmethod
    def _act(self, claimed: C) -> None:
        """What is done outside, and its record."""

    @abstractmethod
    def _defer(self, uow: UnitOfWork, claimed: C, sentence: str) -> None:
        """Make the row wait, if it is still ours."""
