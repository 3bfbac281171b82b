"""Where the platform calls: a secret address brings about one look; anything else is a 404 that tells nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.deploys import asked as platform
from services.deploys import hooks
from services.fingerprint import installation_key
from services.store import Store, deploys, jobs
from services.store.migrate import migrate
from tests.patience import PATIENCE_S
from tests.portal import running

BODY = {"type": "Deployment.success", "details": {"status": "SUCCESS", "commitHash": "c0ffee"}}


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Store, Path]]:
    data = Path(tmp_path_factory.mktemp("hooks"))
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    (data / "greenlight.toml").write_text(
        "".join(f'[[environments]]\nname = "{name}"\nbase_url = "http://127.0.0.1:9"\n' for name in ("p", "q"))
    )
    served = running(data, GREENLIGHT_CONFIG=str(data / "greenlight.toml"))
    with served as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        yield client, store, data
    store.close()


def test_a_call_is_a_hint_to_look_and_no_deploy(portal: tuple[httpx.Client, Store, Path]) -> None:
    client, store, data = portal
    path = hooks.PATH + hooks.identifier(installation_key(data), "p")
    for body in (BODY, BODY, {"x": 1}):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.content) == (204, b"")
    with store.read() as connection:
        asked = jobs.open_job(connection, kind="probe", environment="p")
        assert jobs.open_job(connection, kind="probe", environment="q") is None
        assert deploys.newest(connection, "p") is None, "what it says is not believed"
        hints = [platform.hinted_ms(connection, name) for name in ("p", "q")]
        assert hints[0] > 0 == hints[1], "the platform's API is asked soon"
        count = connection.exec_driver_sql("SELECT count(*) FROM jobs").scalar()
    assert asked is not None
    assert (asked.requested_by, count) == (hooks.BY, 1)


@pytest.mark.parametrize("secret", ["x", "p", "a" * 64, "é", "%00"])
def test_a_wrong_secret_gets_a_404_that_tells_nothing(portal: tuple[httpx.Client, Store, Path], secret: str) -> None:
    answers = {portal[0].post(hooks.PATH + secret, json=BODY).text for _ in range(2)}
    assert len(answers) == 1
    assert portal[0].post(hooks.PATH + secret, json=BODY).status_code in {404, 422}


def test_a_large_body_is_refused(portal: tuple[httpx.Client, Store, Path]) -> None:
    path = hooks.PATH + hooks.identifier(installation_key(portal[2]), "q")
    assert portal[0].post(path, content=b"x" * (hooks.MOST_BYTES + 1)).status_code == 413
