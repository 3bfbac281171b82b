"""How many messages people get, and how soon: a simulated month beside the rules of two peers, and a real channel.

The month is seeded and the same for all: every probe's outcome each 30 s, with 40 incidents, three times of flapping,
25 deploys, four declared maintenances, single failed checks, and an outage of our own network.

The peers' rules, re-stated from their sources, with the same three failures before an alert as ours:
- Uptime Kuma, `server/model/monitor.js` (`isImportantForNotification`): each monitor by itself; after the retries DOWN,
  and a message at PENDING or UP -> DOWN, MAINTENANCE -> DOWN, and DOWN -> UP at the first good check; maintenance is
  silent; no message again while it lasts (`resendInterval` 0).
- Gatus, `watchdog/alerting.go`: each endpoint by itself; a message at `failure-threshold` 3 failures in a row, and
  where `send-on-resolved` is set at `success-threshold` 2 successes; maintenance windows are silent.
"""

from __future__ import annotations

import random
import socket
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.table import Figure
from services.alerts import states, writing
from services.alerts.judge import LOOKED_BACK_MS, Seen, Symptom, judge
from services.alerts.rules import GREENLIGHT
from services.alerts.setup import AlertSetup, Watched
from services.clock import MINUTE_MS
from services.dependencies.messages import message
from services.dependencies.model import Reading
from services.dependencies.run import Observation
from services.health import record as ledger
from services.health.hysteresis import Track, step
from services.settings import load
from services.store import Store
from services.store.alerts import OPEN, Alert
from services.store.conditions import Condition
from services.store.migrate import migrate

SEED, DAYS, TICK_MS = 20_261_201, 30, 30_000
BEGIN_MS = 1_800_000_000_000
RESOLVED_AFTER_MS = 300_000
ACKNOWLEDGED_AFTER_MS = 20 * MINUTE_MS
GOOD: Mapping[str, str] = {
    "readiness": "readiness.ok", "dependencies": "dependencies.ok", "redis.ping": "redis.ok",
    "redis.write": "redis.write_ok", "inngest": "inngest.ok", "queue:email": "queue.ok", "queue:sms": "queue.ok",
    "payments": "http.ok", "crm": "http.ok",
}  # fmt: skip
# What an incident does to each probe; the first is its cause.
REDIS = {
    "redis.ping": "redis.refused",
    "redis.write": "redis.refused",
    "queue:email": "redis.refused",
    "queue:sms": "redis.refused",
    "readiness": "readiness.not_ready",
    "dependencies": "dependencies.unhealthy",
}
APP = {"readiness": "readiness.refused", "dependencies": "dependencies.refused", "inngest": "inngest.refused"}
PAYMENTS = {"payments": "http.refused", "readiness": "readiness.not_ready"}
CRM, QUEUE = {"crm": "http.refused"}, {"queue:email": "queue.late"}
KINDS = ((REDIS, 12), (APP, 8), (PAYMENTS, 6), (CRM, 8), (QUEUE, 6))  # 40
REPORT = {"redis": {"required": True, "healthy": True}, "inngest": {"required": True, "healthy": True}}


@dataclass(slots=True)
class Month:
    """By tick and probe, the code of what doesn't work; the stretches of incidents, and of maintenance."""

    codes: dict[int, dict[str, str]] = field(default_factory=dict)
    incidents: list[tuple[int, int]] = field(default_factory=list)
    maintenance: list[tuple[int, int]] = field(default_factory=list)

    def fail(self, low: int, high: int, codes: Mapping[str, str]) -> None:
        """From a tick to another these probes find this."""
        for tick in range(low, high):
            self.codes.setdefault(tick, {}).update(codes)


def month() -> Month:
    """The same month for all."""
    chance, made = random.Random(SEED), Month()
    slots = iter(chance.sample(range(4, DAYS * 12 - 4), 120))  # two hours and more apart begin anything

    def begin() -> int:
        return next(slots) * 240 + chance.randrange(40)

    for codes, count in KINDS:
        for _ in range(count):
            low = begin()
            high = low + chance.randrange(12, 150)  # 6 min to 75 min
            made.fail(low, high, codes)
            made.incidents.append((low, high))
    for _ in range(3):  # flapping: two to four minutes down, one to four up, for an hour and more
        at, end = begin(), 0
        end = at + 160
        while at < end:
            length = chance.randrange(4, 8)
            made.fail(at, at + length, CRM)
            at += length + chance.randrange(3, 8)
    for _ in range(25):  # a deploy: the application is away for one or two checks
        low = begin()
        made.fail(low, low + chance.choice((1, 2)), APP)
    for _ in range(4):
        low = begin()
        made.fail(low, low + 60, REDIS)
        made.maintenance.append((low - 4, low + 70))
    for _ in range(200):  # single failed checks
        probe = chance.choice([*GOOD])
        low = chance.randrange(DAYS * 2880)
        if low not in made.codes:
            made.fail(
                low, low + 1, {probe: "http.timeout" if probe in {"payments", "crm"} else f"{_base(probe)}.timeout"}
            )
    low = begin()
    made.fail(low, low + 40, dict.fromkeys(GOOD, "prober.own_network"))
    return made


def _base(probe: str) -> str:
    return "redis" if probe.startswith(("redis", "queue")) else probe


def ours(found: Month) -> tuple[Counter[str], list[int]]:
    """Messages by kind to one channel, and at which ticks something began to be told."""
    watched = Watched(name="e", probes=frozenset(GOOD), strict=("redis", "inngest"))
    tracks = dict.fromkeys(GOOD, Track(state="ok"))
    known: dict[str, Alert] = {}
    told: Counter[str] = Counter()
    at: list[int] = []
    for tick in range(DAYS * 2880):
        codes = found.codes.get(tick, {})
        if (
            not codes
            and not any(a.state == OPEN for a in known.values())
            and all(t.failures == 0 for t in tracks.values())
        ):
            continue
        now = BEGIN_MS + tick * TICK_MS
        conditions = [_condition(probe, codes.get(probe, good), tracks, now) for probe, good in GOOD.items()]
        muted = {"e": "Maintenance"} if any(low <= tick < high for low, high in found.maintenance) else {}
        for source, seen in ((states.SOURCE, states.seen(watched, conditions, now)), ("own", _own(conditions))):
            lately = [a for a in known.values() if a.source == source
                      and (a.state == OPEN or (a.ended_ms or 0) >= now - LOOKED_BACK_MS)]  # fmt: skip
            for change in judge(lately, replace(seen, muted=muted), now, source=source,
                                resolved_after_ms=RESOLVED_AFTER_MS):  # fmt: skip
                known[change.alert.id] = change.alert
                if change.spoken:
                    told[change.kind] += 1
                    at += [tick] if change.kind in {"opened", "worse", "flapping"} else []
        for id_, alert in known.items():
            if alert.state == OPEN and alert.acknowledged_ms is None and now - alert.opened_ms >= ACKNOWLEDGED_AFTER_MS:
                known[id_] = replace(alert, acknowledged_ms=now, acknowledged_by="on call")
    return told, at


def _condition(probe: str, code: str, tracks: dict[str, Track], now: int) -> Condition:
    outcome = message(code).outcome
    track = tracks[probe] = step(tracks[probe], outcome, now)
    if outcome == "unknown":  # our own network: the track goes on afterwards as it was
        tracks[probe] = Track(state="ok")
    detail: dict[str, Any] = {"reported": REPORT} if probe == "dependencies" else {}
    if probe in {"payments", "crm"}:
        detail = {"declared": {"kind": "http", "required": probe == "payments", "label": probe}}
    return Condition(
        environment="e", probe=probe, at_ms=now, interval_s=30, state=track.state, since_ms=track.since_ms,
        outcome=outcome, failures=track.failures, successes=track.successes, code=code, latency_ms=None, detail=detail,
    )  # fmt: skip


def _own(conditions: list[Condition]) -> Seen:
    if not states.own_network(conditions):
        return Seen(well=frozenset({(GREENLIGHT, "own_network")}))
    return Seen(symptoms=(Symptom(environment=GREENLIGHT, cause="own_network", event="own_network", what="Down."),))


def peer(found: Month, *, successes: int) -> tuple[Counter[str], list[int]]:
    """A peer's messages: each monitor by itself; three failures in a row, then so many successes."""
    told: Counter[str] = Counter()
    at: list[int] = []
    for probe, good in GOOD.items():
        failures = rest = 0
        down = False
        for tick in range(DAYS * 2880):
            code = found.codes.get(tick, {}).get(probe, good)
            if any(low <= tick < high for low, high in found.maintenance):
                failures, rest = 0, 0
                continue
            failed = code != good  # whatever keeps a check from succeeding fails it, its own network too
            failures, rest = (failures + 1, 0) if failed else (0, rest + 1)
            if failures >= 3 and not down:
                down = True
                told["opened"] += 1
                at.append(tick)
            elif down and rest >= successes:
                down = False
                told["resolved"] += 1
    return told, at


def missed(found: Month, at: list[int]) -> int:
    """Incidents during which nothing began to be told."""
    return sum(not any(low <= tick <= high for tick in at) for low, high in found.incidents)


def measure() -> list[Figure]:
    """The month, then the time from a confirmed failure to a channel, and one cause with 300 targets."""
    found = month()
    count = len(found.incidents)
    made = []
    rows: tuple[tuple[str, tuple[Counter[str], list[int]]], ...] = (
        ("a month of alerts", ours(found)), ("the same by Uptime Kuma's rules", peer(found, successes=1)),
        ("the same by Gatus' rules", peer(found, successes=2)),
    )  # fmt: skip
    for name, (told, at) in rows:
        begun = sum(number for kind, number in told.items() if kind != "resolved")
        own = name == "a month of alerts"
        made += [
            Figure(what=f"{name}, messages per incident and channel", value=begun / count, unit="",
                   goal=1.2 if own else None,
                   note=f"{count} incidents; {begun} messages that something is wrong, all else included"),
            Figure(what=f"{name}, ends told per incident", value=told["resolved"] / count, unit=""),
            Figure(what=f"{name}, incidents missed", value=missed(found, at), unit="", goal=0 if own else None),
        ]  # fmt: skip
    return made + _channel()


@contextmanager
def _receiver() -> Iterator[tuple[str, list[tuple[float, bytes]]]]:
    taken: list[tuple[float, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append((time.perf_counter(), body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"slack+http://127.0.0.1:{server.server_address[1]}/hook", taken
    server.shutdown()
    server.server_close()


ENVIRONMENTS, EACH, ROUNDS = 5, 100, 40


def _channel() -> list[Figure]:
    """500 targets in five environments, the worker's own writer and sender, a real receiver."""
    with tempfile.TemporaryDirectory() as folder, _receiver() as (url, taken):
        config = Path(folder) / "greenlight.toml"
        config.write_text(
            '[[alerts.channels]]\nname="c"\nurl_variable="C"\n'
            + "".join(_environment(f"e{n}") for n in range(ENVIRONMENTS))
        )
        settings = load({"GREENLIGHT_CONFIG": str(config), "GREENLIGHT_DATA": folder, "C": url})
        store = Store.open(settings.database_url.get_secret_value())
        migrate(store)
        setup = AlertSetup.from_settings(settings)
        within = partial(writing.of_states, setup)
        memory = ledger.Memory()
        with _sending(settings, store):
            at_ms = round(time.time() * 1000)
            for n in range(ENVIRONMENTS):
                ledger.record(store, [_seen(f"e{n}", f"d{m}", "http.ok", at_ms) for m in range(EACH)], memory, within)
            took = [_one(store, memory, within, taken, number) for number in range(ROUNDS)]
            before = len(taken)
            # The host behind all of one environment goes away.
            for age in (2, 1, 0):
                at_ms = round(time.time() * 1000) - age * 1000
                batch = [
                    _seen(f"e{n}", f"d{m}", "http.refused", at_ms) for n in (ENVIRONMENTS - 1,) for m in range(EACH)
                ]
                ledger.record(store, batch, memory, within)
            time.sleep(3)
            host = len(taken) - before
        store.close()
    took.sort()
    return [
        Figure(what="confirmed failure to the request at a channel, 500 targets, p95",
               value=took[int(len(took) * 0.95)], unit="s", goal=2,
               note=f"median {statistics.median(took):.2f} s, {ROUNDS} failures"),
        Figure(what=f"messages for {EACH} targets behind one host", value=host, unit="", goal=1),
        Figure(what="messages for 300 queues in a Redis that is down", value=_queues(), unit="", goal=1),
    ]  # fmt: skip


def _environment(name: str) -> str:
    port = _free_port()
    declared = "".join(
        f'[[environments.dependencies]]\nname="d{n}"\nkind="http"\nurl="http://127.0.0.1:{port}/{n}"\n'
        for n in range(EACH)
    )
    return f'[[environments]]\nname="{name}"\nbase_url="http://127.0.0.1:9"\n{declared}'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _seen(environment: str, probe: str, code: str, at_ms: int) -> Observation:
    detail = {"declared": {"kind": "http", "required": False, "label": probe}}
    return Observation(environment=environment, simulated=False, probe=probe, interval_s=3600, at_ms=at_ms, lag_ms=0,
                       reading=Reading(code=code, detail=detail))  # fmt: skip


def _one(
    store: Store, memory: ledger.Memory, within: Callable[..., object], taken: list[tuple[float, bytes]], number: int
) -> float:
    """Seconds from the third failed check, handed to the writer, to its request at the channel."""
    environment, probe = f"e{number % (ENVIRONMENTS - 1)}", f"d{EACH - 1 - number}"
    now = round(time.time() * 1000)
    # A code that is not of the connection, so that it is a cause of its own.
    for age in (2, 1):
        ledger.record(store, [_seen(environment, probe, "http.not_met", now - age * 1000)], memory, within)
    time.sleep(random.Random(number).random() * 0.3)
    begun = time.perf_counter()
    time.sleep(0.3)  # the writer gathers what comes for so long
    ledger.record(store, [_seen(environment, probe, "http.not_met", now)], memory, within)
    wanted = f"{environment}: {probe} is down".encode()
    while not (found := [at for at, body in taken if wanted in body]):
        time.sleep(0.005)
    return found[0] - begun


@contextmanager
def _sending(settings: Any, store: Store) -> Iterator[None]:
    import asyncio

    from worker.sending import Sender

    loop = asyncio.new_event_loop()
    sender = Sender(store, settings, owner="benchmark")
    thread = threading.Thread(target=lambda: loop.run_until_complete(_until_cancelled(sender)), daemon=True)
    thread.start()
    yield
    sender.stop_claiming()
    time.sleep(0.5)
    for task in asyncio.all_tasks(loop):
        loop.call_soon_threadsafe(task.cancel)
    thread.join(10)


async def _until_cancelled(sender: Any) -> None:
    import asyncio
    import contextlib

    with contextlib.suppress(asyncio.CancelledError):
        await sender.run()


def _queues() -> int:
    """How many alerts an environment has whose Redis is down, with 300 queues in it."""
    names = ["redis.ping", *(f"queue:q{n}" for n in range(300))]
    watched = Watched(name="e", probes=frozenset(names))
    found = [
        Condition(environment="e", probe=name, at_ms=BEGIN_MS, interval_s=60, state="down", since_ms=BEGIN_MS,
                  outcome="down", failures=3, successes=0, code="redis.refused", latency_ms=None)
        for name in names
    ]  # fmt: skip
    seen = states.seen(watched, found, BEGIN_MS)
    made = judge((), seen, BEGIN_MS, source=states.SOURCE, resolved_after_ms=RESOLVED_AFTER_MS)
    return sum(change.spoken for change in made)
