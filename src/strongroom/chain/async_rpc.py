"""The same batches over aiohttp, for the indexer's fetcher only: bounded and pooled."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp
import msgspec

from strongroom.chain.errors import ChainError, NodeUnavailable
from strongroom.chain.rpc import Call, decode, encode

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
            url = self._urls[0]
            try:
                async with self._session.post(url, data=encode(calls), headers=headers) as answer:
                    body = await answer.read()
                return decode(answer.status, body, calls)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._turn_from(url)
                raise NodeUnavailable(
                    f"The node did not answer ({type(error).__name__}). It is asked again."
                ) from error
            except NodeUnavailable:
                self._turn_from(url)
                raise

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _turn_from(self, url: str) -> None:
        if self._urls[0] == url:
            self._urls.append(self._urls.pop(0))
