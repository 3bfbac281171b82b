"""The server side of the contract: three routes, from checks that the application hands in. Three routes, from checks
that it hands in.

`GET /api/health/live` and `/api/health/ready` are open; `GET /api/runtime/dependencies` asks for the token, in a
header or (for old callers) as `?token=`. Checks run at most once a second, no matter who asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from runtime.dependency import Dependency, is_ready
from runtime.token import TokenPolicy, bearer

CheckFunction = Callable[[], Awaitable[Dependency]]
CACHE_S = 1.0
CHECK_DEADLINE_S = 5.0


@dataclass(kw_only=True, slots=True)
class Contract:
    """What an application offers: its checks, its token, its name and version."""

    checks: tuple[CheckFunction, ...]
    token: TokenPolicy
    environment: str
    version: str | None = None
    cache_s: float = CACHE_S
    _cached: tuple[Dependency, ...] = ()
    _cached_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def dependencies(self) -> tuple[Dependency, ...]:
        """All dependencies, checked side by side; a flood of requests shares one round of checks."""
        async with self._lock:
            if time.monotonic() - self._cached_at >= self.cache_s:
                self._cached = tuple(await asyncio.gather(*(_bounded(check) for check in self.checks)))
                self._cached_at = time.monotonic()
            return self._cached

    async def ready_body(self) -> dict[str, Any]:
        """The readiness answer. It is open to all, so it names failing dependencies and nothing else."""
        dependencies = await self.dependencies()
        return {
            "ready": is_ready(dependencies),
            "environment": self.environment,
            "version": self.version,
            "failing": [d.name for d in dependencies if d.required and not d.healthy],
            "degraded": [d.name for d in dependencies if not d.required and not d.healthy],
        }

    async def report_body(self) -> dict[str, Any]:
        """The dependency report."""
        dependencies = await self.dependencies()
        return {
            "ready": is_ready(dependencies),
            "environment": self.environment,
            "version": self.version,
            "dependencies": {d.name: d.report() for d in dependencies},
        }


async def _bounded(check: CheckFunction) -> Dependency:
    """A check that hangs or breaks must not take the report with it; its own name is on its `__name__`."""
    try:
        return await asyncio.wait_for(check(), CHECK_DEADLINE_S)
    except TimeoutError:
        error = f"no result within {CHECK_DEADLINE_S:g} s"
    except Exception as fault:  # noqa: BLE001 - any fault of a check is that dependency being unhealthy
        error = f"the check failed: {type(fault).__name__}"
    name = str(getattr(check, "dependency", getattr(check, "__name__", "unknown")))
    required = bool(getattr(check, "required", True))
    return Dependency(name=name, required=required, healthy=False, error=error)


def mount(app: FastAPI, contract: Contract) -> None:
    """Add the contract's routes to an application."""
    router = APIRouter()

    @router.get("/api/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/api/health/ready")
    async def ready() -> JSONResponse:
        body = await contract.ready_body()
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    @router.get("/api/runtime/dependencies")
    async def dependencies(request: Request) -> JSONResponse:
        given = bearer(request.headers.get("authorization")) or request.query_params.get("token")
        if not contract.token.admits(given):
            return JSONResponse({"detail": "A valid token is needed."}, status_code=401)
        return JSONResponse(await contract.report_body())

    app.include_router(router)
