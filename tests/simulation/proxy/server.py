"""The proxy's HTTP side: JSON-RPC in, a node or two behind it, faults on the way.

POST /          JSON-RPC, a call or a batch
POST /faults    {"faults": {...}}, {"upstream": 1} (the node of another fork)
GET  /faults    what is set, and how often each fault struck
"""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
from aiohttp import web

from tests.simulation.proxy import lies
from tests.simulation.proxy.faults import Decision, Faults, Plan
from tests.simulation.proxy.lies import Message

REQUEST_BYTES_MAX = 16 * 1024**2


class Proxy:
    """Stands between one process of ours and its nodes."""

    def __init__(self, upstreams: list[str], plan: Plan) -> None:
        """`upstreams`: URLs of honest nodes; the first is asked until told otherwise."""
        self._upstreams = upstreams
        self._plan = plan
        self._chosen = 0
        self._session: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """The routes."""
        made = web.Application(client_max_size=REQUEST_BYTES_MAX)
        made.router.add_post("/", self.answer)
        made.router.add_get("/faults", self.show)
        made.router.add_post("/faults", self.set)
        made.cleanup_ctx.append(self._client)
        return made

    async def _client(self, _: web.Application) -> Any:
        self._session = aiohttp.ClientSession()
        yield
        await self._session.close()

    async def show(self, _: web.Request) -> web.Response:
        """What struck so far."""
        return web.json_response({"seed": self._plan.seed, "counts": self._plan.counts})

    async def set(self, request: web.Request) -> web.Response:
        """New faults, or another node."""
        try:
            wanted = await request.json()
            if "faults" in wanted:
                self._plan.faults = Faults.read(wanted["faults"])
            if "upstream" in wanted:
                self._upstreams[wanted["upstream"]]
                self._chosen = wanted["upstream"]
        except (ValueError, TypeError, LookupError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await self.show(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request, with what the plan decided."""
        decision, faults = self._plan.decide(), self._plan.faults
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        await asyncio.sleep(decision.wait_seconds)
        if "refuse" in decision:
            raise web.HTTPTooManyRequests(text="too many requests")
        if faults.dead or "drop" in decision:
            return self._hang_up(request)
        if 0 < faults.batch_max < len(calls):
            refusal = lies.failure({}, lies.CAPPED, f"batch limit {faults.batch_max} exceeded")
            return web.json_response(refusal)
        answers = await self._forward(calls, decision, faults)
        if "drop_after" in decision:
            return self._hang_up(request)
        return self._give(lies.spoil(answers, decision), decision, batch=isinstance(body, list))

    async def _forward(
        self, calls: list[Message], decision: Decision, faults: Faults
    ) -> list[Message]:
        head = await self._head() if faults.lag_blocks else 0
        answers: list[Message] = []
        passed: list[Message] = []
        for call in calls:
            said = lies.capped(call, faults) or lies.unseen(call, head, faults.lag_blocks)
            if said is not None:
                self._plan.count("capped" if "error" in said else "lagged")
                answers.append(said)
            else:
                passed.append(lies.behind(call, head, faults.lag_blocks))
        if passed:
            found = await self._ask(passed)
            if "duplicate" in decision:
                found = await self._ask(passed)
            by_id = {call.get("id"): call for call in passed}
            answers += [lies.too_many(by_id[one["id"]], one, faults) for one in found]
        order = {call.get("id"): at for at, call in enumerate(calls)}
        return sorted(answers, key=lambda answer: order[answer["id"]])

    async def _head(self) -> int:
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        return int((await self._ask([call]))[0]["result"], 16)

    async def _ask(self, calls: list[Message]) -> list[Message]:
        if self._session is None:
            raise web.HTTPServiceUnavailable
        url = self._upstreams[self._chosen]
        try:
            async with self._session.post(url, json=calls) as answer:
                found: list[Message] = await answer.json(content_type=None)
        except aiohttp.ClientError as error:
            raise web.HTTPBadGateway(text=f"the node behind is away: {error}") from error
        return found

    def _give(
        self, answers: list[Message], decision: Decision, *, batch: bool
    ) -> web.StreamResponse:
        text = json.dumps(answers if batch else answers[0] if answers else None)
        if "truncate" in decision:
            text = text[: len(text) // 2]
        if "garbage" in decision:
            return web.Response(text="<html>502 Bad Gateway</html>", content_type="text/html")
        return web.Response(text=text, content_type="application/json")

    def _hang_up(self, request: web.Request) -> web.StreamResponse:
        """No answer: the client can't know what happened."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


async def serve(proxy: Proxy, port: int, *, ready: asyncio.Event | None = None) -> None:
    """Serve on loopback until cancelled."""
    runner = web.AppRunner(proxy.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        if ready is not None:
            ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    finally:
        await runner.cleanup()
