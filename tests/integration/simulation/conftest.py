"""The relay's bench, and a stage with a signer, for the named cases."""

from tests.factories.staged import stage
from tests.integration.strongroom.relay.conftest import bench

__all__ = ["bench", "stage"]
