"""The stage: a chain, an organisation, an indexer, a screener and a worker."""

from tests.factories.chain_stage import connect, stage
from tests.factories.deposit_stage import flow

__all__ = ["connect", "flow", "stage"]
