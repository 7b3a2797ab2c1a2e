"""Hands in one order, in a process that may be killed: organisation, fields, signature."""

import ast
import os
import sys
from uuid import UUID

from strongroom.db.actor import Actor
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.withdrawals import service as withdrawals

if __name__ == "__main__":
    organisation, fields, signature = sys.argv[1:]
    database = Database(
        os.environ["STRONGROOM_DATABASE_URL"], clock=SystemClock(), application_name="hand-in"
    )
    with database.unit(UUID(organisation), Actor("credential", "hand-in")) as uow:
        withdrawals.request(uow, fields=ast.literal_eval(fields), initiator_signature=signature)
    database.close()
