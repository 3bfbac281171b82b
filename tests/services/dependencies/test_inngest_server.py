"""Pulse, list of runs and registration, against a server that answers as the real one was seen to (or wrongly)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services import clock
from services.dependencies.inngest import sdk as inngest_sdk
from services.dependencies.inngest.api import Api, rfc3339
from services.dependencies.inngest.pulse import PulseProbe
from services.dependencies.inngest.runs import DETAILS_AT_MOST, PAGE, PAGES_AT_MOST, RunsProbe
from services.dependencies.inngest.sync import Registered, SyncProbe, verdict
from services.dependencies.messages import advice
from services.dependencies.model import Reading
from tests.conftest import RawServer, Served

KEY = "ab" * 32
Serve = Callable[..., Served]


class Fake:
    """The parts of the API as a server of v1.43 answers, with rows to give out and trouble to make."""

    def __init__(self, kind: str = "cloud") -> None:
        self.kind = kind
        self.rows: list[dict[str, Any]] = []
        self.run: list[dict[str, Any]] = []  # what the pulse's event started, look by look
        self.status: dict[str, tuple[int, dict[str, str]]] = {}
        self.queries: list[dict[str, list[str]]] = []
        self.authorization: set[str | None] = set()
        self.trace: dict[str, Any] = {"data": {"rootSpan": {"startedAt": rfc3339(clock.now_ms() - 500_000)}}}
        self.traces: dict[str, Any] = {}  # by run, as GraphQL has them; without one it is as with --no-ui
        self.asked: list[str] = []
        self.changes: list[tuple[str, str, bytes]] = []
        self.gql: Any = {"data": {"apps": [], "functions": []}}

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/e/{key}", self.event, methods=["POST"]), Route("/v2/runs", self.runs),
                Route("/v2/events/{id}/runs", self.of_event), Route("/v2/runs/{id}/trace", self.traced),
                Route("/v2/runs/{id}", self.one), Route("/v2/runs/{id}/{what}", self.change, methods=["POST"]),
                Route("/v0/gql", self.graphql, methods=["POST"]), Route("/health", self.health),
            ],
            middleware=[Middleware(Kind, kind=self.kind)],
        )  # fmt: skip

    def refused(self, name: str) -> Response | None:
        status, headers = self.status.get(name, (200, {}))
        if status == 401:
            return PlainTextResponse("Authentication failed", 401)  # as the server says it: no JSON
        return None if status == 200 else JSONResponse({"errors": []}, status, headers)

    async def one(self, request: Request) -> Response:
        """A run by itself: here, once it has ended, `startedAt` is when it really began."""
        self.asked.append(request.path_params["id"])
        found = next((r for r in [*self.rows, *self.run] if r and r["id"] == request.path_params["id"]), None)
        if found is None:
            return self.refused("one") or JSONResponse({"errors": [{"code": "not_found"}]}, 404)
        return self.refused("one") or JSONResponse({"data": found | {"startedAt": found["began"]}} | FETCHED)

    async def change(self, request: Request) -> Response:
        self.changes.append((request.path_params["id"], request.path_params["what"], await request.body()))
        return self.refused("change") or JSONResponse({"data": {"runId": "01NEW"}} | FETCHED)

    async def event(self, _request: Request) -> Response:
        return self.refused("event") or JSONResponse({"ids": ["01EVENT"], "status": 200})

    async def of_event(self, request: Request) -> Response:
        self.authorization.add(request.headers.get("authorization"))
        row = self.run.pop(0) if len(self.run) > 1 else self.run[0] if self.run else None
        page = {"page": {"hasMore": False}} | FETCHED
        return self.refused("of_event") or JSONResponse(({"data": [listed(row)]} if row else {}) | page)

    async def runs(self, request: Request) -> Response:
        query = {key: request.query_params.getlist(key) for key in request.query_params}
        self.queries.append(query)
        refused = self.refused("runs")
        if refused is not None:
            return refused
        field = query["timeField"][0]
        low, high = query["from"][0], query["until"][0]
        found = [
            r for r in self.rows if r["status"] in query["status"] and (r.get(field) is None or low <= r[field] <= high)
        ]
        found.sort(key=lambda r: r.get(field) or "")
        start, limit = int(query.get("cursor", ["0"])[0]), int(query["limit"][0])
        part = found[start : start + limit]
        page = {"hasMore": start + limit < len(found), "cursor": str(start + limit), "limit": limit}
        return JSONResponse(({"data": [listed(r) for r in part]} if part else {}) | {"page": page} | FETCHED)

    async def traced(self, request: Request) -> Response:
        """Of a run that ended: when it really began, and its steps, without tries that failed."""
        found = next((r for r in self.rows if r["id"] == request.path_params["id"]), None)
        if found is None or "endedAt" not in found:
            return self.refused("trace") or JSONResponse(self.trace | FETCHED)
        self.asked.append(found["id"])
        root = {"startedAt": found["began"], "endedAt": found["endedAt"], "children": found.get("steps", [])}
        return self.refused("trace") or JSONResponse({"data": {"runId": found["id"], "rootSpan": root}} | FETCHED)

    async def graphql(self, request: Request) -> Response:
        asked = await request.json()
        if "runTrace" in asked["query"]:
            found = self.traces.get(asked["variables"]["id"])
            return JSONResponse({"data": {"runTrace": found}}) if found else JSONResponse({"errors": ["none"]}, 404)
        return self.refused("gql") or JSONResponse(self.gql)

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": 200, "message": "OK"})


# Every answer says when it was given, and every one carries the kind of the server in a header.
FETCHED = {"metadata": {"fetchedAt": rfc3339(clock.now_ms())}}


class Kind:
    """ASGI middleware that adds the header."""

    def __init__(self, app: ASGIApp, kind: str) -> None:
        self._app, self._kind = app, kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and self._kind:
                message["headers"] = [*message["headers"], (b"x-inngest-server-kind", self._kind.encode())]
            await send(message)

        await self._app(scope, receive, sending)


def listed(found: dict[str, Any]) -> dict[str, Any]:
    """A row as lists have it: `startedAt` is when it was scheduled, a few ms after it was queued."""
    return {key: value for key, value in found.items() if key != "began"}


def row(id_: str, status: str, *, ended_s: float | None, began_s: float = 5, **more: Any) -> dict[str, Any]:
    now = clock.now_ms()
    ended = {} if ended_s is None else {"endedAt": rfc3339(now - int(ended_s * 1000))}
    begun = int((ended_s or 0) * 1000 + began_s * 1000)
    return {"id": id_, "status": status, "queuedAt": rfc3339(now - begun - 500), "began": rfc3339(now - begun),
            "startedAt": rfc3339(now - begun - 496), "app": {"id": "a"}, "function": {"id": "f", "name": "scan"}} | ended | more  # fmt: skip


def pulse(url: str, **more: Any) -> PulseProbe:
    api = Api(url=url, key=SecretStr(KEY), cloud=True)
    made = PulseProbe(api=api, event_url=url, event_key=SecretStr("event-key-secret"), cloud=True, wait_slow_s=2,
                      interval_s=60, follow_s=1.5)  # fmt: skip
    return replace(made, **more)


def look(probe: Any, previous: dict[str, Any] | None = None) -> Reading:
    found: Reading = asyncio.run(probe.run(previous or {}))
    return found


def test_a_pulse_is_good_only_once_it_has_ended(serve: Serve) -> None:
    fake = Fake()
    # The middle of a run: final by its status, without an end. Other endpoints of the real server say just that.
    fake.run = [
        row("r", "COMPLETED", ended_s=None),
        row("r", "RUNNING", ended_s=None),
        row("r", "COMPLETED", ended_s=1),
    ]
    found = look(pulse(serve(fake.app()).url, follow_s=4))
    assert found.code == "pulse.ok"
    assert found.detail["facts"] == found.detail["facts"] | {
        "scheduled": True,
        "finished": True,
        "wait_s": 0.5,
        "took_s": 5.0,
    }
    assert [(m.sli, m.value, m.good) for m in found.measures] == [
        ("inngest_run_success", 5.0, True), ("inngest_queue_wait", 0.5, True)
    ]  # fmt: skip
    assert fake.run[0]["endedAt"]
    assert fake.authorization == {f"Bearer {inngest_sdk.api_token(KEY)}"}, "the key itself never leaves"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "pulse.unregistered"),
        ([row("r", "QUEUED", ended_s=None) | {"startedAt": None}], "pulse.not_started"),
        ([row("r", "RUNNING", ended_s=None)], "pulse.not_finished"),
        ([row("r", "FAILED", ended_s=1)], "pulse.failed"),
        ([row("r", "COMPLETED", ended_s=1) | {"queuedAt": rfc3339(clock.now_ms() - 60_000)}], "pulse.slow"),
    ],
)
def test_where_a_pulse_stopped_is_told(serve: Serve, rows: list[dict[str, Any]], code: str) -> None:
    fake = Fake()
    fake.run = rows
    found = look(pulse(serve(fake.app()).url))
    moved = code == "pulse.slow"
    assert found.code == code
    assert found.measures[0].good is moved
    in_time = {"pulse.failed": True, "pulse.not_finished": None}  # of a run in progress no answer says when it began
    assert found.measures[1].good is in_time.get(code, False)
    assert found.checks[0].outcome == ("pass" if moved else "fail")


@pytest.mark.parametrize(
    ("where", "status", "code", "outcome"),
    [
        ("event", 401, "pulse.event_refused", "fail"),
        ("event", 500, "pulse.not_accepted", "fail"),
        ("of_event", 401, "pulse.api_refused", "unknown"),
        ("of_event", 404, "pulse.no_api", "unknown"),
        ("of_event", 500, "pulse.unseen", "unknown"),
    ],
)
def test_what_can_t_be_seen_is_unknown_and_what_is_refused_is_bad(
    serve: Serve, where: str, status: int, code: str, outcome: str
) -> None:
    fake = Fake()
    fake.status[where] = (status, {})
    found = look(pulse(serve(fake.app()).url))
    assert (found.code, found.checks[0].outcome) == (code, outcome)
    assert found.measures[0].good is (False if outcome == "fail" else None)


def test_nothing_of_the_keys_is_left_in_a_reading(raw_server: Callable[..., RawServer]) -> None:
    server = raw_server(lambda connection: connection.close())
    found = look(pulse(f"http://127.0.0.1:{server.port}"))
    assert found.code == "pulse.no_answer"
    assert "event-key-secret" not in repr(found)
    assert look(pulse("http://127.0.0.1:9", event_key=None)).code == "pulse.no_event_key"


def runs(url: str, **more: Any) -> RunsProbe:
    made = RunsProbe(api=Api(url=url, key=SecretStr(KEY), cloud=True), app_id=None, moved_within_s=3600,
                     stuck_after_s=60, judges_movement=True, interval_s=60)  # fmt: skip
    return replace(made, **more)


def test_the_list_is_read_page_by_page_and_on_from_there(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row(f"r{n:03}", "FAILED" if n % 10 == 0 else "COMPLETED", ended_s=600 - n) for n in range(250)]
    probe = runs(serve(fake.app()).url)
    first = look(probe)
    assert (first.code, len(first.runs)) == ("runs.ok", 250)
    assert [query.get("cursor") for query in fake.queries[:3]] == [None, ["100"], ["200"]]
    fake.rows.append(row("new", "COMPLETED", ended_s=0))
    second = look(probe, dict(first.detail))
    assert "new" in {run.id for run in second.runs}, "with an overlap, whose repeats the store drops"
    assert fake.queries[-2]["from"][0] > fake.queries[0]["from"][0]


def test_more_than_a_look_reads_is_gone_on_with(serve: Serve) -> None:
    fake = Fake()
    most = PAGE * PAGES_AT_MOST
    fake.rows = [row(f"r{n:05}", "COMPLETED", ended_s=10_000 - n) for n in range(most + 50)]
    probe = runs(serve(fake.app()).url)
    first = look(probe)
    assert len(first.runs) == most
    second = look(probe, dict(first.detail))
    assert {run.id for run in first.runs} | {run.id for run in second.runs} == {r["id"] for r in fake.rows}


def test_an_empty_list_has_no_data_and_is_no_error(serve: Serve) -> None:
    found = look(runs(serve(Fake().app()).url))
    assert (found.code, found.runs) == ("runs.none_completed", ())
    assert {c.name: c.outcome for c in found.checks} == {"inngest.stuck_runs": "pass", "inngest.moves_work": "fail"}
    assert look(runs(serve(Fake().app()).url, judges_movement=False)).code == "runs.ok"


def test_a_run_that_failed_last_is_named(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("bad", "FAILED", ended_s=3), row("good", "COMPLETED", ended_s=60)]
    probe = runs(serve(fake.app()).url)
    found = look(probe)
    assert (found.code, found.words["run"]) == ("runs.newest_failed", "bad")
    fake.rows.append(row("better", "COMPLETED", ended_s=1))
    assert look(probe, dict(found.detail)).code == "runs.ok"


def test_the_middle_of_a_run_is_not_its_end(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("mid", "COMPLETED", ended_s=None), row("zero", "COMPLETED", ended_s=None, endedAt="0001-01-01T00:00:00Z"),
                 row("done", "COMPLETED", ended_s=3), {"id": 7, "status": "COMPLETED"}, "no row"]  # fmt: skip
    fake.rows = [r for r in fake.rows if isinstance(r, dict) and r["id"] != 7]
    found = look(runs(serve(fake.app()).url))
    assert {run.id for run in found.runs} == {"done"}


def test_a_request_to_wait_is_kept_to_and_nothing_is_lost(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("r", "COMPLETED", ended_s=3)]
    fake.status["runs"] = (429, {"retry-after": "40"})
    probe = runs(serve(fake.app()).url)
    limited = look(probe, {"watermark_ms": clock.now_ms() - 60_000, "newest_completed_ms": 5})
    assert limited.code == "runs.limited"
    asked = len(fake.queries)
    waiting = look(probe, dict(limited.detail))
    assert waiting.code == "runs.limited"
    assert 30 < waiting.words["seconds"] <= 40, "the seconds that are left"
    assert len(fake.queries) == asked, "not asked while it is to wait"
    fake.status.clear()
    after = look(probe, dict(limited.detail) | {"wait_until_ms": clock.now_ms() - 1})
    assert {run.id for run in after.runs} == {"r"}


@pytest.mark.parametrize(("status", "code"), [(401, "key_refused"), (404, "no_api"), (501, "no_api"), (500, "error")])
def test_what_can_t_be_read_is_unknown_and_forgets_nothing(serve: Serve, status: int, code: str) -> None:
    fake = Fake()
    fake.status["runs"] = (status, {})
    before = {"watermark_ms": 5, "stuck": [{"id": "x"}]}
    found = look(runs(serve(fake.app()).url), before)
    assert found.code == f"runs.{code}"
    assert found.detail["watermark_ms"] == 5
    assert {check.outcome for check in found.checks} == {"unknown"}


def test_a_malformed_key_is_told_and_sent_nowhere(serve: Serve) -> None:
    fake = Fake()
    url = serve(fake.app()).url
    assert (
        look(runs(url, api=Api(url=url, key=SecretStr("signkey-prod-not-hex"), cloud=True))).code == "runs.key_refused"
    )
    assert fake.queries == []


def test_a_run_without_progress_is_stuck_and_one_that_sleeps_is_not(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("old", "RUNNING", ended_s=None, began_s=500), row("young", "RUNNING", ended_s=None, began_s=5)]
    probe = runs(serve(fake.app()).url)
    found = look(probe)
    assert (found.code, [s["id"] for s in found.detail["stuck"]]) == ("runs.stuck", ["old"])
    assert found.words["run"] == "old"
    fake.status["trace"] = (404, {})
    assert look(probe).detail["stuck"] == [], "what its trace doesn't tell is not known"
    fake.status.clear()
    fake.trace = {
        "data": {"rootSpan": {"children": [{"stepInfo": {"sleepUntil": rfc3339(clock.now_ms() + 3_600_000)}}]}}
    }
    assert look(probe).detail["stuck"] == []


def test_after_an_outage_a_run_that_did_not_move_since_is_stuck_sooner(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("lost", "RUNNING", ended_s=None, began_s=400)]
    probe = runs(serve(fake.app()).url, stuck_after_s=86_400)
    now = clock.now_ms()
    back = {"gone_ms": now - 300_000, "back_ms": now - 200_000}
    assert look(probe, back).code == "runs.stuck"
    assert look(probe, back | {"back_ms": now - 60_000}).detail["stuck"] == [], "it may still be taken up again"


def test_a_clock_that_was_set_back_skips_nothing(serve: Serve) -> None:
    fake = Fake()
    fake.rows = [row("r", "COMPLETED", ended_s=3)]
    found = look(runs(serve(fake.app()).url), {"watermark_ms": clock.now_ms() + 86_400_000})
    assert {run.id for run in found.runs} == {"r"}


SERVED = (("pulse", "greenlight/pulse"), ("retention", "30 3 * * *"))


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (None, "sync.absent"),
        (Registered(url="http://localhost:8502/inngest", error="", functions=SERVED), "sync.ok"),
        (Registered(url="http://localhost:9999/inngest", error="", functions=SERVED), "sync.repointed"),
        (Registered(url="http://localhost:8502/inngest", error="unreachable", functions=SERVED), "sync.error"),
        (Registered(url="http://localhost:8502/inngest", error="", functions=SERVED[:1]), "sync.differs"),
        (Registered(url="http://localhost:8502/inngest", error="", functions=(*SERVED, ("old", "x"))), "sync.differs"),
        (
            Registered(url="http://localhost:8502/x", error="", functions=(SERVED[0], ("retention", "0 0 * * *"))),
            "sync.differs",
        ),
    ],
)
def test_what_is_registered_is_held_against_what_is_served(found: Registered | None, code: str) -> None:
    assert verdict(found, SERVED, "http://127.0.0.1:8502")[0] == code


def test_a_server_that_lists_nothing_is_no_fault_of_ours(serve: Serve) -> None:
    fake = Fake()
    fake.status["gql"] = (404, {})
    url = serve(fake.app()).url
    probe = SyncProbe(
        api=Api(url=url, key=None, cloud=True), worker_url="http://127.0.0.1:8502", declared=SERVED, interval_s=60
    )
    assert look(probe).code == "sync.no_api"
    fake.status.clear()
    assert look(probe).code == "sync.absent"
    fake.gql = {"errors": ["x"], "data": None}
    assert look(probe).code == "sync.no_api"


def test_when_a_run_began_is_asked_of_the_run_for_a_list_does_not_tell(serve: Serve) -> None:
    """Seen with v1.43: four runs of 6 s, one at a time. The lists said that each waited 0.004 s."""
    fake = Fake()
    fake.rows = [row(f"r{n}", "COMPLETED", ended_s=40 - n) for n in range(DETAILS_AT_MOST + 5)]
    for n, found in enumerate(fake.rows):
        found["queuedAt"] = rfc3339(clock.now_ms() - 40_000 + n * 1000 - 5_000 - n * 6_000)
    probe = runs(serve(fake.app()).url)
    first = look(probe)
    waits = {run.id: run.wait_s for run in first.runs}
    assert [waits[f"r{n}"] for n in range(5)] == [None] * 5, "those that were not asked are not known, never 0"
    assert waits["r10"] == pytest.approx(60, abs=1)
    assert len(fake.asked) == DETAILS_AT_MOST
    again = look(probe, dict(first.detail))
    assert len(fake.asked) == DETAILS_AT_MOST + 5, "each run once"
    fake.status |= {"one": (500, {}), "trace": (500, {})}
    fake.rows.append(row("new", "COMPLETED", ended_s=1))
    assert {run.id: run.wait_s for run in look(probe, dict(again.detail)).runs}["new"] is None


def test_a_server_of_the_other_kind_is_named_as_such(serve: Serve) -> None:
    """It answers 401 as plain text, which says nothing; its header does."""
    fake = Fake(kind="dev")
    fake.status |= dict.fromkeys(("runs", "event", "gql", "of_event"), (401, {}))
    url = serve(fake.app()).url
    probe = SyncProbe(api=Api(url=url, key=SecretStr(KEY), cloud=True), worker_url="", declared=SERVED, interval_s=60)
    for found in (look(runs(url)), look(pulse(url)), look(probe)):
        assert found.code.endswith(".wrong_kind")
        assert found.words["why"] == "a dev server"
    fake.status.pop("event")
    assert look(pulse(url)).code == "pulse.wrong_kind"


def test_a_server_that_takes_events_and_creates_no_run_is_told_by_its_cause(serve: Serve) -> None:
    fake = Fake()
    fake.gql = {"data": {"apps": [{"name": "greenlight-worker", "url": "http://localhost:8502/inngest"}],
                         "functions": [{"slug": f"greenlight-worker-{name}", "triggers": [{"value": value}]}
                                       for name, value in SERVED]}}  # fmt: skip
    url = serve(fake.app()).url
    found = look(pulse(url, worker_url="http://127.0.0.1:8502", declared=SERVED))
    assert found.code == "pulse.none_created"
    assert "Redis 7" in advice(found.code, found.words).fix
    assert look(pulse(url, worker_url="http://127.0.0.1:9", declared=SERVED)).code == "pulse.not_scheduled"


def test_a_sibling_of_ours_took_nothing_over(serve: Serve) -> None:
    fake = Fake()
    fake.gql = {"data": {"apps": [{"name": "greenlight-worker", "url": "http://localhost:8503/inngest"}]}}
    probe = SyncProbe(api=Api(url=serve(fake.app()).url, key=None, cloud=True), worker_url="http://127.0.0.1:8502",
                      declared=(), interval_s=60)  # fmt: skip
    assert look(probe).code == "sync.repointed"
    found = look(replace(probe, siblings=lambda: ["http://127.0.0.1:8503"]))
    assert (found.code, found.checks[0].outcome) == ("sync.sibling", "pass")


def test_what_a_server_says_of_a_cancelled_run_s_end_is_waited_for(serve: Serve) -> None:
    """Seen with v1.43: it lies about 10 s in the future."""
    fake = Fake()
    fake.rows = [row("r", "CANCELLED", ended_s=-10)]
    probe = runs(serve(fake.app()).url)
    found = look(probe)
    assert found.code == "runs.none_completed"
    fake.rows[0]["endedAt"] = rfc3339(clock.now_ms() - 1000)
    assert {run.id for run in look(probe, dict(found.detail)).runs} == {"r"}
