"""Beat only inserts rows: a job is a message of the house, unique by topic and due time.

Any number of beats may run; the row's key lets one of them win. A beat that was away for an hour
inserts the newest due time only: nobody needs yesterday's sweep plan.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from strongroom.db import outbox
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.ids import HOUSE
from strongroom.workers.jobs import Job

PAUSE_SECONDS: Final = 0.5
_ACTOR: Final = system("beat")


class Beat:
    """One step inserts what has become due since the last."""

    def __init__(self, database: Database, jobs: Sequence[Job]) -> None:
        """`database` connects as strongroom_worker."""
        self._database = database
        self._jobs = jobs
        self._newest: dict[str, datetime] = {}

    def step(self) -> bool:
        """Always False: the clock sets the pace."""
        now = self._database.clock.now()
        due = {job: job.due_before(now) for job in self._jobs}
        fresh = {job: at for job, at in due.items() if self._newest.get(job.topic) != at}
        if fresh:
            with self._database.unit(None, _ACTOR) as uow:
                for job, at in sorted(fresh.items(), key=lambda item: item[0].topic):
                    outbox.enqueue(
                        uow, job.topic, at.isoformat(), {}, due_at=at, organisation_id=HOUSE
                    )
            self._newest.update({job.topic: at for job, at in fresh.items()})
        return False
