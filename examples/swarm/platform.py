"""A hosting platform for the swarm's worker. Simulated, with the two waits that its env file says at each deploy.

A deploy starts the new worker, waits overlap, sends SIGTERM to the old one, waits draining, and kills it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from dotenv import dotenv_values
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from examples.swarm.worker import registered

log = logging.getLogger(__name__)
STOP_S = 5.0
OVERLAP, DRAINING = "RAILWAY_DEPLOYMENT_OVERLAP_SECONDS", "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"


class Platform:
    """Keeps one worker, and replaces it."""

    def __init__(self, env_file: Path) -> None:
        self._env_file = env_file
        self._worker: asyncio.subprocess.Process | None = None
        self._deploying = asyncio.Lock()

    async def start(self) -> None:
        """The first worker."""
        async with self._deploying:
            try:
                self._worker = await self._new()
            except RuntimeError as error:
                log.warning("%s: a deploy tries again", error)

    async def deploy(self) -> str:
        """One deploy: what became of the old worker, in a sentence. Raises RuntimeError where no new one comes."""
        async with self._deploying:
            old, self._worker = self._worker, await self._new()
            if old is None or old.returncode is not None:
                return "Deployed: there was no old worker."
            await asyncio.sleep(self._seconds(OVERLAP))
            draining = self._seconds(DRAINING)
            old.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(draining):
                    await old.wait()
            except TimeoutError:
                old.kill()
                await old.wait()
                return f"Deployed: the old worker was killed after {draining} s of draining."
            return "Deployed: the old worker finished and left."

    async def stop(self) -> None:
        """End the worker with us."""
        if self._worker is None or self._worker.returncode is not None:
            return
        self._worker.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._worker.wait()
        except TimeoutError:
            self._worker.kill()

    async def _new(self) -> asyncio.subprocess.Process:
        port = _free_port()
        words = ["-m", "examples.swarm", "--env-file", str(self._env_file), "--port", str(port), "worker"]
        variables = os.environ | {"GREENLIGHT_PARENT_PID": str(os.getpid())}
        made = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=variables, stdin=asyncio.subprocess.DEVNULL
        )
        if await registered(port):
            return made
        if made.returncode is None:
            made.kill()
        raise RuntimeError("the new worker did not come up")

    def _seconds(self, name: str) -> int:
        found = (dotenv_values(self._env_file).get(name) or "").strip()
        return int(found) if found.isdecimal() else 0  # unset means 0


def route(platform: Platform, admits: Callable[[Request], bool]) -> Callable[[Request], Awaitable[Response]]:
    """`POST /demo/deploy`: deploy, and say what became of it."""

    async def deploy(request: Request) -> Response:
        if not admits(request):
            return JSONResponse({"error": "no valid token"}, status_code=401)
        try:
            return JSONResponse({"said": await platform.deploy()})
        except RuntimeError as error:
            return JSONResponse({"error": str(error)}, status_code=503)

    return deploy


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
