"""Sign-in by OpenID below a path, behind a real nginx: to the provider, back to the page that was asked for, and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.store import Store
from services.store.migrate import migrate
from tests import portal
from tests.browser.test_sign_in import signed_in
from tests.conftest import ROOT, free_port
from tests.nginx import nginx

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the portal through nginx."""
    data = Path(tmp_path_factory.mktemp("below"))
    port, behind = free_port(), free_port()
    config = data / "greenlight.toml"
    config.write_text(
        f'[portal]\nbase_path = "/portal"\n[access]\npeople = [{{ issuer = "{provider}", subject = "op", role = "operator" }}]\n'
        '[[environments]]\nname = "prod"\nrole = "production"\nbase_url = "http://127.0.0.1:9"\n'
    )
    (data / ".streamlit").mkdir()
    (data / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/portal/oauth2callback"\ncookie_secret = "{"c" * 40}"\n'
        f'client_id = "greenlight"\nclient_secret = "planted"\nserver_metadata_url = "{provider}/.well-known/openid-configuration"\n'
    )
    migrate(Store.open(f"sqlite:///{data / 'greenlight.db'}"))
    variables = {"GREENLIGHT_CONFIG": str(config), "HOME": str(data)}
    running = portal.running(data, port=behind, cwd=ROOT, **variables)
    with running, nginx(data, port=port, portal=behind) as url:
        yield url


def test_a_deep_link_is_reached_after_signing_in_and_the_way_out_works(
    site: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{site}/strict_mode_checklist?env=prod")
    expect(page.locator(".answer")).to_contain_text("Sign in to see this portal")
    signed_in(page, site, "op")  # ends at the deep link, below the path
    expect(page.get_by_text("Signed in: Ola Operator, operator")).to_be_visible()
    page.goto(f"{site}/dependency_health")
    expect(page.get_by_text("Signed in: Ola Operator, operator")).to_be_visible()
    cookies = {cookie["name"]: cookie["path"] for cookie in page.context.cookies(site)}
    del cookies["_streamlit_xsrf"]  # proves nothing about a person
    assert set(cookies.values()) == {"/portal"}, f"another program on the host is given {cookies}"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/oauth2/end_session**")
    page.goto(site)
    expect(page.locator(".answer")).to_contain_text("Sign in to see this portal")
