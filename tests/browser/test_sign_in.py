"""Sign-in against a real OpenID provider process: nothing before it, and afterwards what the role allows, no more."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from services.store import Store, evidence
from services.store.migrate import migrate
from tests import portal
from tests.conftest import ROOT, free_port

pytestmark = pytest.mark.browser
PROVIDER = """
import sys, time, warnings
warnings.simplefilter("ignore")
from oidc_provider_mock import User, run_server_in_thread
people = [User(sub="vi", claims={"name": "Vi Viewer"}), User(sub="op", claims={"name": "Ola Operator"}),
          User(sub="en", claims={"name": "Eva Engineer"})]
with run_server_in_thread(port=int(sys.argv[1]), user_claims=people):
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROVIDER, str(port)], stderr=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    give_up = time.monotonic() + 20
    while True:
        assert time.monotonic() < give_up
        try:
            httpx.get(f"{url}/.well-known/openid-configuration", timeout=2).raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    yield url
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def place(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    data, port = Path(tmp_path_factory.mktemp("signin")), free_port()
    (data / "greenlight.toml").write_text(
        f'[access]\npeople = [{{ issuer = "{provider}", subject = "op", role = "operator" }},'
        f' {{ issuer = "{provider}", subject = "en", role = "engineer" }}]\n'
        '[[environments]]\nname = "prod"\nrole = "production"\nbase_url = "http://127.0.0.1:9"\n'
    )
    (data / ".streamlit").mkdir()
    (data / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{"c" * 40}"\n'
        f'client_id = "greenlight"\nclient_secret = "planted"\nserver_metadata_url = "{provider}/.well-known/openid-configuration"\n'
    )
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    variables = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "HOME": str(data)}  # Streamlit looks there too
    with portal.running(data, port=port, cwd=ROOT, **variables) as url:
        yield url, store


def signed_in(page: Page, url: str, subject: str) -> None:
    page.goto(f"{url}/strict_mode_checklist?env=prod&step=inputs-prod")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/oauth2/authorize**", timeout=20_000)
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{url}/**", timeout=20_000)
    page.goto(f"{url}/strict_mode_checklist?env=prod&step=inputs-prod")
    page.locator(".gl .step").first.wait_for(timeout=20_000)


def test_nothing_is_shown_before_somebody_signed_in(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    page = open_page(f"{place[0]}/strict_mode_checklist?env=prod")
    expect(page.locator(".answer")).to_contain_text("Sign in to see this portal")
    assert page.locator(".gl .step").count() == 0


def test_a_viewer_looks_and_decides_nothing(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    url, store = place
    page = open_page(f"{url}/")
    signed_in(page, url, "vi")
    page.get_by_role("button", name="Confirm the decision").click()
    page.get_by_label("Note").fill("yes")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_text("Your role is viewer; this needs operator")).to_be_visible(timeout=15_000)
    with store.read() as connection:
        assert evidence.history(connection, "prod", check="confirm.policy") == ()


def test_an_operator_s_word_is_kept_as_verified(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    url, store = place
    page = open_page(f"{url}/")
    signed_in(page, url, "op")
    page.get_by_role("button", name="Confirm the decision").click()
    assert page.get_by_label("Your name").count() == 0, "who signed in needn't say so"
    page.get_by_label("Note").fill("minutes of 20 November")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_text("Ola Operator").first).to_be_visible(timeout=15_000)
    with store.read() as connection:
        ((_, _, record),) = evidence.history(connection, "prod", check="confirm.policy")
    assert (record.detail["by"], record.detail["verified"], record.detail["role"]) == ("Ola Operator", True, "operator")
    assert record.detail["key"].endswith("#op")
