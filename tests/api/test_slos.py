"""SLO routes, deploys and metrics, through a real portal process."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services import clock
from services.signature import sign
from services.store import Store, deploys, samples
from services.store.migrate import migrate
from services.store.samples import Sample
from tests.patience import PATIENCE_S
from tests.portal import TOKEN, running

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    data = Path(tmp_path_factory.mktemp("portal"))
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    now = clock.now_ms()
    with store.write() as connection:
        history = [
            Sample(environment="local", sli="readiness_uptime", at_ms=now - n * 30_000, value=5.0, good=n % 40 != 0,
                   interval_s=30) for n in range(1, 2000)
        ]  # fmt: skip
        samples.append(connection, history, {})
    with running(data) as url:
        yield url, store


def test_the_promises_are_told_as_the_command_line_tells_them(portal: tuple[str, Store]) -> None:
    answer = httpx.get(f"{portal[0]}/api/v1/environments/local/slo?window=7d", headers=AUTHORISED, timeout=PATIENCE_S)
    found = answer.json()
    assert answer.status_code == 200
    assert (found["environment"], found["window"]) == ("local", "7d")
    sli = found["slis"]["readiness_uptime"]
    assert sli["state"] == "broken"
    assert sli["total"] in {1998, 1999}  # the newest may lie in a minute that isn't full yet
    assert sli["value"] == pytest.approx(0.975, abs=0.001)


@pytest.mark.parametrize(
    ("path", "status"),
    [("local/slo?window=3d", 422), ("local/slo?as_of=2026-01-01T00:00:00", 422), ("local/slo?as_of=x", 422),
     ("local/slo?as_of=0001-01-01T00:00:00Z", 404), ("local/slo?as_of=9999-12-31T23:59:59Z", 404), ("local/slo?as_of=-1", 404),
     ("nowhere/slo", 404)],
)  # fmt: skip
def test_wrong_questions_are_problems(portal: tuple[str, Store], path: str, status: int) -> None:
    answer = httpx.get(f"{portal[0]}/api/v1/environments/{path}", headers=AUTHORISED, timeout=PATIENCE_S)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def tell(portal: tuple[str, Store], body: bytes, signature: str | None, token: str = TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} | ({"X-Greenlight-Signature": signature} if signature else {})
    return httpx.post(f"{portal[0]}/api/v1/deploys", content=body, headers=headers, timeout=PATIENCE_S)


def now_s() -> int:
    return clock.now_ms() // 1000


def test_a_signed_deploy_is_kept_once(portal: tuple[str, Store]) -> None:
    at = clock.iso(clock.now_ms() - 60_000)
    body = json.dumps({"environment": "local", "version": "2.5.1", "at": at, "note": "hotfix"}).encode()
    answer = tell(portal, body, sign(TOKEN, body, now_s()))
    assert (answer.status_code, answer.json()["known"]) == (201, False)
    assert tell(portal, body, sign(TOKEN, body, now_s())).json()["known"] is True
    with portal[1].read() as connection:
        (found,) = deploys.since(connection, "local", 0, clock.now_ms())
    assert (found.version, found.source, found.note) == ("2.5.1", "told", "hotfix")


def test_what_is_not_signed_right_is_refused(portal: tuple[str, Store]) -> None:
    body = b'{"environment": "local", "version": "9"}'
    right = sign(TOKEN, body, now_s())
    for signature in (None, "", "nonsense", sign("other", body, now_s()), sign(TOKEN, body + b" ", now_s()),
                      sign(TOKEN, body, now_s() - 3600), right.replace("v1=", "v0=")):  # fmt: skip
        assert tell(portal, body, signature).status_code == 403
    assert tell(portal, body, right, token="wrong").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"[]", 422), (b'{"environment": "local"}', 422), (b'{"environment": "mars", "version": "1"}', 404),
     (b'{"environment": "local", "version": "1", "at": "2999-01-01T00:00:00Z"}', 422),
     (b'{"environment": "local", "version": "1", "at": "2026-01-01T00:00:00"}', 422),
     (b'{"environment": "local", "version": "1", "more": 1}', 422),
     (b'{"environment": "local", "version": "a\\u0000b"}', 422)],
)  # fmt: skip
def test_a_signed_body_of_the_wrong_form_is_a_problem(portal: tuple[str, Store], body: bytes, status: int) -> None:
    answer = tell(portal, body, sign(TOKEN, body, now_s()))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_prometheus_gets_sli_budget_and_burn(portal: tuple[str, Store]) -> None:
    text = httpx.get(f"{portal[0]}/metrics", timeout=PATIENCE_S).text
    at = 'environment="local",simulated="false",sli="readiness_uptime"'
    assert f"greenlight_slo_target_ratio{{{at}}} 0.995" in text
    assert f'greenlight_slo_state{{{at},state="broken"}} 1.0' in text
    assert f"greenlight_slo_budget_remaining_ratio{{{at}}} -" in text
    assert f"greenlight_slo_burn_rate{{{'environment='}" in text
