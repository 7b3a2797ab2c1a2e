"""The stage on which these tests play: see tests/factories/stage.py."""

from tests.factories.staged import stage

__all__ = ["stage"]
