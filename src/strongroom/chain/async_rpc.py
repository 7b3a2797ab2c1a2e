"""The same batches over aiohttp, for the indexer's fetcher only: bounded and pooled."""

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from strongroom.chain.errors import ChainError, LimitExceeded, NodeUnavailable
from strongroom.chain.rpc import Call, decode, encode
from strongroom.kit.metrics import counter

REQUESTS_MAX: Final = 8
"""Requests in flight at once: enough to hide a node's latency, too few to meet its caps."""


class AsyncRpc:
    """Asks nodes in turn; lives on one event loop."""

    def __init__(self, urls: Sequence[str], *, timeout_seconds: float = 10) -> None:
        """`urls`: http or https, the preferred one first."""
        if not urls:
            raise NodeUnavailable("No node is configured: set STRONGROOM_RPC_URLS to its URL.")
        self._urls = list(urls)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._slots = asyncio.Semaphore(REQUESTS_MAX)
        self._session: aiohttp.ClientSession | None = None

    async def ask_all(self, calls: Sequence[Call]) -> list[msgspec.Raw | ChainError]:
        """One result or error a call, from one node. Raises NodeUnavailable, LimitExceeded."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"content-type": "application/json"}
        async with self._slots:
            url = self.preferred
            try:
                async with self._session.post(url, data=encode(calls), headers=headers) as answer:
                    body = await answer.read()
                return decode(answer.status, body, calls)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.turn_from(url, "away")
                raise NodeUnavailable(
                    f"The node did not answer ({type(error).__name__}). It is asked again."
                ) from error
            except LimitExceeded:
                self.turn_from(url, "capped")
                raise
            except NodeUnavailable:
                self.turn_from(url, "faulty")
                raise

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def preferred(self) -> str:
        """The URL that is asked next."""
        return self._urls[0]

    def turn_from(self, url: str, fault: str) -> None:
        """Count a node's fault, and ask the next one from now on."""
        blame(url, fault)
        if self.preferred == url:
            self._urls.append(self._urls.pop(0))


def blame(url: str, fault: str) -> None:
    """One more fault of a node: away, capped, faulty, lied, alone, behind, other_block."""
    help_text = "Faults of a node, by its host and what was wrong."
    labels = (provider(url), fault)
    counter("strongroom_node_faults_total", help_text, ("provider", "fault")).labels(*labels).inc()


def provider(url: str) -> str:
    """Whom a URL names: host and port. Its path and its user often hold a secret key."""
    parts = urlsplit(url)
    host = parts.hostname or "unknown"
    return f"{host}:{parts.port}" if parts.port else host
