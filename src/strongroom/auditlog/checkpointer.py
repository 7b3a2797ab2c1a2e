"""Has the newest head signed, outside any transaction, and stores the note."""

from typing import Final

from strongroom.auditlog import service
from strongroom.auditlog.ports import CheckpointSigner
from strongroom.db.actor import system
from strongroom.db.database import Database, UnitOfWork
from strongroom.kit.crash import crash_point

PAUSE_SECONDS: Final = 0.5
"""A head is signed at most twice a second: with the sequencer's pause, within a second."""
_ACTOR: Final = system("checkpointer")


class Checkpointer:
    """One step: choose a head and store which (commit), sign (outside), store the note (commit)."""

    def __init__(self, database: Database, signer: CheckpointSigner) -> None:
        """`database` connects as strongroom_relay."""
        self._database = database
        self._signer = signer

    def step(self) -> bool:
        """Always False: the loop's pause sets the pace, not the load."""
        with self._database.unit(None, _ACTOR) as uow:
            signed = service.newest_checkpoint(uow)
            signed_size = signed.size if signed else 0
            size = self._choose(uow, signed_size)
            if size == signed_size:
                return False
            root = service.root_at(uow, size)
            proof = service.consistency_proof(uow, signed_size, size)
        crash_point("checkpoint.asked")
        note = self._signer.sign(size, root, proof)
        crash_point("checkpoint.signed")
        with self._database.unit(None, _ACTOR) as uow:
            uow.execute(
                "INSERT INTO log_checkpoint (size, root, note, signed_at) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (size) DO NOTHING",
                (size, root, note, uow.now),
            )
        return False

    def _choose(self, uow: UnitOfWork, signed_size: int) -> int:
        """The head asked for before, if its note never came; else the newest."""
        found = uow.execute("SELECT size FROM log_asked FOR UPDATE").fetchone()
        asked = found[0] if found else 0
        if asked > signed_size:
            return int(asked)
        newest = service.head(uow).size
        uow.execute("UPDATE log_asked SET size = %s", (newest,))
        return newest
