"""The swarm's background worker, as a process of its own: it serves the deploy drill. A deploy replaces this one.

SIGTERM: what has begun is finished, nothing new is taken. `--connect` reaches out to Inngest in place of listening.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import inngest
import inngest.fast_api
import uvicorn
from fastapi import FastAPI
from starlette.responses import JSONResponse

from examples.swarm.policy import Policy
from runtime.drill import FileLines, Lines, RedisLines, drill
from runtime.redis_check import client_for

PATH = "/inngest"
REGISTER_S = 30.0


def lines_of(policy: Policy, file: Path | None) -> Lines:
    """Where the drill's lines go: a file where one is named, else the swarm's Redis."""
    if file is not None:
        return FileLines(file)
    client = client_for(policy.redis_url)
    if client is None:
        raise SystemExit("The worker needs REDIS_URL, or --lines with a file.")
    return RedisLines(client)


def client_of(policy: Policy) -> inngest.Inngest:
    """The worker's Inngest client: an application beside the swarm's own."""
    return inngest.Inngest(
        app_id=f"{policy.app_id}-worker", is_production=bool(policy.signing_key), signing_key=policy.signing_key,
        event_key=policy.event_key, api_base_url=policy.inngest_url, event_api_base_url=policy.inngest_url,
    )  # fmt: skip


def serve(policy: Policy, lines: Lines, port: int) -> None:
    """Serve until SIGTERM; calls in progress are answered before."""
    client = client_of(policy)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def live() -> JSONResponse:
        return JSONResponse({"live": True})

    app.get("/live")(live)
    functions: list[inngest.Function[Any]] = [drill(client, lines)]
    inngest.fast_api.serve(app, client, functions, serve_origin=f"http://127.0.0.1:{port}", serve_path=PATH)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def connect(policy: Policy, lines: Lines) -> None:
    """Stay connected until SIGTERM; what has begun is finished before."""
    asyncio.run(_connected(policy, lines))


async def _connected(policy: Policy, lines: Lines) -> None:
    from inngest.connect import connect as connection_of

    client, stop = client_of(policy), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows has no loop signal handlers
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    name = f"{socket.gethostname()}-{os.getpid()}"  # the SDK's own would be the host's, the same for two workers
    made = connection_of([(client, [drill(client, lines, worker=name)])], instance_id=name, shutdown_signals=[])
    running = asyncio.create_task(made.start())
    await asyncio.wait([running, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()  # it ended by itself: say why
    await made.close(wait=True)


async def registered(port: int) -> bool:
    """Wait until the worker listens, and have it register; whether the server took it, by the body of its answer."""
    give_up = asyncio.get_running_loop().time() + REGISTER_S
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        while asyncio.get_running_loop().time() < give_up:
            try:
                answer = await client.put(f"http://127.0.0.1:{port}{PATH}")
                if answer.json().get("ok") is True:
                    return True
            except (httpx.HTTPError, ValueError):
                pass  # not up yet
            await asyncio.sleep(0.1)
    return False
