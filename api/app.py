"""The routes that the portal serves to programs. Mounted beside the pages; errors are RFC 9457 problems."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from api import alerts, heartbeats, hooks, problems, replays, slos, traces
from runtime import Contract, Dependency, TokenPolicy, mount
from runtime.body_limit import BodyLimit
from services import access, clock, export, redact
from services.access import Forbidden, Person
from services.dependencies.inngest import status
from services.deploys import view as deployments
from services.errors import SettingsError, StoreError, StoreRejected, UnknownEnvironment
from services.health import view
from services.settings import Settings
from services.store import Store
from services.verdict import view as verdicts
from services.version import VERSION

log = logging.getLogger(__name__)
MAX_REQUEST_BYTES = 1 << 20
GetStore = Callable[[], Store]
BEARER = HTTPBearer(auto_error=False, description="The portal's API token.")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreCheck:
    """The portal is ready while its store can be read."""

    get_store: GetStore
    required: bool = True
    dependency: str = "store"

    async def __call__(self) -> Dependency:
        """One read."""
        import asyncio

        def read() -> view.WorkerLife:
            return view.worker_life(self.get_store(), clock.now_ms())

        try:
            await asyncio.to_thread(read)
        except StoreError as error:
            return Dependency(name="store", required=True, healthy=False, error=error.advice.what)
        return Dependency(name="store", required=True, healthy=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerCheck:
    """Whether a worker measures: not required, since pages stay up without one; told in the body."""

    get_store: GetStore
    required: bool = False
    dependency: str = "worker"

    async def __call__(self) -> Dependency:
        """Look at the newest sign of life."""
        import asyncio

        try:
            life = await asyncio.to_thread(lambda: view.worker_life(self.get_store(), clock.now_ms()))
        except StoreError:
            return Dependency(name="worker", required=False, healthy=False, error="not known: the store is away")
        seen = None if life.seen_ms is None else clock.iso(life.seen_ms)
        error = None if life.alive else "no worker gives a sign of life"
        return Dependency(name="worker", required=False, healthy=life.alive, error=error, detail={"seen_at": seen})


def build(settings: Settings, get_store: GetStore) -> FastAPI:
    """The API as an application of its own."""
    app = FastAPI(
        title="Greenlight",
        version=VERSION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        description="Runtime reliability: the same facts as the pages.",
    )
    token = settings.api_token.get_secret_value() if settings.api_token else None
    policy = TokenPolicy(accepted=token)
    _problems(app)
    mount(
        app,
        Contract(
            checks=(StoreCheck(get_store=get_store), WorkerCheck(get_store=get_store)),
            token=policy,
            environment="portal",
            version=VERSION,
        ),
    )
    guard = _guard(settings)
    _facts(app, settings, get_store, guard)
    replays.mount(app, settings, get_store, guard)
    slos.mount(app, settings, get_store, guard)
    alerts.mount(app, settings, get_store, guard)
    heartbeats.mount(app, settings, get_store)
    hooks.mount(app, settings, get_store)
    traces.mount(app, settings, guard)
    problems.describe(app)
    app.add_middleware(BodyLimit, most=MAX_REQUEST_BYTES, only=lambda scope: scope["path"] != traces.PATH)
    return app


class Following:
    """The API over the settings in use now; built again where they were changed."""

    def __init__(self, get_settings: Callable[[], Settings], get_store: GetStore) -> None:
        self._get_settings, self._get_store = get_settings, get_store
        self._settings = get_settings()
        self._app = build(self._settings, get_store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self._get_settings()
        if settings is not self._settings:
            self._settings, self._app = settings, build(settings, self._get_store)
        await self._app(scope, receive, send)


def _guard(settings: Settings) -> Callable[..., Person]:
    """Who holds a token may look; what more they may do, their role says, in the services."""
    tokens = access.tokens_of(settings)

    def authorised(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> Person:
        person = access.of_token(credentials.credentials if credentials else None, tokens)
        if person is None:
            raise HTTPException(401, "Send the portal's token as Authorization: Bearer <token>.")
        return person

    return authorised


def _facts(app: FastAPI, settings: Settings, get_store: GetStore, guard: Callable[..., Person]) -> None:
    @app.get("/api/v1/environments", dependencies=[Depends(guard)])
    def environments() -> dict[str, Any]:
        """Every environment with its state, policy, dependencies and findings, worst first."""
        found = view.overview(get_store(), settings, clock.now_ms())
        return {
            "as_of": clock.iso(found.as_of_ms),
            "worker": {"alive": found.worker.alive, "seen_at": _time(found.worker.seen_ms)},
            "environments": [export.environment_summary(card, found.as_of_ms) for card in found.cards],
        }

    @app.get("/api/v1/environments/{name}", dependencies=[Depends(guard)])
    def environment(name: str) -> dict[str, Any]:
        """One environment, as in the list."""
        settings.environment(name)
        found = view.overview(get_store(), settings, clock.now_ms(), only=name)
        return export.environment_summary(found.cards[0], found.as_of_ms)

    @app.get("/api/v1/environments/{name}/evidence", dependencies=[Depends(guard)])
    def evidence(name: str, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> dict[str, Any]:
        """The newest evidence of an environment, newest first, each with its place in the chain."""
        settings.environment(name)
        proofs = view.raw_evidence(get_store(), settings, name, clock.now_ms(), limit)
        return {
            "environment": name,
            "evidence": [
                {"number": p.number, "hash": p.hash, "at": clock.iso(p.record.at_ms), "stale": p.stale}
                | {field: getattr(p.record, field) for field in p.record.__dataclass_fields__ if field != "at_ms"}
                for p in proofs
            ],
        }

    @app.get("/api/v1/environments/{name}/verdict", dependencies=[Depends(guard)])
    def verdict(name: str) -> dict[str, Any]:
        """Go, No-Go or not enough evidence, with what blocks it and the one thing that would change it."""
        return export.verdict(verdicts.verdict(get_store(), settings, name, clock.now_ms()))

    @app.get("/api/v1/environments/{name}/inngest", dependencies=[Depends(guard)])
    def inngest(name: str) -> dict[str, Any]:
        """How work moves through Inngest: pulse, registration, runs of the last day, stuck ones, schedules."""
        return status.document(status.moving(get_store(), settings, name, clock.now_ms()))

    @app.get("/api/v1/environments/{name}/deploys", dependencies=[Depends(guard)])
    def deploys(name: str) -> dict[str, Any]:
        """Whether now is a good moment to deploy, what a deploy would cut, the settings, and past deploys."""
        return deployments.document(deployments.view(get_store(), settings, name, clock.now_ms()))


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else clock.iso(milliseconds)


def _problem(status: int, detail: str, *, extra: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail} | more
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(body, status_code=status, media_type=problems.MEDIA_TYPE, headers=headers | dict(extra or {}))


def _problems(app: FastAPI) -> None:
    """Every error as a problem document; nothing from outside ends as a 500."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return _problem(405, str(error.detail), extra={"Allow": problems.allowed(app, request.scope)})
        return _problem(error.status_code, str(error.detail), extra=error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(422, f"{where}: {first['msg']}.")

    @app.exception_handler(UnknownEnvironment)
    async def unknown(_request: Request, error: UnknownEnvironment) -> Response:
        return _problem(404, str(error), known=list(error.known))

    @app.exception_handler(Forbidden)
    async def forbidden(_request: Request, error: Forbidden) -> Response:
        return _problem(403, str(error))

    @app.exception_handler(SettingsError)
    async def wrong_settings(_request: Request, error: SettingsError) -> Response:
        return _problem(409, str(error))

    @app.exception_handler(StoreRejected)
    async def unstorable(_request: Request, _error: StoreRejected) -> Response:
        return _problem(422, "The request holds a text or number that can't be stored, such as a zero byte.")

    @app.exception_handler(StoreError)
    async def away(_request: Request, error: StoreError) -> Response:
        return _problem(503, str(error.advice))

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        log.error("fault at %s: %s", request.url.path, redact.fault(error))
        return _problem(500, "A fault in Greenlight; its log says more.")
