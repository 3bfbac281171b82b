"""The portal behind a real nginx, below a path: pages, websocket, downloads, API and who a visitor is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from services import clock
from services.health import record as ledger
from services.store import Store
from services.store.migrate import migrate
from tests.conftest import free_port
from tests.nginx import nginx
from tests.patience import PATIENCE_S
from tests.portal import TOKEN, running
from tests.services.health.test_record import seen

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the portal through nginx."""
    folder = Path(tmp_path_factory.mktemp("nginx"))
    store = Store.open(f"sqlite:///{folder / 'greenlight.db'}")
    migrate(store)
    ledger.record(store, [seen(clock.now_ms() / 1000, environment="local")], ledger.Memory())
    config = folder / "greenlight.toml"
    config.write_text(
        '[portal]\nbase_path = "/portal"\ntrusted_proxies = ["127.0.0.1"]\n[access]\n[[access.people]]\n'
        'issuer = "proxy"\nemail = "ada@example.org"\nrole = "operator"\n'
        '[[environments]]\nname = "local"\nbase_url = "http://127.0.0.1:1"\n'
    )
    port, portal = free_port(), free_port()
    with running(folder, port=portal, GREENLIGHT_CONFIG=str(config)), nginx(folder, port=port, portal=portal) as url:
        yield url


def test_api_and_health_are_reached_below_the_path(site: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    found = httpx.get(f"{site}/api/v1/environments", headers=headers, timeout=PATIENCE_S)
    assert (found.status_code, found.json()["environments"][0]["name"]) == (200, "local")
    assert httpx.get(f"{site}/api/v1/environments", timeout=PATIENCE_S).status_code == 401
    assert httpx.get(f"{site}/metrics", timeout=PATIENCE_S).status_code == 401, "forwarded: not of this machine"
    assert httpx.get(f"{site}/metrics", headers=headers, timeout=PATIENCE_S).status_code == 200


def test_pages_and_their_websocket_work_below_the_path(site: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{site}/")
    page.get_by_text("Signed in: ada@example.org, operator").wait_for()
    page.goto(f"{site}/dependency_health")
    page.wait_for_selector(".gl .answer")
    assert page.url.startswith(site)


def test_a_download_comes_through(site: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{site}/dependency_health")
    button = page.get_by_test_id("stDownloadButton").first
    button.wait_for()
    with page.expect_download() as download:
        button.get_by_role("button").click()
    assert Path(download.value.path()).stat().st_size > 0
