"""`strongroom log verify`: reads the log again and joins the books to it."""

from strongroom.auditlog import service, verification
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.ledger import invariants


def run(args: list[str]) -> int:
    """0 when everything fits; 1 with a sentence for each thing that does not."""
    if args != ["verify"]:
        print("usage: strongroom log verify   (STRONGROOM_DATABASE_URL as strongroom_worker)")
        return 2
    url = Config.from_environment().require_database_url()
    database = Database(url, clock=SystemClock(), pool_size=1, application_name="log verify")
    try:
        with database.read(None, system("log verify")) as uow:
            uow.execute("SET LOCAL statement_timeout = 0")
            size = service.head(uow).size
            checkpoint = service.newest_checkpoint(uow)
            found = verification.broken(uow) + invariants.broken(uow)
    finally:
        database.close()
    for sentence in found:
        print(f"BROKEN  {sentence}")
    signed = checkpoint.size if checkpoint else 0
    print(f"{size} records, signed up to {signed}: {'broken' if found else 'all fits'}")
    return 1 if found else 0
