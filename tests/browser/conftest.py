"""A real headless Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@pytest.fixture(scope="session")
def browser(browser_path: str | None) -> Iterator[Browser]:
    """The browser for the whole run. Without one the tests fail: a run that skips them would prove nothing."""
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser_path, args=[*FLAGS, *sandbox])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page as its user would: `width`, `theme`."""
    contexts = []

    def open_(url: str, *, width: int = 1440, theme: Any = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, timezone_id="Europe/Berlin"
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector(".gl .answer", timeout=20_000)
        return page

    yield open_
    for context in contexts:
        context.close()
