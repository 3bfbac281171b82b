"""The faults that can be switched on, and what each does. For demonstrations and tests; off unless allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import redis.asyncio
from fastapi import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SLOW_S = 2.5
HUGE_CHUNKS = 1 << 12

DESCRIPTIONS = {
    "readiness_503": "the readiness route answers 503",
    "slow": f"every contract answer takes {SLOW_S:g} s",
    "hanging": "contract routes accept and never answer",
    "garbage_body": "contract routes answer 200 with what is no JSON",
    "huge_body": "contract routes answer with hundreds of megabytes",
    "mode_dev": "the Inngest route runs in dev mode",
    "route_not_mounted": "there is no Inngest route",
    "wrong_function_count": "the Inngest route serves one function too few",
    "runs_fail": "the newest background run failed",
    "redis_read_only": "Redis becomes a read-only replica",
    "redis_full": "Redis' memory is full",
    "mail_down": "the mail server turns everybody away",
    "scheduler_stopped": "the fallback scheduler sends no heartbeat",
}
CONTRACT_PATHS = ("/api/health/ready", "/api/runtime/dependencies")


@dataclass(slots=True)
class Faults:
    """The faults that are on. Redis' faults are switched in Redis itself."""

    on: set[str] = field(default_factory=set)

    async def switch(self, name: str, *, on: bool, client: redis.asyncio.Redis | None) -> None:
        """Switch a fault; raises KeyError for one that doesn't exist."""
        if name not in DESCRIPTIONS:
            raise KeyError(name)
        if name.startswith("redis_") and client is not None:
            await _switch_redis(name, on=on, client=client)
        (self.on.add if on else self.on.discard)(name)


async def _switch_redis(name: str, *, on: bool, client: redis.asyncio.Redis) -> None:
    if name == "redis_read_only":
        # A primary that nobody answers for: the data stay, writes are refused.
        await client.replicaof(*(("127.0.0.1", "1") if on else ("NO", "ONE")))
    else:
        await client.config_set("maxmemory", "1mb" if on else "256mb")
        if on:  # one value that takes what is left, under a key of its own
            await client.config_set("maxmemory", "0")
            await client.set("caio:demo:ballast", "x" * 2_000_000)
            await client.config_set("maxmemory", "1mb")
        else:
            await client.delete("caio:demo:ballast")


class FaultyContract:
    """ASGI middleware that spoils the contract's routes while a fault is on."""

    def __init__(self, app: ASGIApp, *, faults: Faults) -> None:
        self._app, self._faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Spoil, or pass on."""
        response = await self._spoiled(scope) if scope["type"] == "http" else None
        await (response or self._app)(scope, receive, send)

    async def _spoiled(self, scope: Scope) -> Response | None:
        on, path = self._faults.on, scope["path"]
        if path not in CONTRACT_PATHS:
            return None
        if "hanging" in on:
            await asyncio.sleep(3600)
        if "slow" in on:
            await asyncio.sleep(SLOW_S)
        if "garbage_body" in on:
            return PlainTextResponse("<html>Please log in</html>")
        if "huge_body" in on:
            return StreamingResponse(_huge(), media_type="application/json")
        if "readiness_503" in on and path == "/api/health/ready":
            return JSONResponse({"ready": False, "failing": ["redis"]}, status_code=503)
        return None


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"padding": "'
    for _ in range(HUGE_CHUNKS):
        yield b"x" * 65_536
    yield b'"}'


class InngestSwitch:
    """ASGI middleware that sends /inngest to the application that the faults ask for: whole, dev, fewer, none."""

    def __init__(self, app: ASGIApp, *, faults: Faults, variants: dict[str, ASGIApp]) -> None:
        self._app, self._faults, self._variants = app, faults, variants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose a variant for the Inngest route; everything else passes."""
        chosen: ASGIApp = self._app
        if scope["type"] == "http" and scope["path"].startswith("/inngest"):
            if "route_not_mounted" in self._faults.on:
                chosen = JSONResponse({"detail": "Not Found"}, status_code=404)
            else:
                chosen = next((v for name, v in self._variants.items() if name in self._faults.on), self._app)
        await chosen(scope, receive, send)


def control(
    faults: Faults, client: redis.asyncio.Redis | None, admits: Callable[[Request], bool]
) -> Callable[[Request], Awaitable[Response]]:
    """The route `PUT|DELETE /demo/faults/{name}` (and GET for the list), for holders of the dashboard token."""

    async def handle(request: Request) -> Response:
        if not admits(request):
            return JSONResponse({"detail": "A valid token is needed."}, status_code=401)
        name = request.path_params.get("name")
        if name is not None:
            try:
                await faults.switch(name, on=request.method == "PUT", client=client)
            except KeyError:
                return JSONResponse({"detail": f"no such fault; choose from {sorted(DESCRIPTIONS)}"}, status_code=404)
        return JSONResponse({"on": sorted(faults.on), "faults": DESCRIPTIONS})

    return handle
