"""Which numbers of a check count, and as what: an objective's threshold, and the team's own SLIs."""

from __future__ import annotations

from typing import Any

import pytest

from services.dependencies.measures import counted
from services.dependencies.model import Measure, Reading
from services.settings.model import Environment, Objective, Sli

PING = Measure(sli="redis_ping_latency", value=120.0, good=True)


def environment(**more: Any) -> Environment:
    return Environment(name="e", base_url="http://e", **more)


@pytest.mark.parametrize(("threshold", "good"), [(None, True), (119, False), (120, True), (500, True)])
def test_an_objectives_threshold_decides(threshold: float | None, good: bool) -> None:
    objectives = (Objective(sli="redis_ping_latency", target=0.99, threshold=threshold),)
    found = counted(environment(objectives=objectives), "redis.ping", Reading(code="redis.ok", measures=(PING,)))
    assert [m.good for m in found.measures] == [good]


def test_what_failed_stays_bad_and_what_is_unknown_stays_unknown() -> None:
    objectives = (Objective(sli="redis_ping_latency", target=0.99, threshold=500),)
    measures = (Measure(sli="redis_ping_latency", value=None, good=False),
                Measure(sli="redis_ping_latency", value=9.0, good=None))  # fmt: skip
    found = counted(environment(objectives=objectives), "redis.ping", Reading(code="x", measures=measures))
    assert found.measures == measures


def test_readiness_is_decided_by_its_answer_whatever_its_time() -> None:
    objectives = (Objective(sli="readiness_uptime", target=0.99, threshold=1),)
    measure = Measure(sli="readiness_uptime", value=800.0, good=True)
    found = counted(environment(objectives=objectives), "readiness", Reading(code="x", measures=(measure,)))
    assert found.measures == (measure,)


@pytest.mark.parametrize(
    ("detail", "value", "good"),
    [({"facts": {"depth": 7}}, 7.0, True), ({"facts": {"depth": 501}}, 501.0, False), ({"facts": {}}, None, None),
     ({}, None, None), ({"facts": {"depth": "many"}}, None, None), ({"facts": [7]}, None, None)],
)  # fmt: skip
def test_an_own_sli_is_a_number_of_the_probes_detail(
    detail: dict[str, Any], value: float | None, good: bool | None
) -> None:  # fmt: skip
    own = (Sli(name="email_depth", probe="queue:email", field="facts.depth", threshold=500),)
    found = counted(environment(slis=own), "queue:email", Reading(code="queue.ok", detail=detail))
    assert found.measures == (Measure(sli="email_depth", value=value, good=good),)
    assert counted(environment(slis=own), "redis.ping", Reading(code="x", detail=detail)).measures == ()


def test_at_least_is_for_what_must_not_fall() -> None:
    own = (Sli(name="free_share", probe="redis.info", field="latency_ms", good="at_least", threshold=3),)
    found = counted(environment(slis=own), "redis.info", Reading(code="x", latency_ms=2.0))
    assert found.measures == (Measure(sli="free_share", value=2.0, good=False),)
