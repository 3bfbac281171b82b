"""After signing in one is where one wanted to be; and nowhere else, whatever was put into cookie or header."""

from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.conftest import Served
from ui.login_redirect import CALLBACK, COOKIE, LOGIN, LoginRedirect

PLACE = "/strict_mode_checklist?env=prod&step=go-prod"


@pytest.fixture
def client(serve: Callable[..., Served]) -> Iterator[httpx.Client]:
    def login(_request: Request) -> Response:
        return RedirectResponse("https://login.example.org/authorize", status_code=302)

    def callback(request: Request) -> Response:
        return RedirectResponse(request.query_params.get("to", "/"), status_code=302)

    app = Starlette(routes=[Route(LOGIN, login), Route(CALLBACK, callback)])
    with httpx.Client(base_url=serve(LoginRedirect(app)).url, headers={"host": "portal"}) as made:
        yield made


@pytest.fixture
def below(serve: Callable[..., Served]) -> Iterator[httpx.Client]:
    """A portal below /portal, whose session cookie is set for the whole host, as Starlette does."""

    def login(_request: Request) -> Response:
        answer = RedirectResponse("https://login.example.org/authorize", status_code=302)
        answer.set_cookie("_streamlit_session", "a.b-c=", path="/", httponly=True, samesite="lax")
        answer.delete_cookie("_streamlit_user", path="/")
        return answer

    def callback(_request: Request) -> Response:
        return RedirectResponse("/portal/", status_code=302)

    app = Starlette(routes=[Route(f"/portal{LOGIN}", login), Route(f"/portal{CALLBACK}", callback)])
    with httpx.Client(base_url=serve(LoginRedirect(app, base="/portal")).url, headers={"host": "portal"}) as made:
        yield made


def test_below_a_path_no_cookie_reaches_other_programs_on_the_host(below: httpx.Client) -> None:
    set_ = below.get(f"/portal{LOGIN}", headers={"referer": "http://portal/portal/x?env=prod"}).headers.get_list(
        "set-cookie"
    )
    by_name = {line.partition("=")[0]: line for line in set_}
    assert "Path=/portal;" in f"{by_name['_streamlit_session']};"
    assert "_streamlit_session=a.b-c=;" in by_name["_streamlit_session"].replace('"', "")
    assert "HttpOnly" in by_name["_streamlit_session"]
    assert "Path=/portal;" in f"{by_name[COOKIE]};"
    assert "Path=/;" in f"{by_name['_streamlit_user']};", "an older cookie for the whole host is deleted where it is"
    assert below.get(f"/portal{CALLBACK}").headers["location"] == "/portal/x?env=prod"


@pytest.mark.parametrize(
    "place", ["/other/application", "/", "/portalx", "/portal/../other", "/portal/%2e%2e/other", "/portal/..\\other"]
)
def test_below_a_path_the_way_back_leads_to_no_other_program_on_the_host(below: httpx.Client, place: str) -> None:
    answer = below.get(f"/portal{LOGIN}", headers={"referer": f"http://portal{place}"})
    assert COOKIE not in str(answer.headers)
    below.cookies.set(COOKIE, quote(place, safe=""), path="/portal")
    assert below.get(f"/portal{CALLBACK}").headers["location"] == "/portal/"


def test_a_link_to_a_step_opens_that_step_after_signing_in_and_only_once(client: httpx.Client) -> None:
    out = client.get(LOGIN, headers={"referer": f"http://portal{PLACE}"})
    assert out.headers["location"].startswith("https://login.example.org")
    assert "HttpOnly" in out.headers["set-cookie"]
    assert client.get(CALLBACK).headers["location"] == PLACE
    assert client.get(CALLBACK).headers["location"] == "/"


@pytest.mark.parametrize(
    "referer",
    [
        "http://elsewhere/x",
        "http://portal//elsewhere/x",
        "",
        "http://[",
        "http://portal/\\elsewhere",
        f"http://portal/{'x' * 2000}",
    ],
)
def test_only_a_page_of_this_portal_is_noted(client: httpx.Client, referer: str) -> None:
    assert "set-cookie" not in client.get(LOGIN, headers={"referer": referer}).headers


@pytest.mark.parametrize(
    "place", ["//elsewhere", "https://elsewhere", "/\\elsewhere", "/x\r\nSet-Cookie: a=b", "", "x"]
)
def test_a_cookie_that_leads_elsewhere_leads_to_the_start(client: httpx.Client, place: str) -> None:
    client.cookies.set(COOKIE, quote(place, safe=""), path=CALLBACK)
    answer = client.get(CALLBACK)
    assert answer.headers["location"] == "/"
    assert "a=b" not in str(answer.headers)


def test_other_ends_of_a_sign_in_are_left_alone(client: httpx.Client) -> None:
    client.get(LOGIN, headers={"referer": f"http://portal{PLACE}"})
    assert client.get(CALLBACK, params={"to": "/elsewhere"}).headers["location"] == "/elsewhere"
