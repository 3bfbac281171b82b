"""The HTTP API and metrics, through a real portal process."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services import clock
from services.health import record as ledger
from services.store import Store, workers
from services.store.migrate import migrate
from services.store.workers import Worker
from tests.patience import PATIENCE_S
from tests.portal import TOKEN, running
from tests.services.health.test_record import seen


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    data = Path(tmp_path_factory.mktemp("portal"))
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    ledger.record(store, [seen(clock.now_ms() / 1000, environment="local")], ledger.Memory())
    with running(data) as url:
        yield url, store


def get(portal: tuple[str, Store], path: str, token: str | None = TOKEN, **options: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(portal[0] + path, headers=headers, timeout=PATIENCE_S)


def test_health_is_open_and_tells_the_worker_s_silence(portal: tuple[str, Store]) -> None:
    assert get(portal, "/api/health/live", None).status_code == 200
    answer = get(portal, "/api/health/ready", None)
    assert answer.status_code == 200
    assert answer.json()["degraded"] == ["worker"]


def test_a_living_worker_is_told(portal: tuple[str, Store]) -> None:
    now = clock.now_ms()
    with portal[1].write() as connection:
        workers.beat(connection, Worker(id="w", address="http://x", started_ms=now, seen_ms=now))
    body = get(portal, "/api/v1/environments").json()
    assert body["worker"]["alive"] is True
    with portal[1].write() as connection:
        workers.leave(connection, "w")


@pytest.mark.parametrize(
    "path", ["/api/v1/environments", "/api/v1/environments/local", "/api/v1/environments/local/evidence",
             "/api/v1/environments/local/inngest", "/api/runtime/dependencies"],
)  # fmt: skip
@pytest.mark.parametrize("token", [None, "wrong", TOKEN + "x", TOKEN[:-1]])
def test_everything_else_asks_for_the_token(portal: tuple[str, Store], path: str, token: str | None) -> None:
    assert get(portal, path, token).status_code == 401


OPEN = ("/api/health/", "/api/v1/heartbeats/", "/api/v1/hooks/")  # probes of platforms; the rest has a secret address


def test_every_route_but_those_that_are_open_refuses_who_has_no_token(portal: tuple[str, Store]) -> None:
    found = httpx.get(portal[0] + "/api/openapi.json", timeout=PATIENCE_S).json()["paths"]
    closed = [path for path in found if not path.startswith(OPEN)]
    assert len(closed) >= 10
    for path in closed:
        for method in found[path]:
            answer = httpx.request(method, portal[0] + re.sub(r"\{.*?\}", "1", path), timeout=PATIENCE_S)
            assert answer.status_code == 401, (method, path)


def test_the_token_in_the_address_is_accepted_on_the_legacy_route_alone(portal: tuple[str, Store]) -> None:
    assert get(portal, f"/api/runtime/dependencies?token={TOKEN}", None).status_code == 200
    assert get(portal, f"/api/v1/environments?token={TOKEN}", None).status_code == 401


def test_an_environment_is_listed_with_state_policy_and_findings(portal: tuple[str, Store]) -> None:
    (found,) = get(portal, "/api/v1/environments").json()["environments"]
    assert found["name"] == "local"
    assert {"state", "policy", "dependencies", "findings", "measured_at", "simulated"} <= set(found)
    one = get(portal, "/api/v1/environments/local").json()
    assert one["name"] == "local"


def test_evidence_comes_with_its_place_in_the_chain(portal: tuple[str, Store]) -> None:
    (record,) = get(portal, "/api/v1/environments/local/evidence").json()["evidence"]
    assert record["check"] == "readiness.ready"
    assert len(record["hash"]) == 64


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/environments/nowhere", 404),
        ("/api/v1/environments/nowhere/evidence", 404),
        ("/api/v1/environments/local/evidence?limit=0", 422),
        ("/api/v1/environments/local/evidence?limit=many", 422),
        ("/api/nothing", 404),
        ("/api/v1/environments/" + "x" * 5000, 404),
    ],
)
def test_wrong_requests_get_a_problem_document(portal: tuple[str, Store], path: str, status: int) -> None:
    answer = get(portal, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail"} <= set(answer.json())


def test_an_unknown_environment_gets_the_list_of_those_that_exist(portal: tuple[str, Store]) -> None:
    assert get(portal, "/api/v1/environments/nowhere").json()["known"] == ["local"]


def test_wrong_methods_and_large_bodies(portal: tuple[str, Store]) -> None:
    assert httpx.post(portal[0] + "/api/v1/environments").status_code == 405
    assert httpx.post(portal[0] + "/api/v1/environments", content=b"x" * 2_000_000).status_code == 413


def test_openapi_lists_the_routes(portal: tuple[str, Store]) -> None:
    paths = get(portal, "/api/openapi.json", None).json()["paths"]
    assert {"/api/health/ready", "/api/v1/environments", "/api/v1/environments/{name}/evidence"} <= set(paths)


def test_metrics_are_prometheus_text_read_by_its_own_parser(portal: tuple[str, Store]) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    families = {f.name: f for f in text_string_to_metric_families(get(portal, "/metrics", None).text)}
    states = {s.labels["state"]: s.value for s in families["greenlight_environment_state"].samples}
    assert sum(states.values()) == 1
    assert families["greenlight_worker_up"].samples[0].value == 0


def test_our_headers_are_on_every_answer(portal: tuple[str, Store]) -> None:
    for path in ("/", "/api/health/live", "/metrics"):
        headers = get(portal, path, None).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize("path", ["/", "/api/v1/environments", "/metrics", "/_stcore/health"])
def test_a_foreign_host_name_gets_nothing(portal: tuple[str, Store], path: str) -> None:
    assert httpx.get(portal[0] + path, headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.parametrize("path", ["/api/health/live", "/api/health/ready"])
def test_a_platform_s_health_check_is_answered_under_its_own_name(portal: tuple[str, Store], path: str) -> None:
    assert httpx.get(portal[0] + path, headers={"Host": "healthcheck.railway.app"}).status_code == 200


def test_a_chunked_body_is_counted_as_it_comes(portal: tuple[str, Store]) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 1 << 20
            yield b"x" * (1 << 20)

    try:
        status = httpx.post(portal[0] + "/api/v1/replays", content=endless(), timeout=PATIENCE_S).status_code
    except httpx.TransportError:  # it was cut off in the middle
        status = 413
    assert status == 413
    assert sent < 100 << 20


def test_metrics_are_for_programs_on_this_machine_or_with_a_token(portal: tuple[str, Store]) -> None:
    assert get(portal, "/metrics", None).status_code == 200
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.get(portal[0] + "/metrics", headers=forwarded).status_code == 401
    with_token = forwarded | {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(portal[0] + "/metrics", headers=with_token).status_code == 200


@pytest.mark.parametrize("query", ["?against=%00", "?against=a%00b"])
def test_a_zero_byte_is_no_fault(portal: tuple[str, Store], query: str) -> None:
    assert get(portal, f"/api/v1/replays/x%00y{query}").status_code in {404, 422}


def test_a_websocket_of_a_foreign_page_is_refused(portal: tuple[str, Store]) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync import client

    address = portal[0].replace("http", "ws") + "/_stcore/stream"
    port = portal[0].rsplit(":", 1)[1]
    for host, origin in ((f"evil.example:{port}", f"http://evil.example:{port}"), (None, "http://evil.example")):
        headers = {"Host": host} if host else {}
        with (
            pytest.raises(InvalidStatus),
            client.connect(
                address,
                additional_headers=headers,
                origin=origin,
                proxy=None,  # type: ignore[arg-type]
            ),
        ):
            pass
    with client.connect(address, origin=portal[0], proxy=None):  # type: ignore[arg-type]
        pass


def test_a_replay_is_asked_for_and_found_again(portal: tuple[str, Store]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    made = httpx.post(portal[0] + "/api/v1/replays", headers=headers, json={"subset": "canary"}, timeout=PATIENCE_S)
    assert made.status_code == 202
    run_id = made.json()["run_id"]
    assert get(portal, f"/api/v1/replays/{run_id}").json()["state"] == "queued"
    assert run_id in [run["run_id"] for run in get(portal, "/api/v1/replays").json()["replays"]]


def test_a_pair_is_asked_for_at_once(portal: tuple[str, Store]) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"subset": "canary", "aa": True}
    made = httpx.post(portal[0] + "/api/v1/replays", headers=headers, json=body, timeout=PATIENCE_S)
    assert made.status_code == 202
    first, second = made.json()["pair"]
    assert made.json()["run_id"] == second
    assert {get(portal, f"/api/v1/replays/{id_}").json()["state"] for id_ in (first, second)} == {"queued"}


@pytest.mark.parametrize(
    "body", [{"agent": "http://evil"}, {"subset": "nope"}, {"repeats": 0}, {"colour": 1}, [], {"judge": "x"}]
)
def test_a_wrong_wish_is_a_4xx_problem(portal: tuple[str, Store], body: object) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(portal[0] + "/api/v1/replays", headers=headers, json=body, timeout=PATIENCE_S)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


def test_replays_ask_for_the_token_and_unknown_ones_are_404(portal: tuple[str, Store]) -> None:
    assert get(portal, "/api/v1/replays", None).status_code == 401
    assert httpx.post(portal[0] + "/api/v1/replays", json={}, timeout=PATIENCE_S).status_code == 401
    assert get(portal, "/api/v1/replays/nope").status_code == 404
