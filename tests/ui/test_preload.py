"""A page's HTML says where its server is; what is no page of ours, or no HTML, is left byte for byte."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.conftest import Served
from ui.preload import Preload

HTML = "<!DOCTYPE html><html><head><title>Streamlit</title></head><body>é</body></html>"


@pytest.fixture
def client(serve: Callable[..., Served]) -> Iterator[httpx.Client]:
    def page(request: Request) -> Response:
        kind, status = request.query_params.get("type", "text/html"), int(request.query_params.get("status", 200))
        return Response(HTML * int(request.query_params.get("times", 1)), status, media_type=kind)

    app = Starlette(routes=[Route("/{path:path}", page)], middleware=[Middleware(GZipMiddleware, minimum_size=1)])
    wrapped = Preload(app, pages=frozenset({"/", "/slo_trends"}))
    with httpx.Client(base_url=serve(wrapped).url) as made:
        yield made


def test_a_page_is_told_where_its_server_is_if_it_stands_where_the_server_thinks(client: httpx.Client) -> None:
    answer = client.get("/slo_trends", headers={"accept-encoding": "gzip", "range": "bytes=0-5"})
    assert (
        'if(location.pathname==="/slo_trends")window.__streamlit={BACKEND_BASE_URL:location.origin+"/"}' in answer.text
    )
    assert "<title>Greenlight</title>" in answer.text
    assert 'rel="modulepreload" href="./static/js/Html.' in answer.text
    assert answer.text.endswith("<body>é</body></html>")
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_anything_else_is_left_alone(client: httpx.Client) -> None:
    elsewhere = client.get("/media/x", headers={"accept-encoding": "gzip"})
    assert elsewhere.headers["content-encoding"] == "gzip"
    assert elsewhere.text == HTML
    assert client.get("/slo_trends", params={"type": "text/plain"}).text == HTML
    assert client.get("/slo_trends", params={"status": 503}).text == HTML
    assert client.post("/slo_trends").status_code == 405


def test_only_the_first_head_is_changed(client: httpx.Client) -> None:
    assert client.get("/", params={"times": 3}).text.count("BACKEND_BASE_URL") == 1
