"""New heads over a websocket (`eth_subscribe` newHeads): a hint that it is time to ask, never news.

Nothing that comes here is believed or kept, so a node that lies here only makes us ask. A
subscription may die in silence: whoever polls says when it saw the head move (`moved`), and a
websocket that announced nothing around then is left for the next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
import msgspec

from strongroom.chain.async_rpc import provider
from strongroom.kit.log import logger
from strongroom.kit.loops import BACK_OFF_SECONDS
from strongroom.kit.metrics import counter, gauge

SILENT_SECONDS: Final = 5.0
"""A move that was polled is announced so soon before or after: polls and pushes differ by less."""
PING_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 10.0
MESSAGE_BYTES_MAX: Final = 1 << 20

log = logger(__name__)


class _Ended(Exception):
    """Why this websocket is of no use any more, as the metrics say it."""


class _Message(msgspec.Struct):
    id: int | None = None
    result: Any = None
    method: str = ""


_messages = msgspec.json.Decoder(_Message)


class HeadHints:
    """One chain's websockets, one at a time; lives on one event loop."""

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int,
        wake: Callable[[], None],
        *,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """`urls`: ws or wss; `wake` is called at each head and after each new connection."""
        self._urls = list(urls)
        self._chain_id = chain_id
        self._wake = wake
        self._silent_seconds = silent_seconds
        self._announced_at = 0.0
        self._patience: asyncio.Timeout | None = None

    @property
    def alive(self) -> bool:
        """Whether heads are announced, as far as anybody knows now."""
        patience = self._patience
        return patience is not None and patience.when() is None

    async def open(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        """Listen until cancelled; a websocket that ends is followed by the next one."""
        failures = 0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                announced_at, url = self._announced_at, self._urls[0]
                try:
                    await self._listen(session, url)
                except (_Ended, aiohttp.ClientError, TimeoutError, OSError) as error:
                    self._tell_end(url, error)
                failures = 0 if self._announced_at > announced_at else failures + 1
                self._urls.append(self._urls.pop(0))
                await asyncio.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])

    def moved(self) -> None:
        """A poll saw the head move: it was announced just now, or is soon. On the event loop."""
        now = asyncio.get_running_loop().time()
        quiet = now - self._announced_at > self._silent_seconds
        if quiet and self._patience is not None and self._patience.when() is None:
            self._patience.reschedule(now + self._silent_seconds)

    async def _listen(self, session: aiohttp.ClientSession, url: str) -> None:
        connecting = session.ws_connect(
            url,
            heartbeat=PING_SECONDS,
            max_msg_size=MESSAGE_BYTES_MAX,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )
        connected = gauge("strongroom_ws_connected", "1 while heads are announced.", ("chain",))
        async with connecting as socket:
            if await _ask(socket, "eth_chainId") != hex(self._chain_id):
                raise _Ended("wrong_chain")
            await _ask(socket, "eth_subscribe", "newHeads")
            connected.labels(str(self._chain_id)).set(1)
            try:
                async with asyncio.timeout(None) as self._patience:
                    self._wake()
                    await self._announce(socket)
            finally:
                self._patience = None
                connected.labels(str(self._chain_id)).set(0)

    async def _announce(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        heads = counter("strongroom_ws_heads_total", "Heads announced.", ("chain",))
        while True:
            if (await _receive(socket)).method != "eth_subscription":
                continue
            self._announced_at = asyncio.get_running_loop().time()
            if self._patience is not None:
                self._patience.reschedule(None)
            heads.labels(str(self._chain_id)).inc()
            self._wake()

    def _tell_end(self, url: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, _Ended) else "away"
        if isinstance(error, TimeoutError):
            reason = "silent"
        help_text = "Websockets that were left: closed, silent, away, refused, wrong_chain."
        ends = counter("strongroom_ws_ends_total", help_text, ("chain", "reason"))
        ends.labels(str(self._chain_id), reason).inc()
        log.warning("websocket.ended", chain_id=self._chain_id, node=provider(url), reason=reason)


async def _ask(socket: aiohttp.ClientWebSocketResponse, method: str, *parameters: str) -> Any:
    """The result of one call; heads that come meanwhile are passed over."""
    await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    async with asyncio.timeout(ANSWER_SECONDS):
        while (answer := await _receive(socket)).id != 1:
            continue
    if answer.result is None:
        raise _Ended("refused")
    return answer.result


async def _receive(socket: aiohttp.ClientWebSocketResponse) -> _Message:
    message = await socket.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise _Ended("closed")
    try:
        return _messages.decode(message.data)
    except msgspec.DecodeError as error:
        raise _Ended("refused") from error
