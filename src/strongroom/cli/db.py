"""`strongroom db migrate`: database, roles and schema. `strongroom db revision`: what is there."""

import os

from sqlalchemy import create_engine

from strongroom.db.migrate import current_revision, migrate

_USAGE = "usage: strongroom db migrate | revision   (reads STRONGROOM_OWNER_DATABASE_URL)"


def run(args: list[str]) -> int:
    """Run one subcommand; 0 when it went well."""
    url = os.environ.get("STRONGROOM_OWNER_DATABASE_URL", "")
    if len(args) != 1 or args[0] not in {"migrate", "revision"}:
        print(_USAGE)
        return 2
    if not url:
        print("STRONGROOM_OWNER_DATABASE_URL is not set: it names the database to migrate, as")
        print("postgresql+psycopg://strongroom_owner@HOST/strongroom (or a superuser's).")
        return 2
    if args[0] == "migrate":
        migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        print(f"schema revision {current_revision(connection) or 'none'}")
    engine.dispose()
    return 0
