"""SLO trends in a real browser: read in seconds, addressed, taken away, fit for a phone, and still."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services import clock, simulation
from services.settings import load
from services.store import Store, samples
from services.store.migrate import migrate
from services.store.samples import Sample
from tests import portal
from tests.browser.test_pages import CONFIG
from tests.conftest import settled

pytestmark = pytest.mark.browser
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = Path(tmp_path_factory.mktemp("slo"))
    (data / "greenlight.toml").write_text(CONFIG)
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    config = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "GREENLIGHT_DATA": str(data)}
    now = clock.now_ms()
    simulation.seed(store, load(config).environment("staging"), now)
    history = [
        Sample(environment="production", sli="readiness_uptime", at_ms=now - n * 60_000, value=40.0, good=n > 60,
               interval_s=60) for n in range(1, 3000)
    ]  # fmt: skip
    with store.write() as connection:
        samples.append(connection, history, {})
    store.close()
    with portal.running(data, GREENLIGHT_CONFIG=config["GREENLIGHT_CONFIG"]) as url:
        yield url


def test_a_broken_promise_is_read_first_and_drawn(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/slo_trends?env=production")
    expect(page.locator(".answer")).to_contain_text("is broken: Readiness uptime")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(1)


def test_a_promise_opens_by_its_link_and_has_its_own_address(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/slo_trends?env=staging")
    page.get_by_role("link", name="Redis PING latency").click()
    expect(page.get_by_role("heading", name="Redis PING latency")).to_be_visible()
    page.wait_for_url(re.compile("sli=redis_ping_latency"))
    page.get_by_role("radio", name="Budget").click()
    expect(page.get_by_text("of the budget is left")).to_be_visible()
    page.get_by_role("radio", name="7 days").click()
    expect(page.get_by_text("of 7 days observed").first).to_be_visible()
    page.reload()
    expect(page.get_by_text("of the budget is left")).to_be_visible()
    page.wait_for_url(re.compile("window=7d"))


def test_times_are_the_viewers_and_say_so(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/slo_trends?env=staging&sli=readiness_uptime")
    zone = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    expect(page.get_by_text(f"Times are {zone}.")).to_be_visible()


def test_what_is_seen_can_be_taken_away(place: str, open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"{place}/slo_trends?env=staging&sli=readiness_uptime")
    found = {}
    for name in ("Printable page", "JSON", "CSV", "Chart (HTML)"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name, exact=True).click()
        found[name] = Path(waiting.value.path()).read_text()
    assert json.loads(found["JSON"])["simulated"] is True
    assert "simulated" in found["CSV"].splitlines()[0]
    for name in ("Printable page", "Chart (HTML)"):
        file = tmp_path / f"{name}.html"
        file.write_text(found[name])
        page.goto(file.as_uri())  # opened as a file: a page's policy outlives `set_content`
        assert "simulated" in page.inner_text("body") + page.title()
    assert page.locator(".main-svg").count() > 0  # the chart draws itself from the file alone


def test_on_a_phone_nothing_is_wider_than_the_screen(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/slo_trends?env=production", width=390)
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_waiting_moves_nothing(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/slo_trends?env=staging")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    page.evaluate(
        "window.shifted=0; new PerformanceObserver(l=>l.getEntries().forEach(e=>window.shifted+=e.value))"
        ".observe({type:'layout-shift'})"
    )
    page.wait_for_timeout(4000)
    assert page.evaluate("window.shifted") < 0.02
