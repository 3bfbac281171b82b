"""Adding an environment, from the first start to its first measurement on Overview, with a real worker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import portal
from tests.conftest import free_port
from tests.patience import wait_until
from tests.worker.conftest import RealWorker

pytestmark = pytest.mark.browser


def test_from_the_form_to_the_first_probe(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    settings = tmp_path / "greenlight.toml"
    settings.write_text('# ours\n[[environments]]\nname = "first"\nbase_url = "http://127.0.0.1:9"\n')
    worker = RealWorker(tmp_path, free_port(), {"GREENLIGHT_CONFIG": str(settings)})
    try:
        worker.wait()
        with portal.running(tmp_path, GREENLIGHT_CONFIG=str(settings)) as url:
            page = open_page(f"{url}/environments", ready=".gl .title")
            page.get_by_label("Name", exact=True).fill("mine")
            page.get_by_label("Address of the application", exact=True).fill(worker.url)
            page.get_by_role("button", name="Preview").click()
            expect(page.get_by_text('+name = "mine"')).to_be_visible()
            page.get_by_role("button", name="Test it").click()
            expect(page.get_by_text("did not fail")).to_be_visible()
            expect(page.get_by_text("The application answers that it is ready").or_(page.get_by_text("Readiness")).first
                   ).to_be_visible()  # fmt: skip
            page.get_by_role("button", name="Add mine").click()
            expect(page.get_by_text("mine was added to greenlight.toml")).to_be_visible()
            assert settings.read_text().startswith("# ours\n"), "comments stay"
            page.goto(f"{url}/?env=mine")
            expect(page.get_by_text("role staging")).to_be_visible()
            wait_until(lambda: "measured" in page.locator("body").inner_text())
            expect(page.get_by_text("Readiness").first).to_be_visible()
            expect(page.locator(".tile").get_by_text("ok").first).to_be_visible()
    finally:
        worker.process.kill()
        worker.process.wait()
