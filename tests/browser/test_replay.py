"""Replay harness in a real browser, with a real worker: start, watch, read the verdict, take it away."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.store import Store
from services.store.migrate import migrate
from tests import portal
from tests.conftest import ROOT, free_port, settled

pytestmark = pytest.mark.browser
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = Path(tmp_path_factory.mktemp("replay"))
    (data / "greenlight.toml").write_text('[[environments]]\nname="production"\nbase_url="http://127.0.0.1:9"\n')
    config = str(data / "greenlight.toml")
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    store.close()
    words = portal.variables(data, GREENLIGHT_CONFIG=config, GREENLIGHT_WORKER_PORT=str(free_port()))
    with (data / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker"], cwd=ROOT, env=words, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with portal.running(data, GREENLIGHT_CONFIG=config) as url:
            yield url
    finally:
        worker.terminate()
        worker.wait()


def test_from_the_button_to_a_verdict_that_can_be_forwarded(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness")
    page.get_by_role("button", name="Start replay").click()
    page.wait_for_url("**run=*")
    expect(page.locator(".answer")).to_contain_text("50 of 50 cases passed")
    address = page.url
    other = open_page(address)  # anyone who opens the address sees the same
    expect(other.locator(".answer")).to_contain_text("50 of 50 cases passed")
    with other.expect_download() as waiting:
        other.get_by_role("button", name="HTML").click()
    report = Path(waiting.value.path()).read_text()
    assert "<script" not in report
    other.set_content(report)
    expect(other.locator("body")).to_contain_text("50 of 50")


def test_a_run_is_compared_with_the_one_that_is_picked(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness")
    runs = []
    for _ in range(2):
        page.goto(f"{place}/replay_harness")
        page.get_by_role("button", name="Start replay").click()
        page.wait_for_url("**run=*")
        expect(page.locator(".answer")).to_contain_text("50 of 50 cases passed")
        runs.append(page.url.rpartition("run=")[2])
    settled(page)
    chooser = page.get_by_role("combobox", name="Compare with")
    chooser.press_sequentially(runs[0][-8:])
    page.get_by_role("option", name=runs[0]).click()
    page.wait_for_url(f"**against={runs[0]}*")
    expect(page.get_by_text(f"Compared with {runs[0]}").first).to_be_visible()


def test_on_a_phone_nothing_is_wider_than_the_screen(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness", width=390)
    page.locator(".answer").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
