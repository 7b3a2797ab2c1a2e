"""A real EVM node, mining only when told to; a fresh chain a test (34 ms) or a module."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from strongroom.cli.dev.anvil import CHAIN_ID, anvil_program, node_url
from strongroom.cli.dev.probes import call
from strongroom.cli.dev.program import running
from tests.factories.parts.place import REPOSITORY, free_port, short_folder


@dataclass(frozen=True)
class Chain:
    """A node on loopback. Heights are block numbers; `finalized` is two behind the head."""

    port: int
    chain_id: int = CHAIN_ID

    @property
    def url(self) -> str:
        """JSON-RPC URL."""
        return node_url(self.port)

    def rpc(self, method: str, *parameters: object) -> object:
        """Make one call; ValueError carries the node's error."""
        return call(self.port, method, *parameters)

    def mine(self, blocks: int = 1) -> int:
        """Mine blocks and return the new head's height."""
        self.rpc("anvil_mine", hex(blocks))
        return self.height()

    def height(self) -> int:
        """Height of the head."""
        return int(str(self.rpc("eth_blockNumber")), 16)

    def accounts(self) -> list[str]:
        """Ten unlocked accounts with 10,000 ETH each (use eth_sendTransaction)."""
        found = self.rpc("eth_accounts")
        assert isinstance(found, list)
        return [str(account) for account in found]


@contextmanager
def fresh_chain(chain_id: int = CHAIN_ID) -> Iterator[Chain]:
    """Start a node with an empty chain, and end it on the way out."""
    port = free_port()
    with short_folder("av") as folder:
        program = anvil_program(
            REPOSITORY,
            folder / "anvil.log",
            port,
            block_seconds=None,
            kept_states=None,
            chain_id=chain_id,
        )
        with running(program):
            yield Chain(port, chain_id)


@pytest.fixture
def anvil() -> Iterator[Chain]:
    """Give the test a chain of its own."""
    with fresh_chain() as chain:
        yield chain


@pytest.fixture(scope="module")
def anvil_of_module() -> Iterator[Chain]:
    """One chain for all tests of a module."""
    with fresh_chain() as chain:
        yield chain
