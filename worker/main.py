"""How does the worker start, live and stop? SIGTERM: take nothing new, finish or hand back, leave, exit 0."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from datetime import timedelta

import uvicorn

from runtime.fallback import FallbackScheduler
from runtime.parent import end_with_parent
from services import clock, upkeep
from services.errors import SettingsError, StoreError
from services.replay import asking
from services.settings import Settings, load_and_prepare
from services.store import Store
from services.store.jobs import Job
from services.store.migrate import migrate
from worker import app as worker_app
from worker import functions
from worker.collector import Collector
from worker.desk import Desk, JobFailed, Progress
from worker.environments import EnvironmentWatch
from worker.functions import Duty
from worker.lag import LagMeter
from worker.metrics import WorkerMetrics
from worker.replays import ReplayWork
from worker.writer import Writer

ROLL_EVERY_S = 600
log = logging.getLogger("worker")
STORE_PATIENCE_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run the worker; exit 0 after an orderly stop, 2 for wrong settings or an unusable store."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Collects, serves /inngest, runs jobs.")
    parser.add_argument("--port", type=int, help="default: GREENLIGHT_WORKER_PORT, else 8502")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_and_prepare()
        port = settings.worker_port if options.port is None else options.port
        listener = _listen(options.host, port)
        store = _open_store(settings)
        process = _Process(settings, store, listener)
    except (SettingsError, StoreError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"The worker can't listen on {options.host}:{port} ({error.strerror}).", file=sys.stderr)
        return 2
    end_with_parent()
    _run(process.live())
    return 0


def _run(coroutine: object) -> None:
    if sys.platform == "win32":
        asyncio.run(coroutine)  # type: ignore[arg-type]
        return
    import uvloop

    uvloop.run(coroutine)  # type: ignore[arg-type]


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _open_store(settings: Settings) -> Store:
    """Open and migrate; a store that is only away for the moment is waited for."""
    store = Store.open(settings.database_url.get_secret_value())
    give_up = time.monotonic() + STORE_PATIENCE_S
    while True:
        try:
            if migrate(store):
                log.info("the database was set up")
            return store
        except StoreError as error:
            if not error.passes or time.monotonic() > give_up:
                raise
            log.warning("waiting for the database: %s", error)
            time.sleep(2)


class _Process:
    """The worker's parts, wired."""

    def __init__(self, settings: Settings, store: Store, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self._settings, self._store, self._listener = settings, store, listener
        self._address = f"http://{host}:{port}"
        self._writer = Writer(store)
        self._lag = LagMeter()
        self._desk = Desk(store, owner=_owner(), address=self._address, environments=settings.names)
        self._collector = Collector(settings.environments, sink=self._writer.put, lag=self._lag, holds=self._desk.holds)
        self._watch = EnvironmentWatch(store, settings, collector=self._collector, holds=self._desk.holds)
        self._replays = ReplayWork(store, settings, owner=self._desk.owner)
        self._duties = self._make_duties()
        self._scheduler = FallbackScheduler(
            tuple(duty.task for duty in self._duties), claim=self._desk.claim, done=self._desk.done, now=clock.now
        )

    def _make_duties(self) -> tuple[Duty, ...]:
        async def probe_environments() -> int:
            return await self._probe_overdue()

        async def daily_health_check() -> None:
            for line in await asyncio.to_thread(upkeep.daily_health_check, self._store, self._settings):
                log.info("daily health check: %s", line)

        async def replay_canary() -> int:
            return len(await asyncio.to_thread(asking.ask_canaries, self._store, self._settings))

        async def retention() -> None:
            dropped = await asyncio.to_thread(upkeep.drop_old, self._store, self._settings)
            log.info("retention dropped %s", dropped)

        return (
            Duty(name="probe-environments", cron="*/5 * * * *", every=timedelta(minutes=5), run=probe_environments),
            Duty(
                name="daily-health-check",
                cron="0 8 * * *",
                every=timedelta(days=1),
                offset=timedelta(hours=8),
                run=daily_health_check,
            ),
            Duty(
                name="replay-canary",
                cron=_every(self._settings.replay.canary_minutes),
                every=timedelta(minutes=self._settings.replay.canary_minutes),
                run=replay_canary,
            ),
            Duty(
                name="retention",
                cron="30 3 * * *",
                every=timedelta(days=1),
                offset=timedelta(hours=3, minutes=30),
                run=retention,
            ),
        )

    async def _probe_overdue(self) -> int:
        """Look at environments that the collector, for whatever reason, left behind; none while all is well."""
        from services.health.state import reckon
        from services.store import conditions

        def overdue() -> list[str]:
            now = clock.now_ms()
            with self._store.read() as connection:
                return [
                    name
                    for name in self._settings.names
                    if self._desk.holds(name)
                    and any(d.stale for d in reckon(name, conditions.load(connection, name), now).dependencies)
                ]

        async def no_progress(_done: int, _total: int) -> None:
            return None

        names = await asyncio.to_thread(overdue)
        for name in names:
            await self._collector.look_now(name, no_progress)
        return len(names)

    async def _roll_anew(self) -> None:
        """What an older version rolled up, or none did, follows the present rules."""
        while True:
            try:
                number = await asyncio.to_thread(upkeep.roll_anew, self._store)
                if number:
                    log.info("%d series were rolled up anew", number)
            except StoreError as error:
                log.warning("series could not be rolled up anew: %s It is tried again.", error.sentence)
            await asyncio.sleep(ROLL_EVERY_S)

    async def _probe_now(self, job: Job, progress: Progress) -> str:
        count = await self._collector.look_now(job.environment, progress)
        if not await self._writer.flush():
            raise JobFailed(f"The results could not be saved: {self._writer.trouble}")
        return f"{count} probes finished."

    async def _validate_now(self, job: Job, progress: Progress) -> str:
        return await self._watch.validate(job.environment, progress)

    async def live(self) -> None:
        """Run until SIGTERM or SIGINT, then stop in order."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows has no loop signal handlers
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = self._server()
        serving = asyncio.create_task(server.serve(sockets=[self._listener]), name="server")
        parts = [
            asyncio.create_task(work, name=name)
            for name, work in (
                ("lag", self._lag.run()),
                ("writer", self._writer.run()),
                ("desk", self._desk.keep(self._collector, self._writer)),
                ("requests", self._desk.serve({"probe": self._probe_now, "validate": self._validate_now})),
                ("collector", self._collector.run()),
                ("environments", self._watch.run()),
                ("replays", self._replays.run()),
                ("schedule", self._scheduler.run()),
                ("rollups", self._roll_anew()),
            )
        ]
        log.info("the worker %s listens on %s", self._desk.owner, self._address)
        self._announce()
        waiting = asyncio.create_task(stop.wait(), name="stop")
        ended, _ = await asyncio.wait([*parts, serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in ended - {waiting}:
            log.error("the part %r of the worker ended early: %s", task.get_name(), task.exception())
        await self._stop(parts, server, serving)

    def _server(self) -> uvicorn.Server:
        client = functions.client(self._settings.own)
        token = self._settings.api_token
        app = worker_app.build(
            own=self._settings.own,
            token=token.get_secret_value() if token else None,
            trouble=lambda: self._writer.trouble or self._desk.trouble,
            metrics=WorkerMetrics(store=self._store, collector=self._collector, writer=self._writer, desk=self._desk),
            client=client,
            served=functions.functions(client, self._duties, self._scheduler),
            allowed_hosts=self._settings.portal.allowed_hosts,
        )
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        return server

    def _announce(self) -> None:
        """Keep the address in the data folder, for command lines and other tools beside a running worker."""
        path = self._settings.data_dir / "worker.json"
        draft = path.with_name(path.name + ".draft")
        functions_served = len(self._duties)
        text = json.dumps({"address": self._address, "pid": os.getpid(), "functions": functions_served})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            log.warning("the worker's address can't be kept in the data folder: %s", error.strerror)

    async def _stop(self, parts: list[asyncio.Task[None]], server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        log.info("stopping: nothing new is taken; what is held is finished or handed back")
        self._desk.stop_claiming()
        self._replays.stop_claiming()
        give_up = asyncio.get_running_loop().time() + self._settings.drain_seconds
        for task in parts:
            task.cancel()
        await asyncio.wait(parts, timeout=max(0.1, give_up - asyncio.get_running_loop().time()))
        server.should_exit = True
        try:
            await self._writer.close()
            await asyncio.to_thread(self._replays.hand_back)
            await asyncio.to_thread(self._desk.hand_back)
            log.info("everything was written and handed back")
        except StoreError as error:
            log.error("not everything could be handed back: %s Leases end by themselves.", error)
        await asyncio.wait([serving], timeout=max(0.1, give_up - asyncio.get_running_loop().time()))
        self._store.close()


def _every(minutes: int) -> str:
    """The cron line of a rhythm of minutes, hours or a day."""
    if minutes < 60:
        return f"*/{minutes} * * * *"
    return f"0 */{minutes // 60} * * *" if minutes < 1440 else "0 0 * * *"


def _owner() -> str:
    return os.environ.get("GREENLIGHT_WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:80]
