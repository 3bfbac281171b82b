"""Pages as people need them: by keyboard alone, at twice the size, on paper, light or dark; dialogs too."""

import io
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.browser.test_accessibility import PAGES, faults
from tests.browser.test_pages import Open, Scene, running, scene, settled
from tests.patience import wait_until

pytestmark = pytest.mark.browser
__all__ = ["running", "scene"]
STEP = "/strict_mode_checklist?env=production&step=inputs-production"
FOCUSED = "document.activeElement?.closest('button')?.innerText.trim() ?? ''"


def tab_to(page: Page, there: Callable[[], bool]) -> None:
    """Press Tab until that has the focus."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if there():
            return
    raise AssertionError(f"Tab never leads there; it ends on {page.evaluate(FOCUSED)!r}")


def test_a_step_is_confirmed_by_keyboard_alone(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(scene.url + STEP)
    settled(page)
    tab_to(page, lambda: "Confirm for production" in page.evaluate(FOCUSED))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for field, words in (("Your name", "Ada"), ("Note", "minutes of 20 November")):
        box = page.get_by_label(field)
        tab_to(page, lambda box=box: box.evaluate("e => e === document.activeElement"))  # type: ignore[misc]
        page.keyboard.type(words)
    tab_to(page, lambda: page.evaluate(FOCUSED) == "Confirm")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Take it back")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_at_twice_the_size_nothing_is_cut_off(scene: Scene, open_page: Open, path: str) -> None:
    """200 % on a screen 1440 wide is 720 wide to the page."""
    scene.all_well()
    scene.see("readiness", "readiness.not_ready", times=3)
    scene.beat()
    page = open_page(scene.url + path, width=720, ready=".gl .title")
    settled(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"


def test_a_printed_overview_is_dated_and_whole(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(scene.url)
    settled(page)
    paper = PdfReader(io.BytesIO(page.pdf(format="A4")))
    words = "\n".join(sheet.extract_text() for sheet in paper.pages)
    for part in ("Overview", "staging", "production", "Recent changes", "CET", "202"):
        assert part in words, part
    assert "Times in UTC" not in words, "the side bar is for the screen"


def test_the_theme_is_chosen_in_the_side_bar_for_every_page(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    page = open_page(scene.url)
    dark = "getComputedStyle(document.querySelector('.stApp')).colorScheme"
    assert page.evaluate(dark) != "dark"
    with page.expect_navigation():
        page.get_by_role("group", name="Theme").get_by_role("button", name="Dark").click()
    expect(page.get_by_role("button", name="Dark", pressed=True)).to_be_visible()
    page.goto(f"{scene.url}/slo_trends")
    wait_until(lambda: page.evaluate(dark) == "dark")
    with page.expect_navigation():
        page.get_by_role("button", name="System", exact=True).click()
    wait_until(lambda: page.evaluate(dark) != "dark")


def detail(page: Page, url: str) -> None:
    page.goto(f"{url}/dependency_health?env=production&detail=redis")
    page.get_by_role("dialog").get_by_text("Raw results").wait_for()


def moment(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(".ribbon a").last.click()
    page.get_by_role("dialog").get_by_text("What was seen").wait_for()


def confirming(page: Page, url: str) -> None:
    page.goto(f"{url}/strict_mode_checklist?env=staging&step=inputs-staging")  # a test confirms production's
    page.get_by_role("button", name="Confirm for").click()
    page.get_by_label("Your name").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("open_it", [detail, moment, confirming])
def test_no_serious_fault_in_a_dialog(
    scene: Scene, open_page: Open, open_it: Callable[[Page, str], None], theme: str
) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(scene.url, theme=theme)
    open_it(page, scene.url)
    assert faults(page) == []
