"""Walks functions the way the Inngest server does, where the real one can't be had: memoised steps, attempts, retries,
signed calls, planned steps in parallel, and the parts of its API that Greenlight reads. It answers as v1.43 was seen to,
with what misleads: lists whose `startedAt` is when a run was scheduled, `fetchedAt` beside a trace, a cancelled run that
ends in the future, refusals as plain text, the kind of server in a header.

`python -m tests.inngest.stand_in dev|start --port N [-u URL]`; the rest comes from the server's own variables. With
INNGEST_REDIS_URI its runs in progress survive a restart (kept in the SQLite folder); without, `start` keeps them as
RUNNING for ever, as the real server does. It proves nothing about the real server: the scenarios run against that too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jcs
import uvicorn
from inngest.connect._internal import connect_pb2 as pb
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

FINAL = {"COMPLETED", "FAILED", "CANCELLED"}
RETRY_S = float(os.environ.get("INNGEST_RETRY_INTERVAL", "15"))
PING_S = 1.0
LEASE_S = float(os.environ.get("STAND_IN_LEASE_S", "5"))  # two minutes with the real server


def iso(at: float | None) -> str | None:
    return (
        None
        if at is None
        else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


class Server:
    def __init__(self, mode: str, urls: list[str]) -> None:
        self.mode, self.urls = mode, urls
        self.signing_key = os.environ.get("INNGEST_SIGNING_KEY", "")
        self.event_keys = os.environ.get("INNGEST_EVENT_KEY", "").split(",")
        folder = os.environ.get("INNGEST_SQLITE_DIR", ".inngest")
        self.file = Path(folder) / "main.json" if mode == "start" else None
        self.keeps_queue = bool(os.environ.get("INNGEST_REDIS_URI"))
        self.apps: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[str]] = {}
        self.seen: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.calls: list[dict[str, Any]] = []
        self.limits: dict[str, asyncio.Semaphore] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.http = httpx.AsyncClient(timeout=120)
        self.trouble: dict[str, Any] = {}
        self.connected: dict[str, dict[str, Any]] = {}  # by connection: its socket, instance, app, and what it works on
        self.port = 0

    # -- life ---------------------------------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> Any:
        self.load()
        pinging = asyncio.create_task(self.ping())
        yield
        pinging.cancel()
        if self.mode == "start" and self.keeps_queue:
            # `start` waits for running steps; here for at most five seconds, so that tests end.
            await asyncio.wait([t for t in self.tasks if not t.done()] or [pinging], timeout=5)
        self.save()

    def load(self) -> None:
        if self.file is None or not self.file.exists():
            return
        kept = json.loads(self.file.read_text())
        self.apps, self.events, self.runs = kept["apps"], kept["events"], kept["runs"]
        for run in self.runs.values():
            if run["status"] not in FINAL and self.keeps_queue:
                self.spawn(self.walk(run))

    def save(self) -> None:
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps({"apps": self.apps, "events": self.events, "runs": self.runs}))
        draft.replace(self.file)

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def ping(self) -> None:
        while True:
            for url in self.urls:
                if not any(
                    app["url"].rstrip("/") == self.local(url) and not app["error"] for app in self.apps.values()
                ):
                    body = json.dumps({"url": url}).encode()
                    headers = {"x-inngest-server-kind": "dev" if self.mode == "dev" else "cloud"} | self.signed(body)
                    with contextlib.suppress(httpx.HTTPError):  # not up yet
                        await self.http.put(url, content=body, headers=headers)
            await asyncio.sleep(PING_S)

    @staticmethod
    def local(url: str) -> str:
        return url.replace("127.0.0.1", "localhost")

    def signed(self, body: bytes) -> dict[str, str]:
        if self.mode == "dev":
            return {}
        at = int(time.time())
        text = (jcs.canonicalize(json.loads(body)) if body else b"") + str(at).encode()
        return {
            "x-inngest-signature": f"t={at}&s={hmac.new(self.signing_key.encode(), text, hashlib.sha256).hexdigest()}"
        }

    # -- walking a run ------------------------------------------------------------------------------------------------
    def begin(self, app: dict[str, Any], function: dict[str, Any], event_id: str, event: dict[str, Any]) -> None:
        run = {
            "id": "01" + secrets.token_hex(12).upper(),
            "app": app["name"],
            "slug": function["id"],
            "status": "QUEUED",
            "queued": time.time(),
            "scheduled": None,
            "started": None,
            "ended": None,
            "steps": {},
            "tries": [],  # of steps: (name, begun, ended, whether it failed), as far as answers told
            "event": event,
            "event_id": event_id,
            "output": None,
            "cron": next((t["cron"] for t in function["triggers"] if "cron" in t), None),
        }
        self.runs[run["id"]] = run
        self.events.setdefault(event_id, []).append(run["id"])
        self.save()
        self.spawn(self.walk(run))

    def function_of(self, run: dict[str, Any]) -> dict[str, Any]:
        return next(f for f in self.apps[run["app"]]["functions"] if f["id"] == run["slug"])

    async def walk(self, run: dict[str, Any]) -> None:
        """Call until the function returns: a step's result is memoised and never asked for again."""
        if run["status"] == "QUEUED":
            run |= {"status": "RUNNING", "scheduled": time.time()}
        parallel = False
        while run["status"] == "RUNNING":
            status, body = await self.step(run, "step", disable=parallel)
            if run["status"] != "RUNNING":
                return
            if status == 200:
                self.end(run, "COMPLETED", body)
            elif status != 206:
                self.end(run, "FAILED", body)
            else:
                planned = [op for op in body if op["op"] == "StepPlanned"]
                parallel = parallel or bool(planned)
                await asyncio.gather(*(self.planned(run, op) for op in planned))
                for op in body:
                    if op["op"] in {"StepRun", "StepFailed"}:
                        self.keep(run, op)

    async def planned(self, run: dict[str, Any], op: dict[str, Any]) -> None:
        if op["id"] in run["steps"]:
            return
        status, body = await self.step(run, op["id"], disable=True)
        if status == 206:
            for done in body:
                self.keep(run, done)
        elif run["status"] == "RUNNING":
            self.end(run, "FAILED", body)

    def keep(self, run: dict[str, Any], op: dict[str, Any]) -> None:
        run["steps"][op["id"]] = {"error": op["error"]} if op.get("error") else {"data": op.get("data")}
        self.save()

    def end(self, run: dict[str, Any], status: str, output: Any) -> None:
        late = 10 if status == "CANCELLED" else 0  # as the real one says it
        run |= {"status": status, "ended": time.time() + late, "output": output}
        self.save()

    async def step(self, run: dict[str, Any], step_id: str, *, disable: bool) -> tuple[int, Any]:
        """One call, tried again with a rising attempt number; as many run at once as the function's limit says."""
        function = self.function_of(run)
        tries = 1 + int(next(iter(function["steps"].values()))["retries"]["attempts"])
        limit = next((c["limit"] for c in function.get("concurrency") or []), 1000)
        gate = self.limits.setdefault(run["slug"], asyncio.Semaphore(limit))
        status, body = 0, None
        for attempt in range(tries):
            async with gate:
                if run["status"] != "RUNNING":
                    return 0, None
                run["started"] = run["started"] or time.time()
                begun = time.time()
                status, body, final = await self.call(run, step_id, attempt, tries, disable)
                self.traced(run, status, body, begun)
            self.calls.append({"run": run["id"], "step": step_id, "attempt": attempt, "status": status})
            errors = status == 206 and any(op["op"] == "StepError" for op in body)
            if (status in {200, 206} and not errors) or final:
                return status, body
            if errors and attempt == tries - 1:
                return status, [op | {"op": "StepFailed"} for op in body]
            await asyncio.sleep(RETRY_S)
        return status, body

    @staticmethod
    def traced(run: dict[str, Any], status: int, body: Any, begun: float) -> None:
        """A call that broke doesn't say which step it was: the next one that answers does."""
        ops = [op for op in body if op["op"] in {"StepRun", "StepError", "StepFailed"}] if status == 206 else []
        for op in ops:
            name = op.get("displayName") or op.get("name") or op["id"]
            run["tries"].append((name, begun, time.time(), op["op"] != "StepRun"))
        if not ops and status not in {200, 206}:
            run["tries"].append((None, begun, time.time(), True))

    async def call(
        self, run: dict[str, Any], step_id: str, attempt: int, tries: int, disable: bool
    ) -> tuple[int, Any, bool]:
        body = json.dumps({
            "ctx": {"attempt": attempt, "max_attempts": tries, "disable_immediate_execution": disable,
                    "run_id": run["id"], "stack": {"stack": list(run["steps"])}, "use_api": False},
            "event": run["event"], "events": [run["event"]], "steps": run["steps"], "use_api": False,
        }).encode()  # fmt: skip
        app = self.apps[run["app"]]
        if app["method"] == "CONNECT":
            return await self.call_connected(app["name"], run, step_id, body)
        headers = {"content-type": "application/json", "x-run-id": run["id"]} | self.signed(body)
        try:
            answer = await self.http.post(
                app["url"], params={"fnId": run["slug"], "stepId": step_id}, content=body, headers=headers
            )
        except httpx.HTTPError as error:
            return 0, {"message": f"unreachable: {type(error).__name__}"}, False
        return answer.status_code, answer.json(), answer.headers.get("x-inngest-no-retry") == "true"

    # -- workers that connect -----------------------------------------------------------------------------------------
    async def connect_start(self, request: Request) -> Response:
        if not self.opened(request):
            return Response("Authentication failed", 401)
        made = pb.StartResponse(
            connection_id=secrets.token_hex(8), gateway_endpoint=f"ws://127.0.0.1:{self.port}/v0/connect",
            gateway_group="g", session_token="s", sync_token="t",
        )  # fmt: skip
        return Response(made.SerializeToString(), media_type="application/protobuf")

    async def gateway(self, ws: WebSocket) -> None:
        """Hello, the worker's functions, ready; then its heartbeats, leases and replies, until it goes."""
        await ws.accept(subprotocol="v0.connect.inngest.com")
        await self.tell(ws, pb.GATEWAY_HELLO)
        id_ = secrets.token_hex(8)
        try:
            while True:
                message = pb.ConnectMessage.FromString(await ws.receive_bytes())
                await self.heard(ws, id_, message)
        except WebSocketDisconnect:
            pass
        finally:
            gone = self.connected.pop(id_, None)
            for waiting in gone["pending"].values() if gone else ():
                asyncio.get_running_loop().call_later(LEASE_S, lambda w=waiting: w.done() or w.set_result(None))

    async def heard(self, ws: WebSocket, id_: str, message: Any) -> None:
        if message.kind == pb.WORKER_CONNECT:
            found = pb.WorkerConnectRequestData.FromString(message.payload)
            for app in found.apps:
                functions = json.loads(app.functions)
                self.apps[app.app_name] = {"name": app.app_name, "url": f"ws://connect?app_name={app.app_name}",
                                           "error": "", "method": "CONNECT", "functions": functions}  # fmt: skip
                self.connected[id_] = {"ws": ws, "instance": found.instance_id, "app": app.app_name, "pending": {},
                                       "paused": False}  # fmt: skip
            self.save()
            ready = pb.GatewayConnectionReadyData(heartbeat_interval="10s", extend_lease_interval="5s")
            await self.tell(ws, pb.GATEWAY_CONNECTION_READY, ready.SerializeToString())
        elif message.kind == pb.WORKER_HEARTBEAT:
            await self.tell(ws, pb.GATEWAY_HEARTBEAT)
        elif message.kind == pb.WORKER_PAUSE:
            self.connected[id_]["paused"] = True
        elif message.kind == pb.WORKER_REQUEST_EXTEND_LEASE:
            lease = pb.WorkerRequestExtendLeaseData.FromString(message.payload)
            ack = pb.WorkerRequestExtendLeaseAckData(request_id=lease.request_id, new_lease_id=secrets.token_hex(8))
            await self.tell(ws, pb.WORKER_REQUEST_EXTEND_LEASE_ACK, ack.SerializeToString())
        elif message.kind == pb.WORKER_REPLY:
            reply = pb.SDKResponse.FromString(message.payload)
            ack = pb.WorkerReplyAckData(request_id=reply.request_id)
            await self.tell(ws, pb.WORKER_REPLY_ACK, ack.SerializeToString())
            waiting = self.connected[id_]["pending"].pop(reply.request_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)

    @staticmethod
    async def tell(ws: WebSocket, kind: Any, payload: bytes = b"") -> None:
        await ws.send_bytes(pb.ConnectMessage(kind=kind, payload=payload).SerializeToString())

    async def call_connected(self, app: str, run: dict[str, Any], step_id: str, body: bytes) -> tuple[int, Any, bool]:
        """The least busy worker that takes work; with none, it is as if none listened."""
        free = [w for w in self.connected.values() if w["app"] == app and not w["paused"]]
        if not free:
            return 0, {"message": "no worker is connected"}, False
        worker = min(free, key=lambda w: len(w["pending"]))
        asked = pb.GatewayExecutorRequestData(
            request_id=secrets.token_hex(8), app_name=app, function_slug=run["slug"], step_id=step_id,
            request_payload=body, run_id=run["id"], lease_id=secrets.token_hex(8), job_id=secrets.token_hex(8),
        )  # fmt: skip
        waiting = worker["pending"][asked.request_id] = asyncio.get_running_loop().create_future()
        try:
            await self.tell(worker["ws"], pb.GATEWAY_EXECUTOR_REQUEST, asked.SerializeToString())
        except (RuntimeError, WebSocketDisconnect):
            return 0, {"message": "the worker went away"}, False
        reply = await waiting
        if reply is None:
            return 0, {"message": "The worker stopped responding to the request."}, False
        status = {pb.DONE: 200, pb.NOT_COMPLETED: 206}.get(reply.status, 500)
        return status, json.loads(reply.body), reply.no_retry

    # -- its API ------------------------------------------------------------------------------------------------------
    def opened(self, request: Request) -> bool:
        if self.mode == "dev":
            return True
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        hashed = hashlib.sha256(bytes.fromhex(self.signing_key)).hexdigest()
        return given in {self.signing_key, hashed}

    async def register(self, request: Request) -> Response:
        if not self.opened(request):
            return Response("Authentication failed", 401)
        found = await request.json()
        bad = [f for f in found["functions"] for t in f["triggers"] if "cron" in t and len(t["cron"].split()) != 5]
        if bad:
            return JSONResponse({"error": "At least one function is invalid", "data": None, "status": 400}, 400)
        url = self.local(found["url"])
        before = self.apps.get(found["appname"])
        self.apps[found["appname"]] = {
            "name": found["appname"],
            "url": url,
            "error": "",
            "method": "SERVE",
            "functions": found["functions"],
        }
        modified = before is None or before["functions"] != found["functions"] or before["url"] != url
        self.save()
        return JSONResponse({"ok": True, "modified": modified, "sync_id": secrets.token_hex(8), "app_id": "x"})

    async def event(self, request: Request) -> Response:
        if self.mode != "dev" and request.path_params["key"] not in self.event_keys:
            return JSONResponse({"status": 401, "message": "", "error": "Event key not found"}, 401)
        found = await request.json()
        ids = []
        for event in found if isinstance(found, list) else [found]:
            mark = event.get("id") or secrets.token_hex(8)
            if mark in self.seen:
                ids.append(self.seen[mark])
                continue
            id_ = self.seen[mark] = "01" + secrets.token_hex(12).upper()
            ids.append(id_)
            for app in self.apps.values():
                for function in app["functions"]:
                    if any(t.get("event") == event["name"] for t in function["triggers"]):
                        self.begin(app, function, id_, event | {"id": mark})
        return JSONResponse({"ids": ids, "status": 200})

    async def cron(self, request: Request) -> Response:
        """Not the server's: fires a cron now, so that a test needn't wait for it."""
        slug = request.path_params["slug"]
        for app in self.apps.values():
            for function in app["functions"]:
                if function["id"] == slug:
                    event = {"name": "inngest/scheduled.timer", "data": {"cron": "x"}, "ts": int(time.time() * 1000)}
                    self.begin(app, function, secrets.token_hex(8), event)
                    return JSONResponse({"ok": True})
        return JSONResponse({"ok": False}, 404)

    def row(self, run: dict[str, Any], began: str = "scheduled") -> dict[str, Any]:
        ended = run["ended"]
        took = {} if ended is None or run[began] is None else {"durationMs": str(round((ended - run[began]) * 1000))}
        return {"id": run["id"], "status": run["status"], "queuedAt": iso(run["queued"]), "startedAt": iso(run[began]),
                "endedAt": iso(ended), "app": {"id": run["app"]}, "function": {"id": run["slug"], "name": run["slug"]},
                "trigger": {"eventIds": [run["event_id"]]} | ({"cronSchedule": run["cron"]} if run["cron"] else {})} | took  # fmt: skip

    def answer(self, rows: list[dict[str, Any]], limit: int, start: int) -> Response:
        page = {"hasMore": start + limit < len(rows), "limit": limit, "cursor": str(start + limit)}
        part = rows[start : start + limit]
        return JSONResponse(({"data": part} if part else {}) | {"page": page} | self.fetched())

    @staticmethod
    def fetched() -> dict[str, Any]:
        return {"metadata": {"fetchedAt": iso(time.time()), "cachedUntil": None}}

    async def list_runs(self, request: Request) -> Response:
        if not self.opened(request):
            return Response("Authentication failed", 401)
        if self.trouble.get("limited"):
            return JSONResponse(
                {"errors": [{"code": "rate_limited"}]}, 429, {"retry-after": str(self.trouble["limited"])}
            )
        q = request.query_params
        field = q.get("timeField", "queuedAt")
        wanted = q.getlist("status")
        low, high = (datetime.fromisoformat(q[name]).timestamp() for name in ("from", "until"))
        name = {"queuedAt": "queued", "startedAt": "scheduled", "endedAt": "ended"}[field]
        found = [
            r
            for r in self.runs.values()
            if (not wanted or r["status"] in wanted) and r[name] and low <= r[name] <= high
        ]
        found.sort(key=lambda r: r[name], reverse=q.get("order") != "ASC")
        return self.answer([self.row(r) for r in found], int(q.get("limit", "50")), int(q.get("cursor") or 0))

    async def event_runs(self, request: Request) -> Response:
        if not self.opened(request):
            return Response("Authentication failed", 401)
        ids = self.events.get(request.path_params["id"], [])
        return self.answer([self.row(self.runs[id_]) for id_ in ids], 50, 0)

    async def one(self, request: Request) -> Response:
        """A run by itself: COMPLETED too early, but with when it really began once it has ended."""
        run = self.runs.get(request.path_params["id"])
        if not self.opened(request):
            return Response("Authentication failed", 401)
        if run is None:
            return JSONResponse({"errors": [{"code": "not_found"}]}, 404)
        said = self.row(run, "started") | (
            {"status": "COMPLETED"} if run["steps"] and run["status"] == "RUNNING" else {}
        )
        return JSONResponse({"data": said} | self.fetched())

    async def trace(self, request: Request) -> Response:
        run = self.runs.get(request.path_params["id"])
        if run is None or not self.opened(request):
            return JSONResponse({}, 404)
        root = {"startedAt": iso(run["started"]), "children": self.spans(run, "children", failures=False)}
        return JSONResponse({"data": {"runId": run["id"], "rootSpan": root}} | self.fetched())

    @staticmethod
    def spans(run: dict[str, Any], below: str, *, failures: bool) -> list[dict[str, Any]]:
        """A span for each step; of one that was tried more than once, GraphQL has the tries below it."""
        steps: list[list[tuple[Any, float, float, bool]]] = [[]]
        for one in run["tries"]:
            steps[-1].append(one)
            if not one[3]:
                steps.append([])
        found = []
        for tries in filter(None, steps):
            times = [{"name": f"Attempt {n}", "status": "FAILED" if failed else "COMPLETED", "startedAt": iso(begun),
                      "endedAt": iso(ended)} for n, (_, begun, ended, failed) in enumerate(tries)]  # fmt: skip
            span = times[-1] | {"name": tries[-1][0] or "executor.step", "stepOp": "RUN", "startedAt": iso(tries[0][1])}
            if not failures:
                span["startedAt"] = iso(tries[-1][1])
            found.append(span | {below: times if failures and len(times) > 1 else []})
        return found

    async def change(self, request: Request) -> Response:
        run, what = self.runs.get(request.path_params["id"]), request.path_params["what"]
        if not self.opened(request):
            return Response("Authentication failed", 401)
        if run is None or what not in {"cancel", "rerun"}:
            return JSONResponse({"errors": [{"code": "not_found"}]}, 404)
        if what == "cancel":
            if run["status"] in FINAL:
                code = "run_already_cancelled" if run["status"] == "CANCELLED" else "run_already_ended"
                return JSONResponse({"errors": [{"code": code}]}, 409)
            self.end(run, "CANCELLED", None)
            return JSONResponse({"data": {"runId": run["id"]}} | self.fetched())
        body = json.loads(await request.body() or b"{}")
        step = (body.get("fromStep") or {}).get("stepId")
        kept = list(run["steps"])
        if step is not None and hashlib.sha1(step.encode()).hexdigest() not in kept:
            return JSONResponse({"errors": [{"message": "Step not found in original run"}]}, 400)
        before = set(self.runs)
        self.begin(self.apps[run["app"]], self.function_of(run), run["event_id"], run["event"])
        (new,) = set(self.runs) - before
        if step is not None:
            stop = kept.index(hashlib.sha1(step.encode()).hexdigest())
            self.runs[new]["steps"] = {id_: run["steps"][id_] for id_ in kept[:stop]}
        return JSONResponse({"data": {"runId": new}} | self.fetched())

    async def graphql(self, request: Request) -> Response:
        asked = await request.json()
        if "runTrace" in asked["query"]:
            run = self.runs.get(asked["variables"]["id"])
            if run is None:
                return JSONResponse({"data": None, "errors": [{"message": "not found"}]})
            root = {"startedAt": iso(run["started"]), "childrenSpans": self.spans(run, "childrenSpans", failures=True)}
            return JSONResponse({"data": {"runTrace": root}})
        apps = [{"name": a["name"], "url": a["url"], "method": a["method"], "error": a["error"] or None,
                 "functionCount": len(a["functions"])} for a in self.apps.values()]  # fmt: skip
        functions = [
            {"slug": f["id"], "triggers": [{"type": k.upper(), "value": v} for t in f["triggers"] for k, v in t.items() if v]}
            for a in self.apps.values() for f in a["functions"]
        ]  # fmt: skip
        workers = [
            {"node": {"instanceId": w["instance"], "status": "DRAINING" if w["paused"] else "READY"}}
            for w in self.connected.values()
        ]
        found = {"apps": apps, "functions": functions, "workerConnections": {"edges": workers}}
        return JSONResponse({"data": found})

    async def told(self, request: Request) -> Response:
        """Not the server's: every call that was made, for tests; POST makes trouble."""
        if request.method == "POST":
            self.trouble = await request.json()
        return JSONResponse(self.calls)

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": 200, "message": "OK"})

    async def kind(self, request: Request, call_next: Any) -> Response:
        """Every answer carries the kind of server."""
        answer: Response = await call_next(request)
        answer.headers["X-Inngest-Server-Kind"] = "dev" if self.mode == "dev" else "cloud"
        return answer

    def app(self) -> Starlette:
        return Starlette(
            lifespan=self.lifespan,
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self.kind)],
            routes=[
                Route("/health", self.health),
                Route("/fn/register", self.register, methods=["POST"]),
                Route("/v0/connect/start", self.connect_start, methods=["POST"]),
                WebSocketRoute("/v0/connect", self.gateway),
                Route("/e/{key}", self.event, methods=["POST"]),
                Route("/v2/runs", self.list_runs), Route("/v2/events/{id}/runs", self.event_runs),
                Route("/v2/runs/{id}", self.one), Route("/v2/runs/{id}/trace", self.trace),
                Route("/v2/runs/{id}/{what:str}", self.change, methods=["POST"]),
                Route("/v0/gql", self.graphql, methods=["POST"]),
                Route("/stand-in/calls", self.told, methods=["GET", "POST"]),
                Route("/stand-in/cron/{slug}", self.cron, methods=["POST"]),
            ],
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("dev", "start", "version"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("INNGEST_PORT", "8288")))
    parser.add_argument("-u", "--sdk-url", action="append", default=[])
    parser.add_argument("--no-discovery", action="store_true")
    options = parser.parse_args()
    if options.mode == "version":
        print("stand-in")
        return 0
    if options.mode == "start":
        key = os.environ.get("INNGEST_SIGNING_KEY", "")
        if not key:
            print("Error: signing-key is required", file=sys.stderr)
            return 1
        try:
            bytes.fromhex(key)
        except ValueError:
            print("Error: signing-key must be valid hex string", file=sys.stderr)
            return 1
        if not os.environ.get("INNGEST_EVENT_KEY"):
            print("Error: at least one event-key is required", file=sys.stderr)
            return 1
    server = Server(options.mode, options.sdk_url)
    server.port = options.port
    config = uvicorn.Config(
        server.app(), host=options.host, port=options.port, log_level="warning", timeout_graceful_shutdown=1
    )
    if options.mode == "dev":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    uvicorn.Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
