"""The collector: on its interval, never twice at once, only what it holds, hangs contained."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.dependencies.model import Reading
from services.dependencies.run import Observation
from services.settings.model import Environment
from tests.patience import until
from worker import collector as module
from worker.collector import Collector
from worker.lag import LagMeter


@dataclass
class FakeProbe:
    name: str = "readiness"
    interval_s: float = 0.1
    deadline_s: float = 0.2
    takes_s: float = 0.0
    running: int = 0
    overlapped: bool = False
    remembered: list[Mapping[str, Any]] = field(default_factory=list)

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        self.remembered.append(previous)
        self.running += 1
        self.overlapped = self.overlapped or self.running > 1
        await asyncio.sleep(self.takes_s)
        self.running -= 1
        return Reading(code="readiness.ok", detail={"n": len(self.remembered)})


def run(
    monkeypatch: pytest.MonkeyPatch,
    probes: list[FakeProbe],
    enough: Callable[[list[Observation], Collector], bool],
    *,
    holds: bool = True,
) -> tuple[list[Observation], Collector]:
    monkeypatch.setattr(module, "probes_of", lambda *_: probes)
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    seen: list[Observation] = []
    environment = Environment(name="e", base_url="http://127.0.0.1:1")
    made = Collector((environment,), sink=seen.append, lag=LagMeter(), holds=lambda _: holds, first_look_within_s=0.01)

    async def until_enough() -> None:
        running = asyncio.create_task(made.run())
        await until(lambda: enough(seen, made))
        running.cancel()

    asyncio.run(until_enough())
    return seen, made


def looks(number: int) -> Callable[[list[Observation], Collector], bool]:
    return lambda seen, _made: len(seen) >= number


def test_it_looks_on_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    seen, made = run(monkeypatch, [FakeProbe()], looks(10))
    assert len(seen) <= 2 + (time.monotonic() - begun) / 0.095, "never more often than its interval and its jitter say"
    assert made.probed == len(seen)


def test_a_slow_probe_never_overlaps_itself_and_its_misses_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = FakeProbe(interval_s=0.02, takes_s=0.1)
    run(monkeypatch, [probe], lambda seen, made: made.missed > 0 and len(seen) >= 3)
    assert not probe.overlapped


def test_a_probe_that_hangs_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, well = FakeProbe(name="redis.ping", takes_s=60), FakeProbe()
    seen, _ = run(monkeypatch, [hanging, well], lambda seen, _: {o.probe for o in seen} == {"redis.ping", "readiness"})
    assert {o.reading.code for o in seen if o.probe == "redis.ping"} == {"prober.fault"}
    assert seen[0].probe == "readiness", "the other one was not held up"


def test_what_it_does_not_hold_it_leaves_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = FakeProbe()
    give_up = time.monotonic() + 0.4
    assert run(monkeypatch, [probe], lambda _seen, _made: time.monotonic() > give_up, holds=False)[0] == []
    assert probe.remembered == []


def test_a_probe_is_given_what_it_saw_last(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = FakeProbe()
    run(monkeypatch, [probe], looks(3))
    assert probe.remembered[:3] == [{}, {"n": 1}, {"n": 2}]


def test_asked_to_look_soon_it_does_not_wait_for_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, other = FakeProbe(name="inngest.sync", interval_s=3600), FakeProbe(interval_s=3600)
    monkeypatch.setattr(module, "probes_of", lambda *_: [asked, other])
    seen: list[Observation] = []
    environment = Environment(name="e", base_url="http://127.0.0.1:1")
    made = Collector((environment,), sink=seen.append, lag=LagMeter(), holds=lambda _: True, first_look_within_s=0.01)

    async def twice() -> None:
        task = asyncio.create_task(made.run())
        await until(lambda: len(seen) == 2)
        made.look_soon("e", {"inngest.sync"})
        await until(lambda: len(seen) == 3)
        task.cancel()

    asyncio.run(twice())
    assert [o.probe for o in seen].count("inngest.sync") == 2
    assert not any(o.asked for o in seen), "nobody asked: it came by schedule"


def test_probe_now_looks_at_everything_once_and_tells_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = [FakeProbe(name=f"p{n}", interval_s=100) for n in range(3)]
    monkeypatch.setattr(module, "probes_of", lambda *_: probes)
    seen: list[Observation] = []
    told: list[tuple[int, int]] = []
    made = Collector(
        (Environment(name="e", base_url="http://127.0.0.1:1"),),
        sink=seen.append,
        lag=LagMeter(),
        holds=lambda _: True,
    )

    async def progress(done: int, total: int) -> None:
        told.append((done, total))

    assert asyncio.run(made.look_now("e", progress)) == 3
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {o.probe for o in seen} == {"p0", "p1", "p2"}
    assert all(o.asked for o in seen)


def test_the_lag_meter_sees_a_loop_that_was_held_up() -> None:
    async def hold_up() -> int:
        meter = LagMeter()
        task = asyncio.create_task(meter.run())
        await asyncio.sleep(0.15)
        begun = asyncio.get_running_loop().time()
        import time

        time.sleep(0.5)  # noqa: ASYNC251 - holding up the loop is the point
        await asyncio.sleep(0.15)
        task.cancel()
        return meter.worst_since(begun)

    assert asyncio.run(hold_up()) > 250
