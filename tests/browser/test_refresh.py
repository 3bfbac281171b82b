"""A refresh changes only what is different: the keyboard's focus and a selection stay while numbers change."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import Open, Scene, running, scene
from tests.patience import wait_until

pytestmark = pytest.mark.browser
__all__ = ["running", "scene"]


def refreshed(page: Page, scene: Scene) -> None:
    """Come back when the page shows a new measurement."""
    scene.see("redis.ping", "redis.slow")
    expect(page.locator(".tile").get_by_text("slow").first).to_be_visible()


def test_the_focus_and_a_selection_stay(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(f"{scene.url}/?env=production")
    link = page.get_by_role("link", name="Dependency health of production")
    link.focus()
    page.evaluate(
        "() => { const node = [...document.querySelectorAll('.gl .tile .h2')].pop(); window.node = node;"
        " getSelection().selectAllChildren(node) }"
    )
    refreshed(page, scene)
    expect(link).to_be_focused()
    assert page.evaluate("window.node.isConnected"), "the same element, not one like it"
    assert page.evaluate("getSelection().toString()") == "production"


def test_what_a_refresh_shows_is_what_a_fresh_page_shows(scene: Scene, open_page: Open) -> None:
    scene.all_well()
    scene.beat()
    page = open_page(f"{scene.url}/dependency_health?env=production")
    scene.see("readiness", "readiness.not_ready", times=3)
    expect(page.get_by_text("not ready").first).to_be_visible()
    refreshed(page, scene)
    shape = "[...document.querySelectorAll('.gl *')].map(e => e.nodeName + '.' + e.className)"
    fresh = open_page(f"{scene.url}/dependency_health?env=production")
    wait_until(lambda: page.evaluate(shape) == fresh.evaluate(shape))
