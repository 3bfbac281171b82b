"""Running a check: a fault stays that probe's own, and a slow prober isn't billed to its target."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from services.dependencies.model import Check, Measure, Reading
from services.dependencies.probes import probes_of
from services.dependencies.run import Observation, excuse_if_late, observe
from services.settings.model import Environment, Queue

ENVIRONMENT = Environment(name="e", base_url="http://127.0.0.1:1")


@dataclass
class Broken:
    name: str = "readiness"
    interval_s: float = 1
    deadline_s: float = 1

    async def run(self, previous: Mapping[str, Any]) -> Reading:
        raise ZeroDivisionError


def timed_out() -> Observation:
    reading = Reading(
        code="readiness.timeout",
        measures=(Measure(sli="readiness_uptime", value=None, good=False),),
        checks=(Check(name="readiness.ready", outcome="fail"),),
    )
    return Observation(
        environment="e", simulated=False, probe="readiness", interval_s=5, at_ms=0, lag_ms=0, reading=reading
    )


def test_a_fault_in_a_probe_is_unknown_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen = asyncio.run(observe(ENVIRONMENT, Broken(), {}, lag_ms=0))
    assert (seen.reading.code, seen.outcome) == ("prober.fault", "unknown")
    assert "ZeroDivisionError" in caplog.text


def test_a_time_out_while_the_prober_hung_is_unknown_not_bad() -> None:
    excused = excuse_if_late(timed_out(), lag_ms=900, deadline_s=1)
    assert excused.outcome == "unknown"
    assert [s.good for s in excused.samples()] == [None]
    assert [e.outcome for e in excused.evidence(None)] == ["unknown"]
    assert excused.lag_ms == 900


def test_a_time_out_of_a_healthy_prober_is_the_target_s() -> None:
    kept = excuse_if_late(timed_out(), lag_ms=10, deadline_s=1)
    assert kept.outcome == "down"
    assert [s.good for s in kept.samples()] == [False]


def test_evidence_carries_what_it_was_taken_under() -> None:
    (record,) = timed_out().evidence("v9")
    assert (record.check, record.version, record.code) == ("readiness.ready", "v9", "readiness.timeout")


def test_what_does_not_hold_says_why_with_its_numbers_and_what_holds_says_nothing() -> None:
    checks = (Check(name="inngest.functions", outcome="fail"), Check(name="inngest.keys", outcome="pass"))
    reading = Reading(code="inngest.function_count", words={"found": 3, "expected": 4}, checks=checks)
    wrong, right = replace(timed_out(), probe="inngest", reading=reading).evidence("v9")
    assert wrong.detail["what"] == "The application serves 3 Inngest functions, 4 are expected."
    assert "inngest.expected_functions" in wrong.detail["fix"]
    assert right.detail == {}


def test_the_registry_has_one_probe_a_queue_and_unique_names() -> None:
    queues = tuple(Queue(name=n, kind="zset", key=n) for n in ("a", "b"))
    names = [probe.name for probe in probes_of(ENVIRONMENT.model_copy(update={"queues": queues}))]
    assert len(set(names)) == len(names)
    assert {"queue:a", "queue:b", "redis.ping", "inngest"} <= set(names)
