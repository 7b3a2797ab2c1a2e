"""`strongroom custody record FILE`: a key ceremony's transcript into the audit log."""

from pathlib import Path

from strongroom.auditlog import service
from strongroom.config import Config
from strongroom.db.actor import system
from strongroom.db.database import Database
from strongroom.kit.clock import SystemClock
from strongroom.kit.ids import HOUSE
from strongroom_protocol.errors import ProtocolError
from strongroom_protocol.transcript import head_of, read_transcript, signed_lines


def run(args: list[str]) -> int:
    """0 when the transcript was recorded; 1 with a sentence when its chain or an officer's
    signature in it does not fit.
    """
    if len(args) != 2 or args[0] != "record":
        print("usage: strongroom custody record FILE   (with the URL of strongroom_worker)")
        return 2
    try:
        acts = read_transcript(Path(args[1]).read_bytes())
        signed = signed_lines(acts)
    except (OSError, ProtocolError) as error:
        print(f"{args[1]} was not recorded: {error}")
        return 1
    head = "0x" + head_of(acts).hex()
    url = Config.from_environment().require_database_url()
    database = Database(url, clock=SystemClock(), pool_size=1, application_name="custody record")
    try:
        with database.unit(None, system("custody record"), request_id=head[:34]) as uow:
            body = {"head": head, "lines": len(acts), "signed_lines": signed}
            service.append(uow, "custody.ceremony", head, body, rows=acts, organisation_id=HOUSE)
    finally:
        database.close()
    print(f"{len(acts)} acts recorded, head {head}; officers signed the first {signed}")
    return 0
