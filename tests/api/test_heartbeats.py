"""Where jobs call: without a token, by a secret address; what is no call of a job gets a 4xx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services import heartbeats
from services.fingerprint import installation_key
from services.store import Store
from services.store.heartbeats import newest
from services.store.migrate import migrate
from tests.patience import PATIENCE_S
from tests.portal import running

SECRET = "planted-api-heartbeat-0815"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Store, str]]:
    data = Path(tmp_path_factory.mktemp("portal"))
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    (data / "p.env").write_text(f"TOKEN={SECRET}\n")
    (data / "greenlight.toml").write_text(
        '[[environments]]\nname = "p"\nbase_url = "http://127.0.0.1:9"\nenv_file = "p.env"\n'
        '[[environments.dependencies]]\nname = "backup"\nkind = "heartbeat"\nevery_s = 60\n'
        '[[environments.dependencies]]\nname = "crm"\nkind = "http"\nurl = "http://127.0.0.1:9"\n'
        'headers = { A = "${TOKEN}" }\n'
    )
    path = heartbeats.PATH + heartbeats.identifier(installation_key(data), "p", "backup")
    served = running(data, GREENLIGHT_CONFIG=str(data / "greenlight.toml"))
    with served as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client, store, path
    store.close()


def test_each_way_to_call_is_kept(portal: tuple[httpx.Client, Store, str]) -> None:
    client, store, path = portal
    for end in ("/start", "", "/0", "/3", "/fail"):
        answer = client.post(path + end, content=f"log line\n{SECRET}".encode())
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"received_at"}
    with store.read() as connection:
        found = newest(connection, "p", "backup")
    assert [(beat.signal, beat.exit_status) for beat in found[::-1]] == [
        ("start", None), ("ok", None), ("ok", 0), ("fail", 3), ("fail", None)
    ]  # fmt: skip
    assert all(beat.note.startswith("log line") and SECRET not in beat.note for beat in found)


@pytest.mark.parametrize(
    ("end", "body", "status"),
    [("/256", b"", 422), ("/-1", b"", 422), ("/x", b"", 422), ("", b"x" * 10_001, 413), ("/start/more", b"", 404)],
)
def test_what_is_no_call_is_refused(
    portal: tuple[httpx.Client, Store, str], end: str, body: bytes, status: int
) -> None:
    client, _, path = portal
    answer = client.post(path + end, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_address_says_nothing_of_others(portal: tuple[httpx.Client, Store, str]) -> None:
    client, _, path = portal
    for wrong in ("a" * 40, path.rpartition("/")[2][:-1] + "!", "%00", "x" * 200):
        answer = client.post(heartbeats.PATH + wrong)
        assert answer.status_code == 404
        assert "backup" not in answer.text
    assert client.get(path).status_code == 405


def test_too_many_calls_are_turned_away_with_when_to_come_again(portal: tuple[httpx.Client, Store, str]) -> None:
    client, _, path = portal
    answers = [client.post(path) for _ in range(heartbeats.MOST_A_MINUTE + 1)]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "60"
