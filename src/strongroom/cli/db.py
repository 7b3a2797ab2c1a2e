"""`strongroom db migrate`: database, roles and schema. `strongroom db revision`: what is there."""

import sys

from sqlalchemy import create_engine

from strongroom.bootstrap import migrate
from strongroom.config import Config
from strongroom.db.migrate import current_revision
from strongroom.kit.errors import StrongroomError

_USAGE = "usage: strongroom db migrate | revision   (reads STRONGROOM_OWNER_DATABASE_URL)"


def run(args: list[str]) -> int:
    """Run one subcommand; 0 when it went well."""
    if len(args) != 1 or args[0] not in {"migrate", "revision"}:
        print(_USAGE)
        return 2
    config = Config.from_environment()
    try:
        if args[0] == "migrate":
            migrate.run(config)
    except StrongroomError as error:
        print(error.message, file=sys.stderr)
        return 2
    engine = create_engine(config.owner_database_url)
    with engine.connect() as connection:
        print(f"schema revision {current_revision(connection) or 'none'}")
    engine.dispose()
    return 0
