"""The demo's drill, by its button: it fails while draining is 3 s, and passes at 90 s. A long tier: two drills in a row."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_checklist import Demo

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(600)]
DRAINING = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path, soak_hours=1)
    running.wait()
    yield running
    running.stop()


def drill(page: Page) -> None:
    page.get_by_role("button", name="Start the drill").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("the command of [environments.drill] deploys it")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_role("button", name="Start the drill").click()
    expect(page.get_by_text("steps have ended")).to_be_visible()
    expect(page.get_by_role("button", name="Start the drill")).to_be_disabled()


def test_it_fails_with_three_seconds_and_passes_with_ninety(demo: Demo, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{demo.url}/deployments?env=staging")
    expect(page.get_by_text("No drill has been counted here yet")).to_be_visible()
    drill(page)
    expect(page.get_by_text("The deploy cut work: step 2 began more than once.")).to_be_visible()
    expect(page.get_by_text("the old worker was killed after 3 s of draining")).to_be_visible()
    expect(page.get_by_text("simulated").first).to_be_visible()
    file = demo.env_file("staging")
    file.write_text(file.read_text().replace(f"{DRAINING}=3\n", f"{DRAINING}=90\n"))
    expect(page.get_by_text("stale: draining changed since")).to_be_visible()
    drill(page)
    expect(page.get_by_text("The deploy interrupted nothing")).to_be_visible()
    expect(page.get_by_text("the old worker finished and left")).to_be_visible()
    assert page.get_by_text("stale").count() == 0
