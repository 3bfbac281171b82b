"""Reads a drill's lines where the workers write them: the environment's Redis, or a file. Form: `runtime/drill.py`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import hiredis

from services.dependencies.http_client import Watch
from services.dependencies.redis import address as redis_address
from services.dependencies.redis import wire
from services.settings.model import Environment

DEADLINE_S = 5.0
MOST_LINES = 1000
MAX_FILE_BYTES = 1 << 20  # of the file's end
Found = tuple[bytes, ...] | str  # the lines, or why they can't be read, to follow "The lines can't be read: "


def why_not(environment: Environment) -> str:
    """Why there is no place to read them from; "" where there is one."""
    assert environment.drill is not None  # noqa: S101 - the caller has checked
    if environment.drill.lines is None and environment.secrets.redis_url is None:
        return "No REDIS_URL is known for this environment: set it, or set [environments.drill] lines."
    return ""


async def read(environment: Environment, settings_dir: Path, drill_id: str) -> Found:
    """The lines in the order in which they were taken."""
    assert environment.drill is not None  # noqa: S101 - the caller has checked
    if environment.drill.lines is not None:
        return await asyncio.to_thread(_of_file, settings_dir / environment.drill.lines)
    if environment.secrets.redis_url is None:
        return "REDIS_URL is not set"
    address = redis_address.read(environment.secrets.redis_url.get_secret_value())
    if isinstance(address, redis_address.Trouble):
        return f"REDIS_URL can't be used: {address.what}"
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _of_redis(address, f"greenlight:drill:{drill_id}")
    except TimeoutError:
        return "Redis did not answer in time"
    except wire.RedisTrouble as trouble:
        return f"Redis answers {trouble.failure.code.replace('_', ' ')}"


async def _of_redis(address: redis_address.Address, key: str) -> Found:
    session = await wire.connect(address, Watch())
    try:
        reply = await session.call("lrange", "LRANGE", key, 0, MOST_LINES - 1)
    finally:
        session.close()
    if isinstance(reply, hiredis.ReplyError):
        return f"Redis answers {wire.error_code(reply).replace('_', ' ')}"
    return tuple(line for line in reply if isinstance(line, bytes)) if isinstance(reply, list) else "no list came"


def _of_file(path: Path) -> Found:
    """Whole lines alone: one that is still being written has no end."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - MAX_FILE_BYTES))
            data = stream.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return ()  # no worker has written yet
    except OSError as error:
        return f"{path.name} can't be read ({error.strerror})"
    whole, _, _ = data.rpartition(b"\n")
    return tuple(line for line in whole.split(b"\n") if line.strip())
