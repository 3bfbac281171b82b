"""Env diff in a real browser: rows open by keyboard, uploads stay here, and a file is written only after a preview."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from services.store import Store
from services.store.migrate import migrate
from tests import portal
from tests.conftest import settled
from tests.patience import wait_until
from tests.services.envs.test_rules import GOOD

pytestmark = pytest.mark.browser
Open = Callable[..., Page]
GOOD_TEXT = "".join(f"{key}={value}\n" for key, value in GOOD.items())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("env")
    for name in ("staging", "production"):
        (folder / f"{name}.env").write_text(GOOD_TEXT.replace("production", name))
        (folder / f"{name}.env").chmod(0o600)
    (folder / "greenlight.toml").write_text(
        "".join(
            f'[[environments]]\nname="{n}"\nrole="{n}"\nbase_url="http://127.0.0.1:9"\nenv_file="{n}.env"\n'
            for n in ("staging", "production")
        )
    )
    store = Store.open(f"sqlite:///{folder / 'data' / 'greenlight.db'}")
    migrate(store)
    store.close()
    with portal.running(folder / "data", GREENLIGHT_CONFIG=str(folder / "greenlight.toml")) as url:
        yield url, folder


def test_a_row_opens_by_keyboard_and_says_what_to_do(place: tuple[str, Path], open_page: Open) -> None:
    page = open_page(f"{place[0]}/env_diff")
    row = page.locator("summary", has_text="REDIS_URL").first
    row.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Give each environment its own.").nth(1)).to_be_visible()


def test_on_a_phone_nothing_is_wider_than_the_screen(place: tuple[str, Path], open_page: Open) -> None:
    for view in ("", "?view=validate&env=production", "?view=write&env=production"):
        page = open_page(f"{place[0]}/env_diff{view}", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_upload_is_compared_and_named(place: tuple[str, Path], open_page: Open) -> None:
    page = open_page(f"{place[0]}/env_diff")
    page.get_by_text("Add a file or pasted text").click()
    page.locator("input[type=file]").set_input_files(
        {"name": "railway.json", "mimeType": "application/json", "buffer": b'{"REDIS_URL": "rediss://h.io"}'}
    )
    expect(page.locator(".answer")).to_contain_text("staging and production and railway")


def test_a_downloaded_csv_holds_states_and_no_values(place: tuple[str, Path], open_page: Open) -> None:
    page = open_page(f"{place[0]}/env_diff")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    text = Path(waiting.value.path()).read_text()
    assert "same_but_must_differ" in text
    assert "redis.acme.io" not in text


def offered(chooser: Locator) -> bool:
    """Whether the list has shrunk to the one: a press on a moving one is lost. It closes where the page moves below
    it, as it does while it is drawn; anyone who types opens it again."""
    count = chooser.page.get_by_role("option").count()
    if not count:
        chooser.press("ArrowDown")
    return count == 1


def test_from_form_to_file_and_back(place: tuple[str, Path], open_page: Open) -> None:
    url, folder = place
    path = folder / "production.env"
    before = path.read_bytes()
    page = open_page(f"{url}/env_diff?view=write&env=production")
    chooser = page.get_by_role("combobox", name="Overwrite existing values for")
    settled(page)
    chooser.press_sequentially("DASHB")
    wait_until(partial(offered, chooser))
    page.get_by_role("option", name="DASHBOARD_AUTH_TOKEN").click()
    expect(page.get_by_test_id("stMultiSelect").get_by_text("DASHBOARD_AUTH_TOKEN").first).to_be_visible()
    chooser.press("Tab")
    token = page.get_by_role("textbox", name="DASHBOARD_AUTH_TOKEN")
    token.fill("a-new-token-of-its-own")
    expect(token).to_have_value("a-new-token-of-its-own")
    page.get_by_role("button", name="Preview").click()
    page.wait_for_selector("text=1 key would change")
    assert path.read_bytes() == before
    page.get_by_role("button", name="Write the file").click()
    page.wait_for_selector("text=production.env was written")
    assert path.read_bytes() == before.replace(b"a-long-random-token", b"a-new-token-of-its-own")
    page.get_by_role("button", name="Undo the last write").click()
    page.wait_for_selector("text=is as it was before")
    assert path.read_bytes() == before
