"""Label answers and put a flaky case aside in a real browser: by keyboard alone, by name, on a phone."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.replay import calibration, runs
from services.store import Store, labels
from services.store import quarantine as rows
from services.store.migrate import migrate
from tests import portal
from tests.browser.test_accessibility import faults
from tests.conftest import settled
from tests.services.replay.test_runs import Scripted, begin, make_set, runner

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
PICTURES = os.environ.get("GREENLIGHT_TEST_PICTURES")  # a folder: what the pages look like is kept there


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("judging"))


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[str]:
    path = make_set(folder)
    config = str(folder / "greenlight.toml")
    Path(config).write_text(
        '[replay]\ngolden = "set.json"\nagents = [{ name = "scripted", url = "http://127.0.0.1:9/agent" }]\n'
        '[[environments]]\nname="production"\nbase_url="http://127.0.0.1:9"\n'
    )
    store = Store.open(f"sqlite:///{folder / 'greenlight.db'}")
    migrate(store)
    for wrong, pair in ((("c1", "c2"), ""), (("c2",), ""), (("c1",), "p"), ((), "p")):
        begun = begin(store, path, pair=pair)
        asyncio.run(runner(store, begun, Scripted(wrong=wrong)).work())
        runs.conclude(store, begun.run)
    store.close()
    with portal.running(folder, GREENLIGHT_CONFIG=config) as url:
        yield url


def stored(folder: Path) -> Store:
    return Store.open(f"sqlite:///{folder / 'greenlight.db'}")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        settled(page)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


def begin_labelling(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_url("**batch=*")
    page.get_by_role("button", name="Pass").wait_for()


def test_twenty_answers_are_labelled_by_keyboard_alone_and_undone(place: str, folder: Path, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness?view=labels")
    begin_labelling(page, "Ada")
    picture(page, "label")
    progress = page.get_by_test_id("stProgress")
    expect(progress).to_contain_text("0 of 20, about 10 minutes left")
    for number in range(20):
        wrong = page.get_by_text("wrong", exact=True).count() > 0
        page.keyboard.press("f" if wrong else "p")
        if number < 19:
            expect(progress).to_contain_text(f"{number + 1} of 20")
            settled_question(page)
        if number == 3:
            page.keyboard.press("z")
            expect(progress).to_contain_text("3 of 20")
            settled_question(page)
            page.keyboard.press("u")
            expect(progress).to_contain_text("4 of 20")
            settled_question(page)
    expect(page.get_by_text("Done: 20 of 20.")).to_be_visible()
    picture(page, "labelled")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Labels as a calibration file").click()
    found = calibration.read(Path(waiting.value.path()))
    assert len(found) == 19, "one was can't tell"
    store = stored(folder)
    with store.read() as connection:
        assert labels.people(connection) == {"Ada (unverified)": 20}
    store.close()


def settled_question(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def test_the_queue_shows_no_agent_run_or_verdict(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness?view=labels")
    begin_labelling(page, "Bo")
    text = page.locator("[data-testid=stMain]").inner_text()
    assert not re.search(r"scripted|\d{8}-\d{6}|passed|failed|blocked", text.split("What the labels say")[0])
    assert faults(page) == []


def test_a_flaky_case_is_put_aside_by_name_and_lifted_again(place: str, folder: Path, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness?view=cases")
    expect(page.locator(".answer").first).to_contain_text("1 of 20 cases flip, 18 never failed in 90 days")
    picture(page, "cases")
    assert faults(page) == []
    page.get_by_role("button", name="Put a case into quarantine").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Owner: who fixes it").fill("Eva")
    dialog.get_by_label("Reason: why it is flaky").fill("The CRM answers late.")
    dialog.get_by_label("Your name").fill("Ada")
    picture(page, "quarantine-dialog")
    dialog.get_by_role("button", name="Put into quarantine").click()
    expect(page.get_by_text(re.compile("c1 is in quarantine until .*; owner Eva"))).to_be_visible()
    expect(page.locator("table").first).to_contain_text("The CRM answers late.")
    picture(page, "quarantine")
    store = stored(folder)
    with store.read() as connection:
        (entry,) = rows.open_ones(connection)
    assert (entry.case_id, entry.owner, entry.put_by) == ("c1", "Eva", "Ada (unverified)")
    begun = begin(store, folder / "set.json")
    with ThreadPoolExecutor(1) as pool:  # this thread's loop is the browser's
        pool.submit(asyncio.run, runner(store, begun, Scripted(wrong=("c1",))).work()).result()
    assert runs.conclude(store, begun.run)[1].verdict == "PASS"
    store.close()
    shown = open_page(f"{place}/replay_harness?run={begun.run.id}&show=all")
    expect(shown.locator(".answer").first).to_contain_text("scripted: passed, without 1 case in quarantine.")
    expect(shown.locator(".answer").first).to_contain_text("In quarantine until")
    expect(shown.locator(".answer").first).to_contain_text("c1, which failed (owner Eva: The CRM answers late)")
    expect(shown.get_by_text("in quarantine", exact=True)).to_be_visible()
    picture(shown, "run-with-quarantine")
    page.get_by_role("button", name="Lift a quarantine").focus()  # and the rest by keyboard alone
    page.keyboard.press("Enter")
    dialog.get_by_label("Your name").wait_for()
    while page.evaluate("document.activeElement.getAttribute('aria-label')") != "Your name":
        page.keyboard.press("Tab")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The quarantine was lifted")).to_be_visible()


def test_the_pair_stands_beside_what_is_stated(place: str, open_page: Open) -> None:
    page = open_page(f"{place}/replay_harness?view=cases")
    expect(page.get_by_text("1 of 20 cases flipped: 5 %")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Cases as CSV").click()
    assert "c1,flips" in Path(waiting.value.path()).read_text()


@pytest.mark.parametrize("view", ["labels", "cases"])
def test_on_a_phone_nothing_is_wider_than_the_screen(place: str, open_page: Open, view: str) -> None:
    page = open_page(f"{place}/replay_harness?view={view}", width=390)
    if view == "labels":
        begin_labelling(page, "Cy")
    settled(page)
    picture(page, f"phone-{view}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
