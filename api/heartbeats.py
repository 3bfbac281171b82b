"""Where jobs call: `POST /api/v1/heartbeats/{id}`, and `/start`, `/fail` or an exit status behind it.

The id is the secret; anyone who doesn't know it learns nothing, not even which jobs there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from services import clock, heartbeats
from services.heartbeats import MOST_BYTES, TooManyCalls, UnknownHeartbeat
from services.settings import Settings
from services.store import Store
from services.store.heartbeats import Signal

Id = Annotated[str, Path(min_length=1, max_length=200)]


def mount(app: FastAPI, settings: Settings, get_store: Callable[[], Store]) -> None:
    """Add the routes."""

    async def keep(request: Request, given: str, signal: Signal, exit_status: int | None = None) -> dict[str, Any]:
        body = await request.body()
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"Send at most {MOST_BYTES:,} bytes.")
        now_ms = clock.now_ms()
        try:
            await run_in_threadpool(
                heartbeats.receive, get_store(), settings, given,
                signal=signal, exit_status=exit_status, body=body, now_ms=now_ms,
            )  # fmt: skip
        except UnknownHeartbeat as error:
            raise HTTPException(404, str(error)) from error
        except TooManyCalls as error:
            raise HTTPException(429, str(error), headers={"Retry-After": "60"}) from error
        return {"received_at": clock.iso(now_ms)}

    @app.post("/api/v1/heartbeats/{id}")
    async def succeeded(request: Request, id: Id) -> dict[str, Any]:
        """A job has succeeded. The body, up to 10 kB, is kept as a note."""
        return await keep(request, id, "ok")

    @app.post("/api/v1/heartbeats/{id}/start")
    async def started(request: Request, id: Id) -> dict[str, Any]:
        """A job has started."""
        return await keep(request, id, "start")

    @app.post("/api/v1/heartbeats/{id}/fail")
    async def failed(request: Request, id: Id) -> dict[str, Any]:
        """A job has failed."""
        return await keep(request, id, "fail")

    @app.post("/api/v1/heartbeats/{id}/{exit_status}")
    async def ended(
        request: Request,
        id: Id,
        exit_status: Annotated[int, Path(ge=0, le=255)],
    ) -> dict[str, Any]:
        """A job has ended with this exit status; 0 is success."""
        return await keep(request, id, "ok" if exit_status == 0 else "fail", exit_status)
