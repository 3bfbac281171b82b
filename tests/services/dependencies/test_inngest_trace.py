"""A run's trace, in the shapes that a server of v1.43 gives: its steps, their tries, and whether it only waits."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from services.dependencies.inngest import flight
from services.dependencies.inngest.api import Api, Refusal, rfc3339
from services.dependencies.inngest.trace import BODY, MOST, kind_of_step, of_graphql, of_rest
from tests.conftest import Served
from tests.services.dependencies.test_inngest_control import environment
from tests.services.dependencies.test_inngest_server import KEY, Fake, look, row, runs

NOW = 1_800_000_000_000
Serve = Callable[..., Served]


def span(name: str, begun_s: float, took_s: float | None, op: str | None = "RUN", **more: Any) -> dict[str, Any]:
    ended = {} if took_s is None else {"endedAt": rfc3339(NOW + round((begun_s + took_s) * 1000))}
    return {"name": name, "status": "COMPLETED", "startedAt": rfc3339(NOW + round(begun_s * 1000))} | (
        {"stepOp": op} if op else {}) | ended | more  # fmt: skip


def rest(*children: Any) -> Any:
    return {"runId": "r", "rootSpan": {"startedAt": rfc3339(NOW), "children": list(children)}}


def test_steps_come_with_when_they_began_and_how_long_they_took() -> None:
    found = of_rest(rest(span("fetch", 0, 2), span("ask-model", 2, 45.5), span("Finalization", 47.5, 0.1, None)))
    assert [(s.name, s.started_ms - NOW, s.took_s) for s in found.tries] == [
        ("fetch", 0, 2.0), ("ask-model", 2000, 45.5), (BODY, 47_500, 0.1),
    ]  # fmt: skip
    assert (found.started_ms, found.has_failures, found.waits, found.open) == (NOW, False, False, ())


def test_each_try_of_a_step_is_one_and_a_pause_between_them_is_none() -> None:
    tries = [span("Attempt 0", 0, 30, None, status="FAILED"), span("Attempt 1", 90, 40, None)]
    found = of_graphql({"runTrace": {"startedAt": rfc3339(NOW), "childrenSpans": [
        span("ask-model", 0, 130, childrenSpans=tries), span("mail", 130, 1, childrenSpans=[]),
    ]}})  # fmt: skip
    assert [(s.took_s, s.failed, s.again) for s in found.tries] == [
        (30.0, True, False), (40.0, False, True), (1.0, False, False),
    ]  # fmt: skip
    assert found.has_failures


def test_what_only_waits_is_told_from_what_works() -> None:
    assert of_rest(rest(span("nap", 0, None, "SLEEP"))).waits
    assert of_rest(rest(span("approval", 0, None, "TRACE_STEP_OP_WAIT_FOR_EVENT"))).waits
    assert not of_rest(rest(span("nap", 0, 5, "SLEEP"))).waits
    working = of_rest(rest(span("done", 0, 1), span("ask-model", 1, None, status="RUNNING")))
    assert [s.name for s in working.open] == ["ask-model"]
    assert not of_rest(rest(span("infer", 0, 9, "AI_GATEWAY"))).tries, "the server itself did that"


@pytest.mark.parametrize("name, kind", [
    ("item-17", "item-#"), ("item-18", "item-#"), ("page 4 of 9", "page # of #"),
    ("user-0b3d9c1e-8a77-4a52-9d0c-3f1a2b4c5d6e", "user-#"), ("sha-deadbeefcafe01", "sha-#"), ("plan", "plan"),
    ("", "unnamed"), (None, "unnamed"), (7, "unnamed"), ("two\n lines", "two lines"),
])  # fmt: skip
def test_names_that_differ_from_run_to_run_are_one_kind(name: object, kind: str) -> None:
    assert kind_of_step(name) == kind
    assert len(kind_of_step("x" * 10_000)) == 200


@pytest.mark.parametrize("data", [
    None, [], "text", 7, {}, {"rootSpan": None}, {"rootSpan": []}, {"rootSpan": {"children": "many"}},
    {"rootSpan": {"children": [None, 1, {"stepOp": ["RUN"]}, {"stepOp": "RUN", "startedAt": 5, "name": {}}]}},
    {"rootSpan": {"startedAt": "0001-01-01T00:00:00Z", "children": [{"stepOp": "RUN", "startedAt": "soon"}]}},
])  # fmt: skip
def test_a_trace_that_is_none_has_no_steps(data: Any) -> None:
    found = of_rest(data)
    assert (found.tries, found.open, found.waits, found.started_ms) == ((), (), False, None)
    assert of_graphql({"runTrace": data}).tries == ()


def test_a_clock_that_went_back_makes_no_negative_time_and_endless_steps_are_cut() -> None:
    (step,) = of_rest(rest(span("a", 10, -4))).tries
    assert step.took_s == 0
    assert len(of_rest(rest(*(span(f"s{n}", n, 1) for n in range(MOST + 50)))).tries) == MOST


def test_the_probe_reads_steps_with_failed_tries_where_graphql_has_them(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("a", "COMPLETED", ended_s=20), row("b", "COMPLETED", ended_s=10)]
    tries = [span("Attempt 0", 0, 3, None, status="FAILED"), span("Attempt 1", 9, 4, None)]
    fake.traces = {id_: {"startedAt": rfc3339(NOW), "childrenSpans": [span("ask", 0, 13, childrenSpans=tries)]}
                   for id_ in "ab"}  # fmt: skip
    found = look(runs(serve(fake.app()).url))
    assert [[t.failed for t in run.tries or ()] for run in found.runs] == [[True, False]] * 2
    assert "graphql" not in found.detail
    fake.traces.clear()  # as with --no-ui: then the REST trace says what it can, and GraphQL is left alone
    fake.rows.append(row("c", "COMPLETED", ended_s=5, steps=[span("ask", 0, 4)]))
    found = look(runs(serve(fake.app()).url), dict(found.detail))
    assert [[(t.name, t.failed) for t in run.tries or ()] for run in found.runs if run.id == "c"] == [[("ask", False)]]
    assert found.detail["graphql"] is False


def test_in_flight_are_steps_at_work_and_not_runs_that_sleep(serve: Serve) -> None:
    fake = Fake()
    at = environment(serve(fake.app()).url)
    fake.rows = [row("works", "RUNNING", ended_s=None), row("p", "RUNNING", ended_s=None, function={"name": "pulse"})]
    fake.trace = {"data": rest(span("done", 0, 1), span("ask-model", 1, None))}
    found = asyncio.run(flight.look(at))
    assert isinstance(found, flight.Flight)
    assert [(run.id, run.step, run.step_since_ms) for run in found.runs] == [("works", "ask-model", NOW + 1000)]
    fake.trace = {"data": rest(span("nap", 0, None, "SLEEP"))}
    assert asyncio.run(flight.look(at)) == flight.Flight(idle=1)
    fake.rows = [row("queued", "QUEUED", ended_s=None)]
    fake.trace = {"data": {"rootSpan": {}}}
    assert asyncio.run(flight.look(at)) == flight.Flight(idle=1), "it has not begun"
    fake.status["trace"] = (500, {})
    found = asyncio.run(flight.look(at))
    assert isinstance(found, flight.Flight)
    assert [run.id for run in found.runs] == ["queued"], "what can't be read counts as at work"


def test_a_refusal_is_a_value(serve: Serve) -> None:
    fake = Fake()
    fake.status |= {"trace": (429, {"retry-after": "7"})}
    api = Api(url=serve(fake.app()).url, key=SecretStr(KEY), cloud=True)
    found = asyncio.run(api.trace("r", deadline_s=5))
    assert isinstance(found, Refusal)
    assert (found.code, found.wait_s) == ("limited", 7)
