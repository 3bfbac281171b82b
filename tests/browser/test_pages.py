"""Pages in a real browser: framed on a deep link, live, readable on a phone, one click to the raw evidence."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services import clock
from services.dependencies.model import Check, Measure, Reading
from services.dependencies.run import Observation
from services.evidence import decisions
from services.health import record as ledger
from services.store import Store, workers
from services.store.migrate import migrate
from services.store.workers import Worker
from tests import portal
from tests.conftest import ROOT, settled

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
CONFIG = """
[[environments]]
name = "staging"
role = "staging"
base_url = "http://127.0.0.1:9"
simulated = true
[[environments]]
name = "production"
role = "production"
base_url = "http://127.0.0.1:9"
"""


WELL = {
    "readiness": "readiness.ok",
    "dependencies": "dependencies.ok",
    "redis.ping": "redis.ok",
    "redis.write": "redis.write_ok",
    "redis.info": "redis.info_ok",
    "inngest": "inngest.ok",
}


class Scene:
    """A running portal and the store behind it."""

    def __init__(self, url: str, store: Store, data: Path) -> None:
        self.url, self.store, self.data = url, store, data
        self._memory = ledger.Memory()
        self._ended = threading.Event()
        self._worker = threading.Thread(target=self._go_on_beating)

    def see(self, probe: str, code: str, *, environment: str = "production", times: int = 1) -> None:
        now = clock.now_ms()
        reading = Reading(
            code=code,
            latency_ms=4.2,
            detail={"timings_ms": {"connect": 1.0}, "status": 200},
            measures=(Measure(sli="redis_ping_latency", value=4.2, good=True),) if probe == "redis.ping" else (),
            checks=(Check(name=probe, outcome="pass"),),
        )
        batch = [
            Observation(
                environment=environment, simulated=environment == "staging", probe=probe, interval_s=30,
                at_ms=now - 10 * (times - n), lag_ms=0, reading=reading,
            )
            for n in range(times)
        ]  # fmt: skip
        ledger.record(self.store, batch, self._memory)

    def all_well(self) -> None:
        for environment in ("staging", "production"):
            for probe, code in WELL.items():
                self.see(probe, code, environment=environment, times=5 if probe == "redis.ping" else 1)

    def beat(self) -> None:
        """A worker lives from now on, until the scene ends."""
        self._beat_once()
        self._worker.start()

    def _go_on_beating(self) -> None:
        while not self._ended.wait(3):
            self._beat_once()

    def _beat_once(self) -> None:
        now = clock.now_ms()
        with self.store.write() as connection:
            workers.beat(connection, Worker(id="w", address="http://x", started_ms=now, seen_ms=now))

    def end(self) -> None:
        self._ended.set()
        if self._worker.is_alive():
            self._worker.join()
        self.store.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    data = Path(tmp_path_factory.mktemp("scene"))
    (data / "greenlight.toml").write_text(CONFIG)
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    store.close()
    with portal.running(data, GREENLIGHT_CONFIG=str(data / "greenlight.toml")) as url:
        yield url, data


@pytest.fixture
def scene(running: tuple[str, Path]) -> Iterator[Scene]:
    url, data = running
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    with store.write() as connection:
        for table in ("conditions", "spans", "samples", "rollups", "series", "workers", "jobs"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    time.sleep(1.1)  # what the page process still remembers of the scene before
    made = Scene(url, store, data)
    yield made
    made.end()


def text(page: Page) -> str:
    return page.locator("[data-testid=stMain]").inner_text()


def until(page: Page, words: str) -> None:
    page.get_by_text(words).first.wait_for()


def test_a_deep_link_on_a_fresh_process_is_framed(tmp_path: Path, open_page: Open) -> None:
    with portal.running(tmp_path) as url:
        page = open_page(f"{url}/dependency_health")
        page.get_by_role("link", name="Overview").wait_for()
        assert page.get_by_role("heading", name="Dependency health").count() == 1


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", "{port}"),
        ("-m", "uvicorn", "app:app", "--port", "{port}", "--log-level", "warning", "--app-dir", str(ROOT)),
        (str(ROOT / "app.py"), "--port", "{port}"),
    ],
    ids=["streamlit", "uvicorn", "python"],
)
def test_it_starts_each_way_from_another_folder(tmp_path: Path, open_page: Open, command: tuple[str, ...]) -> None:
    with portal.running(tmp_path, command=command, cwd=tmp_path) as url:
        page = open_page(url)
        page.get_by_role("link", name="Dependency health").wait_for()


def test_the_page_follows_the_store_by_itself(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(scene.url)
    until(page, "All 2 environments are ready")
    scene.see("readiness", "readiness.not_ready", times=3)
    until(page, "production is not ready")
    scene.see("readiness", "readiness.ok", times=2)
    until(page, "All 2 environments are ready")


def test_refreshing_moves_nothing(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(f"{scene.url}/?env=production")
    until(page, "production is ready")
    settled(page)
    heading = page.get_by_text("Recent changes")
    before = heading.bounding_box()
    page.evaluate(
        "window.shifted=0; new PerformanceObserver(l=>l.getEntries().forEach(e=>window.shifted+=e.value))"
        ".observe({type:'layout-shift'})"
    )
    page.wait_for_timeout(7000)
    assert heading.bounding_box() == before
    assert page.evaluate("window.shifted") < 0.02


def test_a_dead_worker_is_told_and_everything_turns_stale(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    page = open_page(scene.url)
    until(page, "no worker runs")


def test_the_environment_is_in_the_address_and_back_works(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(f"{scene.url}/dependency_health?env=production")
    until(page, "production is ready")
    page.get_by_role("radio", name="staging").click()
    until(page, "staging is ready")
    page.wait_for_url(re.compile("env=staging"))
    page.reload()
    until(page, "staging is ready")


def test_the_side_bar_goes_on_with_the_environment_and_back_leads_back(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(f"{scene.url}/dependency_health?env=production")
    page.get_by_role("link", name="Strict-mode checklist").click()
    page.wait_for_url("**/strict_mode_checklist?env=production")
    expect(page.locator(".gl .answer").first).to_contain_text("for production")
    page.go_back()
    if "strict_mode_checklist" in page.url:  # the side bar's own address: Streamlit keeps it, or doesn't
        page.go_back()
    page.wait_for_url("**/dependency_health?env=production")
    expect(page.get_by_role("heading", name="Dependency health")).to_be_visible()


def test_going_back_to_an_address_without_environment_shows_what_it_showed(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/dependency_health")
    expect(page.get_by_role("radio", name="staging", checked=True).first).to_be_visible()
    page.get_by_role("radio", name="production").click()
    page.wait_for_url("**/dependency_health?env=production")
    expect(page.get_by_role("radio", name="production", checked=True).first).to_be_visible()
    page.go_back()
    expect(page.get_by_role("radio", name="staging", checked=True).first).to_be_visible()


def test_back_and_forward_at_once_show_what_each_address_says(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/dependency_health")
    page.get_by_role("radio", name="production").click()
    page.wait_for_url("**/dependency_health?env=production")
    page.go_back()
    page.wait_for_url("**/dependency_health")
    page.go_forward()
    page.wait_for_url("**/dependency_health?env=production")
    expect(page.get_by_role("radio", name="production", checked=True).first).to_be_visible()
    expect(page.get_by_text("production: nothing was measured yet.")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("staging: nothing was measured yet.")).to_be_visible()
    expect(page.get_by_role("radio", name="staging", checked=True).first).to_be_visible()


def test_one_pick_is_one_step_back(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/dependency_health?env=production&detail=redis")
    page.get_by_role("dialog").get_by_text("Raw results").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_url("**/dependency_health?env=production")
    page.get_by_role("radio", name="staging").click()
    page.wait_for_url("**/dependency_health?env=staging")
    page.go_back()
    page.wait_for_url("**/dependency_health?env=production")
    expect(page.get_by_text("production: nothing was measured yet.")).to_be_visible()


def test_picking_an_environment_by_keyboard_keeps_the_focus(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/dependency_health")
    page.get_by_role("radio", name="production").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("production: nothing was measured yet.")).to_be_visible()
    expect(page.get_by_role("radio", name="production")).to_be_focused()


def test_the_checklist_begins_with_production(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/strict_mode_checklist")
    expect(page.get_by_role("radio", name="production", checked=True).first).to_be_visible()


def test_a_decision_that_meets_a_refresh_at_a_busy_server_is_kept(scene: Scene, open_page: Open) -> None:
    """The server stands still while the page asks for its refreshes and somebody confirms: all of it comes at once."""
    page = open_page(f"{scene.url}/strict_mode_checklist?env=production&step=inputs-production")
    page.get_by_role("button", name="Confirm for").click()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Note").fill("minutes of 20 November")
    with standing_still(scene.url):
        page.wait_for_timeout(3500)  # a refresh is asked for every 3 s
        page.get_by_role("button", name="Confirm", exact=True).click()
        page.wait_for_timeout(3500)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Take it back")).to_be_visible()
    with scene.store.read() as connection:
        said = decisions.newest(connection, "production", "policy")
    assert said is not None
    assert said.note == "minutes of 20 November"


def test_a_dialog_that_was_left_does_not_come_back(scene: Scene, open_page: Open) -> None:
    page = open_page(f"{scene.url}/strict_mode_checklist?env=staging&step=soak-staging")
    page.get_by_role("link", name="Collect and confirm the four inputs").first.click()
    page.wait_for_url(re.compile("step=inputs-staging"))
    ask = page.get_by_role("button", name="Confirm for")
    dialog = page.get_by_role("dialog")
    ask.click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    ask.click()
    expect(dialog).to_be_visible()
    page.go_back()
    page.wait_for_url(re.compile("step=soak-staging"))
    expect(dialog).to_have_count(0)
    page.go_forward()
    expect(ask).to_be_visible()
    settled(page)
    expect(dialog).to_have_count(0)


@contextmanager
def standing_still(url: str) -> Iterator[None]:
    """The portal does nothing meanwhile; what is sent to it waits."""
    port = url.rpartition(":")[2]
    listed = subprocess.run(["ps", "axww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout
    pid = next(int(line.split()[0]) for line in listed.splitlines() if f"app.py --port {port}" in line)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_link_on_a_card_opens_that_environment(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(scene.url)
    page.get_by_role("link", name="Dependency health of production").click()
    until(page, "production is ready")
    page.wait_for_url(re.compile("env=production"))


def test_raw_evidence_and_history_are_one_click_away_and_have_an_address(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(f"{scene.url}/dependency_health?env=production")
    redis = page.locator(".tile").filter(has=page.get_by_text("Redis PING"))
    redis.get_by_role("link", name="History and raw evidence").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Raw results").wait_for()
    dialog.locator(".js-plotly-plot").first.wait_for()
    page.wait_for_url(re.compile("detail=redis"))
    again = open_page(page.url)
    again.get_by_role("dialog").get_by_text("Raw results").wait_for()
    again.keyboard.press("Escape")
    again.wait_for_function("!location.search.includes('detail')")


def test_what_is_seen_can_be_downloaded(scene: Scene, open_page: Open, tmp_path: Path) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(f"{scene.url}/dependency_health?env=staging")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON").click()
    waiting.value.save_as(tmp_path / "x.json")
    body = json.loads((tmp_path / "x.json").read_text())
    assert (body["name"], body["simulated"]) == ("staging", True)
    assert {p["probe"] for p in body["probes"]} == set(WELL)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    waiting.value.save_as(tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().startswith("environment,simulated")


def test_probe_now_says_that_it_waits(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(f"{scene.url}/dependency_health?env=production")
    page.get_by_role("button", name="Probe now").click()
    until(page, "Waiting for the worker")


@pytest.mark.parametrize("path", ["/", "/dependency_health?env=production"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(scene: Scene, open_page: Open, path: str, theme: str) -> None:
    scene.beat()
    scene.all_well()
    scene.see("redis.write", "redis.out_of_memory", times=3)
    page = open_page(scene.url + path, width=390, theme=theme)
    until(page, "Redis refuses writes")
    page.wait_for_timeout(800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = page.evaluate(
        "[...document.querySelectorAll('[data-testid=stMain] .gl *')].filter(e => !e.closest('.scroll') && "
        "e.getBoundingClientRect().right > 391).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []


def test_symbols_and_ribbons_are_really_drawn(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(scene.url)
    until(page, "Last 24 hours")
    first = page.locator(".ribbon a").first
    assert "–" in (first.get_attribute("title") or "")
    box = first.bounding_box()
    assert box is not None
    assert box["width"] > 100
    masks = page.evaluate("[...document.querySelectorAll('.gl .i')].map(e => getComputedStyle(e).maskImage)")
    assert len(masks) > 5
    assert all(mask.startswith("url(") for mask in masks)


def test_hostile_text_from_a_target_runs_nothing(scene: Scene, open_page: Open) -> None:
    scene.beat()
    scene.all_well()
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\n\n# heading'
    reading = Reading(code="redis.error", detail={"error": evil}, words={"error": evil, "command": evil})
    item = Observation(environment="production", simulated=False, probe="redis.ping", interval_s=30,
                       at_ms=clock.now_ms(), lag_ms=0, reading=reading)  # fmt: skip
    ledger.record(scene.store, [item] * 3, ledger.Memory())
    page = open_page(f"{scene.url}/dependency_health?env=production&detail=redis")
    page.get_by_role("dialog").get_by_text("Raw results").wait_for()
    page.wait_for_timeout(1000)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


def test_nothing_is_fetched_from_elsewhere(scene: Scene, open_page: Open, browser: object) -> None:
    scene.beat()
    scene.all_well()
    page = open_page(scene.url)
    loaded = page.evaluate("performance.getEntriesByType('resource').map(e => new URL(e.name).host)")
    assert set(loaded) == {scene.url.removeprefix("http://")}


def test_a_deep_link_finds_its_server_at_once(scene: Scene, open_page: Open) -> None:
    page = open_page(scene.url)
    answers: list[tuple[int, str]] = []
    page.on("response", lambda answer: answers.append((answer.status, answer.url.removeprefix(scene.url))))
    page.goto(f"{scene.url}/dependency_health?env=production")
    page.wait_for_selector(".gl .answer")
    assert (200, "/_stcore/health") in answers
    assert [answer for answer in answers if answer[0] >= 400] == []
    for name in ("Html", "ButtonGroup", "Button", "WidgetLabel"):  # asked for ahead, and once
        assert sum(f"/static/js/{name}." in url for _, url in answers) == 1


def test_a_ribbon_s_cell_leads_to_what_was_seen_then(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.see("redis.ping", "redis.refused", times=3)
    scene.beat()
    page = open_page(f"{scene.url}/?env=production")
    page.locator(".ribbon a").last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("What was seen")).to_be_visible()
    expect(dialog.get_by_role("row").filter(has_text="Redis").filter(has_text="down").first).to_be_visible()
    with page.expect_download() as waiting:
        dialog.get_by_role("button", name="CSV", exact=True).click()
    assert "redis.ping" in Path(waiting.value.path()).read_text()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_url("**/dependency_health?env=production")


@pytest.mark.parametrize("at", ["1-2-3", "x-y", "9-1", "0-99999999999999999999", "-", "²-³"])
def test_a_time_that_is_none_opens_no_dialog(scene: Scene, open_page: Open, at: str) -> None:
    scene.all_well()
    page = open_page(f"{scene.url}/dependency_health?env=production&at={at}")
    settled(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)


def test_the_headline_leads_to_the_evidence_of_the_last_hour(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(scene.url)
    page.locator(".answer a").first.click()
    page.wait_for_url("**/dependency_health?env=production&at=*")
    expect(page.get_by_role("dialog").get_by_text("What was seen")).to_be_visible()
