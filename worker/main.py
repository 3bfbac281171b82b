"""How the worker starts, lives and stops. SIGTERM: take nothing new, finish or hand back, leave, exit 0."""

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
import threading
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import inngest
import uvicorn

from runtime.parent import end_with_parent
from services import paths, retention
from services.alerts import writing
from services.alerts.setup import AlertSetup
from services.dependencies.inngest import control
from services.dependencies.inngest.control import NotChanged
from services.dependencies.inngest.pulse import NAME as PULSE
from services.dependencies.inngest.runs import NAME as RUNS
from services.dependencies.inngest.sync import CONNECTED
from services.dependencies.inngest.sync import NAME as SYNC
from services.dependencies.own_network import OwnNetwork
from services.deploys import drilling
from services.deploys.drilling import NotDrilled
from services.environments import trial
from services.errors import SettingsError, StoreError
from services.fingerprint import installation_key
from services.heartbeats import Calls
from services.redact import fault
from services.settings import Settings, load, load_and_prepare
from services.settings.model import Environment
from services.soak import reading as soaks
from services.store import Store, workers
from services.store.jobs import Job
from services.store.migrate import migrate
from services.verdict import view as verdicts
from worker import app as worker_app
from worker import functions, scheduled
from worker.alerts import Judge
from worker.collector import Collector
from worker.connection import Connection
from worker.deploys import DeployWatch
from worker.environments import EnvironmentWatch
from worker.lag import LagMeter
from worker.leases import Handler, JobFailed, Leases, Progress
from worker.metrics import WorkerMetrics
from worker.parts import Parts
from worker.platform import PlatformWatch
from worker.replays import ReplayWork
from worker.schedule import Schedule
from worker.sending import Sender
from worker.sign_of_life import DeadMan
from worker.steps import Counted, Steps
from worker.sync import Registration
from worker.traces import TraceWork
from worker.writer import Writer

ROLL_EVERY_S = 600
VERDICT_EVERY_S = 10.0
log = logging.getLogger("worker")
STORE_PATIENCE_S = 60.0
SETTINGS_EVERY_S = 2.0
KEEPS_OLD = "The settings file was changed, but can't be used as it is. The worker keeps the settings from before."
SPARE_STEPS = 8  # beside those of replays: schedules, pulses, and what joins them together
REGISTERED = frozenset({PULSE, SYNC})  # the probes that measure what the registration brings about
CANCEL_S = 2.0
END_S = 8.0  # beyond the drain time: by then an orderly stop has ended


def main(arguments: list[str] | None = None) -> int:
    """Run the worker; exit 0 after an orderly stop, 1 where a part of it had ended, 2 for wrong settings or store."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Collects, serves /inngest, runs jobs.")
    parser.add_argument("--port", type=int, help="default: GREENLIGHT_WORKER_PORT, else 8502")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    port = options.port
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
        where = "prepare its data folder" if port is None else f"listen on {options.host}:{port}"
        print(f"The worker can't {where} ({error.strerror}).", file=sys.stderr)
        return 2
    end_with_parent()
    status = _run(process.live())
    if process.again and status == 0:
        logging.shutdown()
        listener.close()
        os.execv(sys.executable, [sys.executable, "-m", "worker", *(sys.argv[1:] if arguments is None else arguments)])  # noqa: S606 - ourselves
    return status


def _run(work: Coroutine[Any, Any, int]) -> int:
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _open_store(settings: Settings) -> Store:
    """Open and migrate; a store that is only away for the moment is waited for."""
    store = Store.open(settings.database_url.get_secret_value())
    if left_out := paths.database_address().left_out:
        log.warning("DATABASE_URL has options that our driver doesn't know; they are left out: %s", ", ".join(left_out))
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
        self._store, self._listener = store, listener
        self._address = f"http://{host}:{port}"
        self._reached_at = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"
        declared = functions.declared(scheduled.crons(settings))
        reached_at = CONNECTED if settings.durable.transport == "connect" else self._reached_at
        watched = tuple(_told(environment, reached_at, declared) for environment in settings.environments)
        self._settings = settings = settings.model_copy(update={"environments": watched})
        self._parts = Parts()
        self._end = asyncio.Event()
        self.again = False  # whether it ends only to start with changed settings
        self._alerts = AlertSetup.from_settings(settings)
        self._writer = Writer(store, partial(writing.of_states, self._alerts))
        self._lag = LagMeter()
        self._leases = Leases(
            store, owner=_owner(settings.data_dir), address=self._address, environments=tuple(e.name for e in watched)
        )
        self._collector = Collector(
            watched,
            sink=self._writer.put,
            lag=self._lag,
            holds=self._leases.holds,
            waits=self._waits,
            beats=Calls(store),
            siblings=self._workers,
            network=OwnNetwork(references=settings.network.reference, environments=settings.environments),
        )
        self._watch = EnvironmentWatch(store, settings, collector=self._collector, holds=self._leases.holds)
        self._deploys = DeployWatch(
            store, settings, owner=self._leases.owner, holds=self._leases.holds, look_soon=self._collector.look_soon
        )
        self._platform = PlatformWatch(store, settings, holds=self._leases.holds)
        self._traces = TraceWork(store, settings)
        self._replays = ReplayWork(store, settings, owner=self._leases.owner)
        tasks = scheduled.tasks(store, settings, self._collector, self._leases, self._parts.notes)
        self._schedule = Schedule(store, settings, tasks, owner=self._leases.owner)
        self._judge = Judge(store, settings, self._alerts, owner=self._leases.owner, holds=self._leases.holds)
        self._sender = Sender(store, settings, owner=self._leases.owner, store_trouble=self._store_trouble)
        self._dead_man = DeadMan(
            store, settings, sender=self._sender, trouble=lambda: self._store_trouble() or self._parts.trouble,
            probed=lambda: self._collector.probed, holds=self._leases.holds,
        )  # fmt: skip
        self._client = functions.client(settings.own)
        self._steps = Steps()
        # Of several environments with our Inngest server, the first one's collector is the worker that it calls.
        pulsed = next((e for e in watched if e.server is not None and e.server.pulsed), None)
        self._served = functions.functions(self._client, self._schedule, self._replays, settings.durable, self._steps)
        self._registration = None if pulsed is None else self._register(pulsed)
        if self._registration is not None:
            self._replays.hand_over_by(self._send, self._hands_over)

    def _store_trouble(self) -> str:
        return self._writer.trouble or self._leases.trouble

    def _workers(self) -> list[str]:
        """Where the workers of this installation are."""
        with self._store.read() as connection:
            return [worker.address for worker in workers.load(connection)]

    @property
    def _handlers(self) -> dict[str, Handler]:
        return {
            "probe": self._probe_now, "validate": self._validate_now, "configure": self._try_draft,
            control.ACTION: self._change_run, drilling.ACTION: self._drill,
        }  # fmt: skip

    def _register(self, environment: Environment) -> Registration | Connection:
        if self._settings.durable.transport == "connect":
            return Connection(
                self._client, self._served, instance=self._leases.owner,
                at_once=self._settings.durable.replay_concurrency + SPARE_STEPS,
                told=lambda found: self._told_of_registration(environment.name, found),
            )  # fmt: skip
        return Registration(
            environment, self._settings.own, workers=self._workers, address=self._reached_at,
            holds=lambda: self._leases.holds(environment.name),
            told=lambda found: self._told_of_registration(environment.name, found),
        )  # fmt: skip

    def _waits(self, probe: str) -> bool:
        """A check before the worker is registered would only say that it is not registered yet."""
        return probe in REGISTERED and self._registration is not None and self._registration.is_new

    def _told_of_registration(self, environment: str, found: dict[str, Any]) -> None:
        self._announce(found)
        if found["synced"]:
            self._collector.look_soon(environment, REGISTERED)

    def _hands_over(self) -> bool:
        """Whether Inngest calls this worker, and moves work."""
        return self._registration is not None and self._registration.synced and self._schedule.inngest_moves()

    async def _send(self, event: str, id_: str, data: dict[str, Any]) -> None:
        await self._client.send(inngest.Event(name=event, id=id_, data=data))

    async def _roll_anew(self) -> None:
        """What an older version rolled up, or none did, follows the present rules."""
        while True:
            try:
                number = await asyncio.to_thread(retention.roll_again, self._store)
                if number:
                    log.info("%d series were rolled up again", number)
            except StoreError as error:
                log.warning("series could not be rolled up again: %s It is tried again.", error.advice.what)
            await asyncio.sleep(ROLL_EVERY_S)

    async def _keep_verdicts(self) -> None:
        """How long staging stands, and what all of it adds up to, as evidence; one environment's trouble is its own."""
        failing: dict[str, str] = {}
        while True:
            await asyncio.sleep(VERDICT_EVERY_S)
            for name in self._settings.names:
                try:
                    await asyncio.to_thread(self._keep_verdict, name)
                    failing.pop(name, None)
                except StoreError as error:
                    log.debug("the verdict could not be computed: %s", error)
                except Exception as error:  # noqa: BLE001 - the other environments' verdicts go on
                    if failing.get(name) != (found := fault(error)):
                        log.error("the verdict of %s can't be evaluated: %s", name, found)
                    failing[name] = found

    def _keep_verdict(self, name: str) -> None:
        def holds(other: str) -> bool:
            return other == name and self._leases.holds(name)

        soaks.keep(self._store, self._settings, holds)
        verdicts.keep(self._store, self._settings, holds)

    async def _probe_now(self, job: Job, progress: Progress) -> str:
        await self._watch.catch_up(job.environment)
        count = await self._collector.look_now(job.environment, progress)
        await self._platform.ask(job.environment, hinted=True)
        await self._deploys.prove(job.environment)
        if not await self._writer.flush():
            raise JobFailed(f"The results could not be saved: {self._writer.trouble}")
        return f"{count} checks."

    async def _validate_now(self, job: Job, progress: Progress) -> str:
        return await self._watch.validate(job.environment, progress)

    async def _change_run(self, job: Job, progress: Progress) -> str:
        """Cancel a run, or run it again; then read the list of runs again."""
        try:
            done = await control.carry_out(self._settings.environment(job.environment), job, progress)
        except NotChanged as error:
            raise JobFailed(str(error)) from error
        self._collector.look_soon(job.environment, (RUNS,))
        return done

    async def _drill(self, job: Job, progress: Progress) -> str:
        try:
            return await drilling.carry_out(self._store, self._settings, job, progress)
        except NotDrilled as error:
            raise JobFailed(str(error)) from error

    async def _try_draft(self, job: Job, progress: Progress) -> str:
        """A draft of an environment, each probe once; nothing of it is counted."""
        name, _, number = job.message.partition(" ")
        try:
            environment = await asyncio.to_thread(trial.drafted, self._store, name, int(number))
        except SettingsError as error:
            raise JobFailed(trial.problems(error)) from error
        except (LookupError, ValueError) as error:
            raise JobFailed("This draft is not there any more. Keep it again, then test it.") from error
        return trial.as_text(await trial.run(environment, progress))

    async def _follow_settings(self) -> None:
        """A changed settings file is taken up by a new start of this process, in order; a wrong one is said."""
        path = paths.config_path()
        seen = paths.stamp(path)
        while True:
            await asyncio.sleep(SETTINGS_EVERY_S)
            now = await asyncio.to_thread(paths.stamp, path)
            if now == seen:
                continue
            seen = now
            try:
                await asyncio.to_thread(load)
            except SettingsError as error:
                self._leases.settings_trouble = KEEPS_OLD
                log.warning("%s %s", KEEPS_OLD, error)
                continue
            self._leases.settings_trouble = ""
            if sys.platform == "win32":
                log.warning("the settings changed: restart the worker to use them")
                continue
            log.info("the settings changed: the worker starts again with them")
            self.again = True
            self._end.set()

    async def live(self) -> int:
        """Run until SIGTERM or SIGINT, then stop in order; the exit status."""
        stop = self._end
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows has no loop signal handlers
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = self._server()
        serving = asyncio.create_task(server.serve(sockets=[self._listener]), name="server")
        parts = [
            asyncio.create_task(self._parts.keep(name, work), name=name)
            for name, work in (
                ("lag", self._lag.run),
                ("writer", self._writer.run),
                ("leases", lambda: self._leases.keep(self._collector, self._writer, lambda: self._parts.trouble)),
                ("requests", lambda: self._leases.serve(self._handlers, long={drilling.ACTION})),
                ("collector", self._collector.run),
                ("environments", self._watch.run),
                ("deploys", self._deploys.run),
                ("platform", self._platform.run),
                ("traces", self._traces.run),
                ("settings", self._follow_settings),
                ("replays", self._replays.run),
                ("schedule", lambda: self._schedule.fallback().run()),
                ("rollups", self._roll_anew),
                ("verdicts", self._keep_verdicts),
                ("alerts", self._judge.run),
                ("messages", self._sender.run),
                ("sign of life", self._dead_man.run),
                *(
                    ()
                    if self._registration is None
                    else (("registration", lambda: self._register_once_served(server)),)
                ),
            )
        ]
        log.info("the worker %s listens on %s", self._leases.owner, self._address)
        self._announce()
        waiting = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and not stop.is_set():
            log.error("the worker's HTTP server ended by itself, so the worker ends")
        status = 0 if stop.is_set() and not self._parts.down else 1
        self._parts.stopping = True
        end = threading.Timer(self._settings.drain_seconds + END_S, _end_at_once, [status or 1])
        end.daemon = True
        end.start()
        await self._stop(parts, server, serving)
        return status

    def _server(self) -> uvicorn.Server:
        token = self._settings.api_token
        app = worker_app.build(
            own=self._settings.own,
            token=token.get_secret_value() if token else None,
            trouble=self._store_trouble,
            metrics=WorkerMetrics(
                store=self._store,
                collector=self._collector,
                writer=self._writer,
                leases=self._leases,
                parts=self._parts,
                sender=self._sender,
                dead_man=self._dead_man,
            ),
            client=self._client,
            served=self._served,
            allowed_hosts=self._settings.portal.allowed_hosts,
            connects=isinstance(self._registration, Connection),
        )
        config = uvicorn.Config(
            Counted(app, self._steps, worker_app.PATH),
            log_level="warning",
            lifespan="off",
            proxy_headers=False,  # no header may say who the peer is
            timeout_graceful_shutdown=max(1, round(self._settings.drain_seconds)),
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        return server

    async def _register_once_served(self, server: uvicorn.Server) -> None:
        assert self._registration is not None  # noqa: S101 - the caller has checked
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.02)
        await self._registration.run()

    def _announce(self, inngest_state: dict[str, Any] | None = None) -> None:
        """Keep the address in the data folder, for command lines and other tools beside a running worker."""
        path = self._settings.data_dir / "worker.json"
        draft = path.with_name(path.name + ".draft")
        found = {"address": self._address, "pid": os.getpid(), "functions": len(self._schedule.tasks) + 2}
        text = json.dumps(found | ({"inngest": inngest_state} if inngest_state else {}))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            log.warning("the worker's address can't be kept in the data folder: %s", error.strerror)

    async def _stop(self, parts: list[asyncio.Task[None]], server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        """Take nothing new; finish what is held within the drain time; hand back the rest."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._settings.drain_seconds
        log.info("stopping: nothing new is taken; what is held is finished, or handed back after %g s",
                 self._settings.drain_seconds)  # fmt: skip
        self._leases.stop_claiming()
        self._schedule.stop_claiming()
        self._replays.stop_claiming()
        self._sender.stop_claiming()
        server.should_exit = True  # no new call is accepted; steps that Inngest called are finished
        connection = self._registration if isinstance(self._registration, Connection) else None
        closing = [] if connection is None else [asyncio.create_task(connection.close())]
        held = {
            task for task in parts if task.get_name() in {"replays", "requests", "schedule", "registration", "messages"}
        }
        for task in set(parts) - held - {t for t in parts if t.get_name() in {"writer", "lag"}}:
            task.cancel()
        steps = max(self._steps.calls, len(self._steps.bodies))
        if steps or self._replays.at_work:
            log.info("%d steps and %d replays are at work", steps, self._replays.at_work)
        idle = asyncio.create_task(self._until_idle(), name="idle")
        await asyncio.wait([idle, serving, *closing], timeout=max(0.1, give_up - loop.time()))
        idle.cancel()
        self._steps.cutting = True
        for step in self._steps.bodies:
            log.warning("cut off: %s; Inngest runs it again on its next try", step)
        for task in parts:
            task.cancel()
        await asyncio.wait(parts, timeout=CANCEL_S)
        server.force_exit = True
        try:
            await self._writer.close()
            await self._replays.close()
            await asyncio.to_thread(self._replays.hand_back)
            await asyncio.to_thread(self._sender.hand_back)
            await asyncio.to_thread(self._leases.hand_back)
            log.info("everything was written and handed back")
        except StoreError as error:
            log.error("not everything could be handed back: %s Leases end by themselves.", error)
        await asyncio.wait([serving], timeout=CANCEL_S)
        self._store.close()

    async def _until_idle(self) -> None:
        while (  # noqa: ASYNC110 - counters of several parts, looked at for seconds
            self._steps.calls
            or self._steps.bodies
            or self._replays.at_work
            or self._leases.busy
            or self._schedule.busy
            or self._sender.busy
        ):
            await asyncio.sleep(0.05)


def _end_at_once(status: int) -> None:
    """A database, name server or file system that answers no more must not keep a stopping worker alive."""
    log.error("something that the worker waits for does not answer: it ends without it; leases end by themselves")
    logging.shutdown()
    os._exit(status)


def _told(environment: Environment, worker_url: str, declared: tuple[tuple[str, str], ...]) -> Environment:
    """An environment whose Inngest server is ours, with what should be registered there."""
    server = environment.server
    if server is None or not server.pulsed:
        return environment
    told = server.model_copy(update={"worker_url": worker_url, "declared": declared})
    return environment.model_copy(update={"server": told})


def _owner(data_dir: Path) -> str:
    """This worker's name for leases. A name that was given is completed by the installation's key: two installations
    on one database would otherwise both hold what one of them took."""
    given = os.environ.get("GREENLIGHT_WORKER_ID", "").strip()
    if given:
        return f"{given[:60]}-{installation_key(data_dir).id}"
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:80]
