"""The stage: a chain, an organisation, an indexer."""

from tests.factories.chain_stage import connect, stage

__all__ = ["connect", "stage"]
