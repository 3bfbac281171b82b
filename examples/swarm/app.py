"""The reference swarm. A FastAPI app, the contract kit, Inngest, two queues, switchable faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import inngest
import inngest.fast_api
import redis.asyncio
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from examples.swarm import platform as platforms
from examples.swarm import runs
from examples.swarm.agent.degrade import Weakness, named
from examples.swarm.agent.engine import answer
from examples.swarm.beside import DatabaseCheck, MailCheck, MailServer, beat
from examples.swarm.faults import Faults, FaultyContract, InngestSwitch, control
from examples.swarm.jobs import QUEUES, WORK_S, Work
from examples.swarm.policy import Policy
from examples.swarm.traced import traced
from runtime import Contract, TokenPolicy, mount
from runtime.envelope import EnvelopeFile
from runtime.fallback import FallbackScheduler
from runtime.heartbeat import Heartbeat
from runtime.inngest_route import InngestCheck
from runtime.redis_check import RedisCheck, client_for
from runtime.token import bearer

PATH = "/inngest"


def build(policy: Policy, *, allow_faults: bool = False, work: bool = True) -> ASGIApp:
    """The application. `allow_faults` opens the fault switches; `work=False` leaves the queues alone (tests)."""
    client, faults = client_for(policy.redis_url), Faults()
    traces = EnvelopeFile(path=policy.trace_file, known_secrets=_secrets(policy)) if policy.trace_file else None
    labour = Work(policy, client, traces)
    platform = platforms.Platform(policy.worker_env_file) if allow_faults and policy.worker_env_file else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_scheduler(labour).run())]
        tasks += [asyncio.create_task(_steady(labour, queue)) for queue in QUEUES if work]
        if policy.heartbeat_url:
            own = Heartbeat(url=policy.heartbeat_url)
            tasks.append(asyncio.create_task(beat(own, lambda: "scheduler_stopped" in faults.on)))
        mail = None
        if policy.mail_port is not None:
            mail = MailServer(port=policy.mail_port, is_down=lambda: "mail_down" in faults.on)
            await mail.start()
        if platform is not None:
            tasks.append(asyncio.create_task(platform.start()))
        yield
        for task in tasks:
            task.cancel()
        if platform is not None:
            await platform.stop()
        if mail is not None:
            await mail.stop()
        if client is not None:
            await client.aclose()

    app = FastAPI(title="Reference swarm", lifespan=lifespan, docs_url=None, redoc_url=None)
    _serve_inngest(app, policy, labour, dev=False)
    token = TokenPolicy(accepted=policy.token, legacy_sha256=policy.legacy_token_sha256)
    mount(
        app,
        Contract(
            checks=(
                RedisCheck(client=client, required=policy.redis_required),
                InngestCheck(
                    app=app,
                    required=policy.inngest_required,
                    mode=lambda: "cloud" if policy.signing_key else "dev",
                    has_keys=lambda: bool(policy.signing_key and policy.event_key),
                ),
                *([] if policy.database is None else [DatabaseCheck(path=policy.database)]),
                *([] if policy.mail_port is None else [MailCheck(port=policy.mail_port)]),
            ),
            token=token,
            environment=policy.environment,
            version=policy.version,
        ),
    )
    app.add_route("/api/agent", _agent(token, policy, traces), methods=["POST"])
    return _faulty(app, policy, labour, client, token, faults, platform) if allow_faults else app


def _agent(token: TokenPolicy, policy: Policy, traces: EnvelopeFile | None) -> Callable[[Request], Awaitable[Response]]:
    """The reference agent behind HTTP: a case in, an answer out."""
    weakness: Weakness = named(policy.agent_weakness)

    def work(line: Any, parent: str | None) -> dict[str, Any]:
        return traced(line, parent, traces, policy.environment, policy.version, lambda case: answer(case, weakness))

    async def ask(request: Request) -> Response:
        if not token.admits(bearer(request.headers.get("authorization"))):
            return JSONResponse({"error": "no valid token"}, status_code=401)
        try:
            line = await request.json()
        except ValueError:
            return JSONResponse({"error": "no JSON"}, status_code=400)
        if not isinstance(line, dict):
            return JSONResponse({"error": "no object"}, status_code=400)
        return JSONResponse(await asyncio.to_thread(work, line, request.headers.get("traceparent")))

    return ask


def _faulty(
    app: FastAPI,
    policy: Policy,
    labour: Work,
    client: redis.asyncio.Redis | None,
    token: TokenPolicy,
    faults: Faults,
    platform: platforms.Platform | None,
) -> ASGIApp:
    """The application with fault switches before it."""

    def admits(request: Request) -> bool:
        return token.admits(bearer(request.headers.get("authorization")))

    listed = runs.Runs(policy.app_id, policy.signing_key, lambda: "runs_fail" in faults.on, event_key=policy.event_key)
    app.router.routes += listed.routes
    switch = control(faults, client, admits)
    app.add_route("/demo/faults", switch, methods=["GET"])
    app.add_route("/demo/faults/{name}", switch, methods=["PUT", "DELETE"])
    if platform is not None:
        app.add_route("/demo/deploy", platforms.route(platform, admits), methods=["POST"])
    dev, fewer = FastAPI(), FastAPI()
    _serve_inngest(dev, policy, labour, dev=True)
    _serve_inngest(fewer, policy, labour, dev=False, leave_out=1)
    variants: dict[str, ASGIApp] = {"mode_dev": dev, "wrong_function_count": fewer}
    return InngestSwitch(FaultyContract(app, faults=faults), faults=faults, variants=variants)


def _serve_inngest(app: FastAPI, policy: Policy, labour: Work, *, dev: bool, leave_out: int = 0) -> None:
    """Mount the route. Without a signing key the SDK would end the process in cloud mode, so it is dev mode then."""
    client = inngest.Inngest(
        app_id=policy.app_id,
        is_production=bool(policy.signing_key) and not dev,
        signing_key=policy.signing_key,
        event_key=policy.event_key,
        api_base_url=policy.inngest_url,
        event_api_base_url=policy.inngest_url,
    )
    functions: list[inngest.Function[Any]] = labour.functions(client)
    served = functions[: len(functions) - leave_out]
    inngest.fast_api.serve(app, client, served, serve_origin=policy.serve_origin, serve_path=PATH)


def _scheduler(labour: Work) -> FallbackScheduler:
    """One process, so the claim only has to hold within it."""
    claimed: set[str] = set()

    async def claim(name: str) -> bool:
        if name in claimed:
            return False
        claimed.add(name)
        return True

    async def done(_name: str) -> None:
        return None

    return FallbackScheduler(labour.fallback_tasks(), claim=claim, done=done, now=lambda: datetime.now(UTC))


async def _steady(labour: Work, queue: str) -> None:
    """Work comes in and is taken out all the time, so that queues and traces live."""
    while True:
        await asyncio.sleep(random.uniform(*WORK_S))  # noqa: S311 - demonstration traffic
        await labour.produce(queue)
        if random.random() < 0.4:  # noqa: S311 - demonstration traffic
            await labour.consume(queue)


def _secrets(policy: Policy) -> tuple[str, ...]:
    candidates = (policy.token, policy.signing_key, policy.event_key, policy.redis_url)
    return tuple(text for text in candidates if text)
