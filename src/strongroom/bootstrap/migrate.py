"""Brings the schema up to date: what deployments run before the processes start."""

from strongroom.config import Config, ConfigurationInvalid
from strongroom.db.migrate import migrate


def run(config: Config) -> None:
    """Migrate by STRONGROOM_OWNER_DATABASE_URL; raises ConfigurationInvalid when it is not set."""
    if not config.owner_database_url:
        raise ConfigurationInvalid(
            "STRONGROOM_OWNER_DATABASE_URL is not set; it names the database to migrate, as "
            "postgresql+psycopg://strongroom_owner@HOST/strongroom or as a superuser, who also "
            "makes the database and the roles."
        )
    migrate(config.owner_database_url)
