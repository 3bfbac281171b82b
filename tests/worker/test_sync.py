"""Registration: the answer's body tells, trouble is said and tried again, a loss is noticed, a takeover is not fought."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services import clock
from services.settings.model import Environment, Own, Secrets, Server
from services.store import Store, workers
from services.store.workers import Worker
from tests.conftest import Served
from tests.patience import PATIENCE_S
from tests.services.dependencies.test_inngest_server import KEY, SERVED, Fake
from worker import sync
from worker.sync import Registration

# What the SDK 0.5.19 answers where a server refuses in plain text.
REFUSED = {"code": "registration_failed", "message": "response is not valid JSON", "name": "RegistrationFailedError"}


class OwnRoute:
    """Our own /inngest, answering what it is told to."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.signatures: list[str | None] = []

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/inngest", self.put, methods=["PUT"])])

    async def put(self, request: Request) -> Response:
        self.signatures.append(request.headers.get("x-inngest-signature"))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return JSONResponse(body, status)


def addresses(store: Store) -> list[str]:
    with store.read() as connection:
        return [worker.address for worker in workers.load(connection)]


def registration(
    store: Store, worker_url: str, server_url: str, told: list[dict[str, Any]], *, holds: bool = True
) -> Registration:
    key = SecretStr(KEY)
    server = Server(
        api_url=server_url, event_url=server_url, cloud=True, pulsed=True, worker_url=worker_url, declared=SERVED
    )
    environment = Environment(name="p", base_url="http://p", secrets=Secrets(inngest_signing_key=key), server=server)
    own = Own(inngest_signing_key=key, inngest_api_url=server_url)
    return Registration(
        environment, own, workers=lambda: addresses(store), address=worker_url, holds=lambda: holds, told=told.append
    )


def run(made: Registration, until: Callable[[], bool]) -> None:
    async def both() -> None:
        task = asyncio.create_task(made.run())
        give_up = asyncio.get_running_loop().time() + PATIENCE_S
        while not until():
            assert asyncio.get_running_loop().time() < give_up
            await asyncio.sleep(0.02)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(both())


def test_a_refusal_with_status_200_is_a_refusal_and_is_tried_again(
    sqlite_store: Store, serve: Callable[..., Served]
) -> None:
    route = OwnRoute(
        (200, {"error": "At least one function is invalid", "data": None, "status": 400}),
        (500, {"code": "unknown", "message": "Failed request to http://127.0.0.1:1/fn/register: refused"}),
        (200, {"ok": True, "modified": True}),
    )
    told: list[dict[str, Any]] = []
    made = registration(sqlite_store, serve(route.app()).url, serve(Fake().app()).url, told)
    run(made, lambda: made.synced)
    assert [item["trouble"] for item in told] == [
        "At least one function is invalid", "Failed request to the server refused", ""
    ]  # fmt: skip
    assert all(route.signatures), "in cloud mode strangers may not register us, so we sign"


@pytest.mark.parametrize(
    ("kind", "refused", "said"),
    [
        ("dev", {}, "the Inngest server is a dev server, and this worker is set for the other kind: set INNGEST_DEV"),
        ("cloud", {"runs": (401, {})}, "the Inngest server refuses INNGEST_SIGNING_KEY: compare it with the server's"),
        ("cloud", {}, "response is not valid JSON"),
    ],
)
def test_a_wrong_kind_or_key_is_named_where_the_sdk_says_only_that_no_json_came(
    sqlite_store: Store, serve: Callable[..., Served], kind: str, refused: dict[str, Any], said: str
) -> None:
    route, fake, told = OwnRoute((500, REFUSED)), Fake(kind), list[dict[str, Any]]()
    fake.status |= refused
    made = registration(sqlite_store, serve(route.app()).url, serve(fake.app()).url, told)
    run(made, lambda: bool(told))
    assert told[0] == {"synced": False, "trouble": said}


def test_a_worker_that_does_not_hold_the_environment_registers_nothing(
    sqlite_store: Store, serve: Callable[..., Served]
) -> None:
    route = OwnRoute((200, {"ok": True}))
    made = registration(sqlite_store, serve(route.app()).url, serve(Fake().app()).url, [], holds=False)
    give_up = clock.now_ms() + 1500
    run(made, lambda: clock.now_ms() > give_up)
    assert route.signatures == []


def gql(url: str, functions: Any = SERVED) -> dict[str, Any]:
    listed = [{"slug": f"greenlight-worker-{n}", "triggers": [{"type": "X", "value": v}]} for n, v in functions]
    return {"data": {"apps": [{"name": "greenlight-worker", "url": url, "error": None}], "functions": listed}}


def test_what_the_server_forgot_is_registered_again_and_a_takeover_is_told(
    sqlite_store: Store, serve: Callable[..., Served], monkeypatch: Any
) -> None:
    monkeypatch.setattr(sync, "CHECK_S", 0.05)
    route, fake, told = OwnRoute((200, {"ok": True})), Fake(), []
    url = serve(route.app()).url
    made = registration(sqlite_store, url, serve(fake.app()).url, told)
    run(made, lambda: len(route.signatures) >= 2)  # nothing of us is listed: again
    fake.gql = gql(f"{url}/inngest", SERVED[:1])
    before = len(route.signatures)
    run(made, lambda: len(route.signatures) > before)  # another version of us: again
    fake.gql = gql("http://localhost:9/inngest")
    run(made, lambda: "taken over" in made.trouble)
    before = len(route.signatures)
    quiet = clock.now_ms() + 500
    run(made, lambda: clock.now_ms() > quiet)
    assert len(route.signatures) == before, "two installations with the same keys must not fight"
    with sqlite_store.write() as connection:
        now = clock.now_ms()
        workers.beat(connection, Worker(id="w", address="http://127.0.0.1:9", started_ms=now, seen_ms=now))
    run(made, lambda: len(route.signatures) > before)  # it is a sibling's: the collector takes it over
