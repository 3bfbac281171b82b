"""The commands of `start.py`, and the order in which things start and stop."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import webbrowser
from pathlib import Path
from typing import Any

from launcher import demo, environment, inngest_server, redis_server
from launcher.environment import PYTHON, ROOT
from launcher.lock import Stack, free_port, is_free
from launcher.processes import Child
from launcher.say import Refusal, complain, line, step

DRAIN_S, OTHER_STOP_S = "5", 2.0  # of the worker, unless its variable says more
CRASHED = 70  # EX_SOFTWARE of sysexits.h
START_PATIENCE_S = 90.0
SYNC_PATIENCE_S = 30.0


def main(arguments: list[str]) -> int:
    """Run a command; returns its exit status."""
    try:
        if arguments[:1] == ["test"]:
            from launcher import testing

            return testing.run(arguments[1:])
        if arguments[:1] == ["add"]:
            environment.prepare("requirements.txt")
            script = [str(PYTHON), str(ROOT / "scripts" / "add_environment.py"), *arguments[1:]]
            return subprocess.run(script, check=False).returncode
        return _run(_parse(arguments))
    except Refusal as refusal:
        complain(str(refusal))
        return refusal.status
    except KeyboardInterrupt:
        line("")
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort of the process; texts may quote a secret
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames[-6:]))
        complain(f"start.py: Greenlight made a mistake ({type(error).__name__} at {where}). Report this line.")
        return CRASHED


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="start.py",
        description="Sets up (the first time) and starts Greenlight: a local Redis if none is configured, the worker, "
        "the portal. `start.py add` adds an environment to greenlight.toml; `start.py test [pytest arguments]` runs "
        "the test suite.",
    )
    parser.add_argument(
        "--port", type=_port, default=os.environ.get("PORT") or "8501", help="the portal's port (PORT, else 8501)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--data", default=os.environ.get("GREENLIGHT_DATA") or "data", help="the data folder (data)")
    parser.add_argument("--demo", action="store_true", help="add two simulated environments with switchable faults")
    parser.add_argument(
        "--inngest",
        nargs="?",
        const="auto",
        choices=(*inngest_server.MODES, "auto"),
        metavar="{off,dev,production}",
        help="run an Inngest server too: dev (ephemeral) or production (persistent); without a value ENVIRONMENT "
        "decides, else dev",
    )
    parser.add_argument("--inngest-port", type=_port, default=8288, help="the Inngest server's port (8288)")
    parser.add_argument("--no-browser", action="store_true", help="don't open the browser")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 7) or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 1 to 65535")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stack = Stack(Path(options.data).expanduser().resolve())
    stack.take()
    if not is_free(options.port, options.host):
        raise Refusal(f"Port {options.port} on {options.host} is taken by another program. Choose another with --port.")
    line("Greenlight")
    environment.prepare("requirements.txt")
    os.umask(0o077)  # data, logs and keys are for this user alone
    if stop.is_set():
        return 0
    _refuse_open_door(options.host)
    children: list[Child] = []
    try:
        address = _start(stack, options, children, stop)
        if address is not None:
            line(f"\nOpen {address}   (Ctrl-C stops everything)")
            if not options.no_browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            return _watch(children, stop)
        return 0
    finally:
        _stop_all(children)


def _start(stack: Stack, options: argparse.Namespace, children: list[Child], stop: threading.Event) -> str | None:
    """Start everything in order; the address, or None where a stop was asked for meanwhile."""
    logs, taken, before = stack.data / "logs", {options.port}, stack.note()
    note: dict[str, Any] = {"pid": os.getpid(), "api_token_file": str(stack.data / "api_token")}
    token = os.environ.get("GREENLIGHT_API_TOKEN")
    stack.secret("api_token", make=token)
    variables: dict[str, str | None] = {
        "GREENLIGHT_DATA": str(stack.data),
        "GREENLIGHT_PARENT_PID": str(os.getpid()),
        "GREENLIGHT_WORKER_ID": "stack",
        "GREENLIGHT_DRAIN_SECONDS": os.environ.get("GREENLIGHT_DRAIN_SECONDS") or DRAIN_S,
        "PYTHONUNBUFFERED": "1",
    }
    if not os.environ.get("REDIS_URL"):
        port = _local_redis(stack, before, taken, children, logs)
        if port is not None:
            url = f"redis://:{stack.secret('redis_password')}@127.0.0.1:{port}/0"
            stack.secret("redis_url", make=url)
            note |= {"redis_url_file": str(stack.data / "redis_url"), "redis_port": port}
            variables["REDIS_URL"] = url
    worker_port = free_port(_preferred(before.get("worker_port"), options.port + 1), taken)
    variables["GREENLIGHT_WORKER_PORT"] = str(worker_port)
    mode = inngest_server.mode_of(options.inngest)
    if mode != "off":
        served = inngest_server.start(
            stack, mode, port=options.inngest_port, worker_url=f"http://127.0.0.1:{worker_port}", taken=taken, logs=logs
        )
        children.extend(served.children)
        variables |= served.variables
        note |= served.note
    if options.demo:
        with step("Starting the simulated environments"):
            swarm, described = demo.start(stack, taken, logs, portal=f"http://127.0.0.1:{options.port}")
            children.extend(swarm)
        note |= described
    address = f"http://{'localhost' if options.host == '127.0.0.1' else options.host}:{options.port}"
    note |= {"address": address, "worker_port": worker_port}
    stack.write_note(note)
    if stop.is_set():
        return None
    with step(f"Starting the worker on port {worker_port} and the portal on port {options.port}"):
        worker = Child("worker", [str(PYTHON), "-m", "worker"], logs=logs, variables=variables)
        children.append(worker)
        where = ["--host", options.host, "--port", str(options.port)]
        portal = Child("portal", [str(PYTHON), "app.py", *where], logs=logs, variables=variables)
        children.append(portal)
        worker.wait_for(f"http://127.0.0.1:{worker_port}/api/health/live", START_PATIENCE_S)
        if options.demo:
            _seed_history(variables, logs)
        portal.wait_for(f"http://{_reachable(options.host)}:{options.port}/api/health/live", START_PATIENCE_S)
    if mode != "off":
        _wait_for_sync(stack, worker, stop)
    return address


def _wait_for_sync(stack: Stack, worker: Child, stop: threading.Event) -> None:
    """Until the worker says that Inngest took its registration; said aloud where it doesn't."""
    file = stack.data / "worker.json"
    found: dict[str, Any] = {}
    with step("Registering the worker's functions with Inngest"):
        give_up = time.monotonic() + SYNC_PATIENCE_S
        while time.monotonic() < give_up and worker.status is None and not stop.wait(0.1):
            try:
                known = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            found = known.get("inngest") or {} if known.get("pid") == worker.pid else {}
            if found.get("synced"):
                return
    complain(
        f"  Inngest did not take the registration yet ({found.get('trouble') or 'no answer'}). The worker goes on "
        "trying, and the fallback scheduler runs the essentials meanwhile."
    )


def _local_redis(
    stack: Stack, before: dict[str, Any], taken: set[int], children: list[Child], logs: Path
) -> int | None:
    """Start the local Redis; its port, or None (said aloud) where there is no server to start."""
    password = stack.secret("redis_password")
    if isinstance(before.get("redis_port"), int):
        redis_server.stop_left_over(before["redis_port"], password)
    port = free_port(16_379, taken)
    try:
        with step(f"Starting a local Redis on port {port}"):
            children.append(
                redis_server.start("redis", folder=stack.data / "redis", port=port, password=password, logs=logs)
            )
    except Refusal as refusal:
        complain(f"  {refusal} Greenlight goes on without; set REDIS_URL to use one of yours.")
        return None
    return port


def _seed_history(variables: dict[str, str | None], logs: Path) -> None:
    """Generate the simulated environments' past; once, and beside everything else."""
    Child("history", [str(PYTHON), str(ROOT / "scripts" / "seed_demo.py")], logs=logs, variables=variables)


def _preferred(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and 1024 <= value < 32_768 else min(max(otherwise, 1024), 32_000)


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host


def _refuse_open_door(host: str) -> None:
    """Outside loopback the portal itself refuses to start without sign-in or a proxy; say so before starting."""
    try:
        outside = host != "localhost" and not ipaddress.ip_address(host).is_loopback
    except ValueError:
        outside = True
    secrets_file = ROOT / ".streamlit" / "secrets.toml"
    config = Path(os.environ.get("GREENLIGHT_CONFIG") or ROOT / "greenlight.toml")
    guarded = _mentions(secrets_file, "auth", None) or _mentions(config, "portal", "trusted_proxies")
    if outside and not guarded:
        raise Refusal(
            f"Listening on {host} would open the portal to others without sign-in. Use 127.0.0.1, or configure "
            "sign-in ([auth] in .streamlit/secrets.toml) or [portal] trusted_proxies in greenlight.toml first."
        )


def _mentions(path: Path, table: str, key: str | None) -> bool:
    import tomllib

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get(table)
    except (OSError, ValueError):
        return False
    return bool(found if key is None else isinstance(found, dict) and found.get(key))


def _watch(children: list[Child], stop: threading.Event) -> int:
    """Until a stop is asked for or the portal ends. Another child's end is said, and pages say it too."""
    gone: set[str] = set()
    while not stop.wait(0.5):
        for child in children:
            if child.status is None or child.name in gone:
                continue
            gone.add(child.name)
            if child.name == "portal":
                complain(f"The portal ended (status {child.status}):\n{child.said()}")
                return 1
            complain(
                f"The {child.name} ended (status {child.status}). The pages stay up and say how old everything is. "
                f"Its log is {child.log}. To start it again, stop with Ctrl-C and start it again."
            )
    line("\nStopping …")
    return 0


def _worker_stop_s() -> float:
    """As long as it may finish what it holds, and a second to hand back the rest."""
    try:
        return float(os.environ.get("GREENLIGHT_DRAIN_SECONDS") or DRAIN_S) + 1
    except ValueError:  # with such a value the worker doesn't even start
        return float(DRAIN_S) + 1


def _stop_all(children: list[Child]) -> None:
    """Portal, then worker (it hands back what it holds), then what they stand on."""
    by_rank = sorted(children, key=lambda child: {"portal": 0, "worker": 1, "inngest": 2}.get(child.name, 3))
    for child in by_rank:
        if child.name in {"portal", "worker"}:
            child.ask_to_stop()
    for child in by_rank:
        child.stop(_worker_stop_s() if child.name == "worker" else OTHER_STOP_S)
    if children and sys.stdout.isatty():
        line("Stopped.")
