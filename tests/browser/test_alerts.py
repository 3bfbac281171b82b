"""From a switched fault to the message, to the person who takes it, to its end and the incident's record; with a real
application, worker, portal, receiver and browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.store import Store, alerts
from tests import portal
from tests.conftest import Served, free_port
from tests.patience import PATIENCE_S, wait_until
from tests.receivers import WEBHOOK_SECRET, Receiver
from tests.worker.conftest import RealWorker

pytestmark = pytest.mark.browser
PLANTED = "planted-secret-4711"


class Application:
    """An application whose readiness is switched."""

    def __init__(self) -> None:
        self.works = True
        routes = [
            Route("/api/health/ready", self.ready), Route("/api/runtime/dependencies", self.dependencies),
            Route("/inngest", self.inngest),
        ]  # fmt: skip
        self.app = Starlette(routes=routes)

    def ready(self, _request: Request) -> Response:
        return JSONResponse({"ready": self.works, "version": "v1"}, 200 if self.works else 503)

    def inngest(self, _request: Request) -> Response:
        return JSONResponse({"mode": "cloud", "function_count": 4, "has_event_key": True, "has_signing_key": True})

    def dependencies(self, _request: Request) -> Response:
        each = {"required": False, "healthy": True}
        return JSONResponse({"ready": self.works, "dependencies": {"redis": each, "inngest": each}})


@pytest.fixture
def chat() -> Iterator[Receiver]:
    made = Receiver("webhook")
    yield made
    made.close()


def test_a_fault_is_told_taken_resolved_and_written_down(
    tmp_path: Path, serve: Callable[..., Served], open_page: Callable[..., Page], chat: Receiver
) -> None:
    application = Application()
    target = serve(application.app)
    data, port = tmp_path / "data", free_port()
    data.mkdir()
    config = data / "greenlight.toml"
    config.write_text(
        f'[alerts]\nportal_url = "http://localhost:{port}"\nresolved_after_s = 1\n'
        '[[alerts.channels]]\nname = "team"\nurl_variable = "TEAM_URL"\nseverities = ["page"]\n'
        f'[[environments]]\nname = "shop"\nrole = "production"\nbase_url = "{target.url}"\nenv_file = "shop.env"\n'
        "[environments.intervals]\nreadiness = 1\ndependencies = 60\n"
    )
    (data / "shop.env").write_text(f"DASHBOARD_AUTH_TOKEN={PLANTED}\n")
    variables = {"GREENLIGHT_CONFIG": str(config), "TEAM_URL": chat.url}
    worker = RealWorker(data, free_port(), variables)
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    try:
        worker.wait()
        with portal.running(data, port=port, **variables) as url:
            _walk(url, open_page, application, chat, store)
        text = "\n".join(taken.raw.decode() for taken in chat.taken)
        assert PLANTED not in text + worker.log.read_text()
        assert WEBHOOK_SECRET not in text + worker.log.read_text()
    finally:
        store.close()
        worker.stop()


def _events(chat: Receiver) -> list[str]:
    return [taken.body["event"] for taken in chat.taken if taken.body["environment"] == "shop"]


def _walk(url: str, open_page: Callable[..., Page], application: Application, chat: Receiver, store: Store) -> None:
    page = open_page(f"{url}/alerts")
    expect(page.get_by_text("No open alert")).to_be_visible()

    application.works = False
    wait_until(lambda: "opened" in _events(chat))
    message = next(taken.body for taken in chat.taken if taken.body["event"] == "opened")
    assert (message["title"], message["severity"]) == ("shop is not ready", "page")
    assert message["link"] == f"http://localhost:{url.rpartition(':')[2]}/dependency_health?env=shop"

    expect(page.get_by_text("One alert is open. shop is not ready")).to_be_visible()
    expect(page.get_by_text("1 open alert")).to_be_visible()
    page.get_by_role("button", name="Take it").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_label("Note").fill("the balancer was restarted")
    dialog.get_by_role("button", name="Take it").click()
    expect(page.get_by_text("Ada (unverified)").first).to_be_visible()
    expect(page.get_by_text("the balancer was restarted")).to_be_visible()

    overview = open_page(f"{url}/")
    expect(overview.get_by_text("taken by Ada (unverified)")).to_be_visible()

    application.works = True
    wait_until(lambda: "resolved" in _events(chat))
    assert _events(chat) == ["opened", "resolved"]
    expect(page.get_by_text("Nothing is open.")).to_be_visible()

    def record() -> dict[str, object]:
        with store.read() as connection:
            return dict(alerts.ended(connection, since_ms=0)[0].record)

    wait_until(lambda: bool(record()), 2 * PATIENCE_S)
    assert record()["spent"], "readiness failed, so it cost a part of its budget"
    listed = httpx.get(f"{url}/api/v1/alerts", headers={"Authorization": f"Bearer {portal.TOKEN}"}, timeout=PATIENCE_S)
    (incident,) = [i for i in listed.json()["ended"] if i["environment"] == "shop"]
    assert incident["acknowledged_by"] == "Ada (unverified)"
    assert [t["kind"] for t in incident["told"]] == ["opened", "resolved"]
    assert incident["lasted_s"] > 0
    with page.expect_download() as downloading:
        page.get_by_role("button", name="JSON").click()
    downloaded = json.loads(Path(downloading.value.path()).read_text())
    assert downloaded[0]["id"] == incident["id"]
    expect(page.get_by_text("Readiness uptime:").first).to_be_visible()
