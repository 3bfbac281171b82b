"""Finds and starts a self-hosted Inngest server. Ephemeral (`inngest dev`) or persistent (`inngest start` with its own
Redis in append-only mode, without which work in flight is lost at a restart).

Keys go to it in its environment, never on its command line, which everybody on the machine can read.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from launcher import redis_server
from launcher.lock import Stack, free_port, is_free
from launcher.processes import Child
from launcher.say import Refusal, complain, step

NPX_PACKAGE = "inngest-cli@1.43"
NPX_PATIENCE_S = 180
HEALTH_PATIENCE_S = 40.0
FIRST_REDIS_PORT = 16_780
FIRST_INNER_PORT = 18_289  # below 32768: from there on the system hands ports out to outgoing connections
EPHEMERAL_FROM = 32_768
GRPC_PORTS = ("INNGEST_CONNECT_GATEWAY_GRPC_PORT", "INNGEST_CONNECT_EXECUTOR_GRPC_PORT")
OPEN_PORTS = ("INNGEST_CONNECT_GATEWAY_PORT", *GRPC_PORTS)
MODES = ("off", "dev", "production")


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A started server: its processes (what it stands on first), and what the worker and the note must know."""

    children: tuple[Child, ...]
    variables: dict[str, str | None]
    note: dict[str, object]


def mode_of(asked: str | None) -> str:
    """Which mode to run: the flag, else ENVIRONMENT, else development; `off` without the flag."""
    if asked is None:
        return "off"
    if asked != "auto":
        return asked
    return "production" if os.environ.get("ENVIRONMENT", "").strip().lower() == "production" else "dev"


def command() -> list[str]:
    """How the CLI is called: INNGEST_CLI, PATH, or npx. Raises Refusal where there is none."""
    named = os.environ.get("INNGEST_CLI")
    if named:
        found = shutil.which(named)
        if found is None:
            raise Refusal(f"INNGEST_CLI names {named}, which is no program: correct it, or unset it.")
        return [found]
    for name in ("inngest", "inngest-cli"):
        found = shutil.which(name)
        if found is not None:
            return [found]
    npx = shutil.which("npx")
    if npx is not None and _npx_has_it(npx):
        return [npx, "--yes", NPX_PACKAGE]
    raise Refusal(
        "There is no Inngest CLI on this machine: install it (npm install -g inngest-cli, or a release from "
        "github.com/inngest/inngest), name it in INNGEST_CLI, or start without --inngest."
    )


def _npx_has_it(npx: str) -> bool:
    with step("Looking for the Inngest CLI through npx (fetched the first time)"):
        try:
            done = subprocess.run(
                [npx, "--yes", NPX_PACKAGE, "version"], capture_output=True, timeout=NPX_PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


def start(stack: Stack, mode: str, *, port: int, worker_url: str, taken: set[int], logs: Path) -> Server:
    """Start the server and wait until it is healthy. Raises Refusal."""
    _refuse_bad_ports(port)
    cli = command()
    _stop_left_over(stack.note())
    if not is_free(port):
        raise Refusal(f"Port {port} for Inngest is taken by another program. Choose another with --inngest-port.")
    taken.add(port)
    folder = stack.data / "inngest"
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    own: dict[str, str | None] = {name: None for name in os.environ if name.startswith("INNGEST_")}
    own |= {
        "DO_NOT_TRACK": "1",
        "INNGEST_SQLITE_DIR": str(folder),
        **{name: os.environ.get(name) or str(free_port(FIRST_INNER_PORT, taken)) for name in OPEN_PORTS},
    }
    words = ["--host", "127.0.0.1", "--port", str(port), "-u", f"{worker_url}/inngest"]
    children: list[Child] = []
    note: dict[str, object] = {}
    try:
        if mode == "dev":
            command_line, variables = [*cli, "dev", "--no-discovery", *words], _dev(url)
        else:
            children.append(_redis(stack, taken, logs, own))
            keys, note = _keys(stack)
            own |= {"INNGEST_SIGNING_KEY": keys["INNGEST_SIGNING_KEY"], "INNGEST_EVENT_KEY": keys["INNGEST_EVENT_KEY"]}
            command_line, variables = [*cli, "start", *words], _production(url, keys)
            note |= {"inngest_redis_port": int(str(own["INNGEST_REDIS_URI"]).rsplit(":", 1)[1].split("/")[0])}
        with step(f"Starting Inngest ({_kind(mode)}) on port {port}"):
            server = Child("inngest", command_line, logs=logs, variables=own, folder=folder)
            children.append(server)
            server.wait_for(f"{url}/health", HEALTH_PATIENCE_S)
    except BaseException:
        for child in reversed(children):
            child.stop(2)
        raise
    complain(
        f"  Inngest's ports {', '.join(str(own[name]) for name in OPEN_PORTS)} listen on every network interface of "
        "this machine; no setting of Inngest binds them. Let a firewall close them."
    )
    note |= {"inngest": mode, "inngest_mode": "dev" if mode == "dev" else "cloud", "inngest_url": url,
             "inngest_pid": server.pid}  # fmt: skip
    return Server(children=tuple(children), variables=variables, note=note)


def _kind(mode: str) -> str:
    return "ephemeral: it forgets its runs when it stops" if mode == "dev" else "persistent"


def _dev(url: str) -> dict[str, str | None]:
    return {"INNGEST_DEV": url, "INNGEST_BASE_URL": None, "INNGEST_API_BASE_URL": None,
            "INNGEST_EVENT_API_BASE_URL": None, "INNGEST_SIGNING_KEY": None, "INNGEST_EVENT_KEY": None}  # fmt: skip


def _production(url: str, keys: dict[str, str]) -> dict[str, str | None]:
    """INNGEST_DEV must not be there: any value but 0 and false switches the SDK's checks of signatures off."""
    return {"INNGEST_DEV": None, "INNGEST_API_BASE_URL": None, "INNGEST_EVENT_API_BASE_URL": None,
            "INNGEST_BASE_URL": url, **keys}  # fmt: skip


def _keys(stack: Stack) -> tuple[dict[str, str], dict[str, object]]:
    """Local keys, made on first use; hexadecimal and without a prefix, as the server wants them."""
    names = ("INNGEST_SIGNING_KEY", "INNGEST_EVENT_KEY")
    keys = {name: stack.secret(name.lower(), fresh=functools.partial(secrets.token_hex, 32)) for name in names}
    return keys, {f"{name.lower()}_file": str(stack.data / name.lower()) for name in names}


def _redis(stack: Stack, taken: set[int], logs: Path, own: dict[str, str | None]) -> Child:
    password = stack.secret("inngest_redis_password")
    before = stack.note().get("inngest_redis_port")
    if isinstance(before, int):
        redis_server.stop_left_over(before, password)
    port = free_port(FIRST_REDIS_PORT, taken)
    with step(f"Starting the Redis that Inngest keeps its queue in, on port {port}"):
        child = redis_server.start(
            "redis-inngest", folder=stack.data / "inngest" / "redis", port=port, password=password, logs=logs,
            append_only=True,
        )  # fmt: skip
    own["INNGEST_REDIS_URI"] = f"redis://:{password}@127.0.0.1:{port}/0"
    return child


def _refuse_bad_ports(port: int) -> None:
    if port >= EPHEMERAL_FROM:
        raise Refusal(f"--inngest-port must be below {EPHEMERAL_FROM}: the system uses those above for itself.")
    for name in GRPC_PORTS:
        text = os.environ.get(name, "")
        if text and not (text.isdecimal() and 0 < int(text) < EPHEMERAL_FROM):
            raise Refusal(f"{name} must be a port below {EPHEMERAL_FROM}: the system uses those above for itself.")


def _stop_left_over(note: dict[str, object]) -> None:
    """End a server that outlived a launcher which was killed: that process, if it still is called as we called it."""
    pid = note.get("inngest_pid")
    if not isinstance(pid, int) or sys.platform == "win32":
        return
    try:
        done = subprocess.run(
            ["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
        )
    except OSError:
        return
    port = str(note.get("inngest_url", "")).rsplit(":", 1)[-1]
    if f"--port {port}" not in done.stdout or not any(f" {word} " in done.stdout for word in ("dev", "start")):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            if is_free(int(port)):
                return
            time.sleep(0.05)
