"""`strongroom dev`: the service and its engines on one machine; nothing here runs in production."""

from strongroom.cli.dev.command import run

__all__ = ["run"]
