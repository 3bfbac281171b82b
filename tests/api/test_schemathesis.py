"""The OpenAPI document says what the routes really give: schemathesis finds nothing, with a fixed seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import clock
from services.health import record as ledger
from services.store import Store
from services.store.migrate import migrate
from tests.portal import TOKEN, running
from tests.services.health.test_record import seen


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = Path(tmp_path_factory.mktemp("schemathesis"))
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    ledger.record(store, [seen(clock.now_ms() / 1000, environment="local")], ledger.Memory())
    with running(data) as url:
        yield url


@pytest.mark.parametrize("signed_in", [True, False])
def test_every_answer_is_described(portal: str, signed_in: bool, tmp_path: Path) -> None:
    header = ["--header", f"Authorization: Bearer {TOKEN}"] if signed_in else []
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{portal}/api/openapi.json", *header,
        "--seed", "13", "--max-examples", "15", "--checks", "all", "--workers", "1", "--no-color",
        "--generation-database", "none", "--request-timeout", "60", "--suppress-health-check", "all",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
