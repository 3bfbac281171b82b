"""Alerts over the API: the list, taking one, and every wrong call as a problem; through a real portal process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from services import clock
from services.alerts import writing
from services.alerts.setup import AlertSetup
from services.health import record as ledger
from services.settings import load
from services.store import Store, alerts
from services.store.migrate import migrate
from tests.patience import PATIENCE_S
from tests.portal import TOKEN, running
from tests.services.health.test_record import seen

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
VIEWER = {"Authorization": "Bearer a-viewer-s-token-of-twenty"}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    data = Path(tmp_path_factory.mktemp("portal"))
    config = data / "greenlight.toml"
    config.write_text('[access]\ntokens=[{name="v", variable="VIEWER_TOKEN", role="viewer"}]\n'
                      '[[environments]]\nname="e"\nbase_url="http://127.0.0.1:9"\n')  # fmt: skip
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    variables = {"GREENLIGHT_CONFIG": str(config), "VIEWER_TOKEN": "a-viewer-s-token-of-twenty"}
    setup = AlertSetup.from_settings(load(variables | {"GREENLIGHT_DATA": str(data)}))
    now, memory = clock.now_ms() / 1000, ledger.Memory()
    for age in (40, 30, 20, 10):
        code = "readiness.ok" if age == 40 else "readiness.refused"
        ledger.record(store, [seen(now - age, code)], memory, partial(writing.of_states, setup))
    with running(data, **variables) as url:
        yield url, store
    store.close()


def ask(portal: tuple[str, Store], path: str, *, method: str = "GET", headers: dict[str, str] | None = None,
        content: bytes = b"") -> httpx.Response:  # fmt: skip
    return httpx.request(method, f"{portal[0]}/api/v1/alerts{path}", headers=AUTHORISED if headers is None else headers,
                         content=content, timeout=PATIENCE_S)  # fmt: skip


def test_open_alerts_are_listed_and_taken_by_name(portal: tuple[str, Store]) -> None:
    found = ask(portal, "").json()
    (alert,) = found["open"]
    assert (alert["environment"], alert["cause"], alert["severity"]) == ("e", "readiness", "page")
    assert alert["acknowledged_by"] is None
    refused = ask(portal, f"/{alert['id']}/acknowledge", method="POST", headers=VIEWER)
    assert refused.status_code == 403
    taken = ask(portal, f"/{alert['id']}/acknowledge", method="POST", content=b'{"note": "on it"}')
    assert (taken.status_code, taken.json()["acknowledged_by"]) == (200, "API token api")
    again = ask(portal, f"/{alert['id']}/acknowledge", method="POST")
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    (after,) = ask(portal, "").json()["open"]
    assert after["happened"][-1]["note"] == "on it"


def test_what_is_over_is_listed_for_as_many_days_as_asked(portal: tuple[str, Store]) -> None:
    with portal[1].write() as connection:
        (alert,) = alerts.open_ones(connection)
        ended = clock.now_ms() - 3 * clock.DAY_MS
        alerts.add(connection, replace(alert, id="old", state="resolved", ended_ms=ended, opened_ms=ended - 60_000))
    assert [a["id"] for a in ask(portal, "?days=30").json()["ended"]] == ["old"]
    assert ask(portal, "?days=1").json()["ended"] == []


@pytest.mark.parametrize(
    ("path", "method", "content", "status"),
    [("/nothing/acknowledge", "POST", b"", 404), ("/x/acknowledge", "POST", b"{", 400),
     ("/x/acknowledge", "POST", b'{"who": 1}', 422), ("/x/acknowledge", "POST", b"[]", 422),
     ("/x/acknowledge", "GET", b"", 405), ("?days=-1", "GET", b"", 422), (f"/{'x' * 50}/acknowledge", "POST", b"", 422)],
)  # fmt: skip
def test_wrong_calls_are_problems(
    portal: tuple[str, Store], path: str, method: str, content: bytes, status: int
) -> None:
    answer = ask(portal, path, method=method, content=content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_without_a_token_nothing_is_said(portal: tuple[str, Store]) -> None:
    assert ask(portal, "", headers={}).status_code == 401
    assert ask(portal, "/x/acknowledge", method="POST", headers={}).status_code == 401


def test_the_document_describes_the_webhook(portal: tuple[str, Store]) -> None:
    document = httpx.get(f"{portal[0]}/api/openapi.json", timeout=PATIENCE_S).json()
    assert "alert" in document["webhooks"]
    schema = document["components"]["schemas"]["AlertMessage"]
    from services.channels.payloads import document as sent
    from tests.services.channels.test_send import MESSAGE

    assert set(schema["properties"]) == set(sent(MESSAGE))
