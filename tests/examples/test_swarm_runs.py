"""The simulated list of runs: whatever the moment, the newest one that has ended is the one that the fault fails."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from examples.swarm.runs import EVERY, Runs, _rows
from services.dependencies.inngest.api import Api, Refusal
from services.dependencies.inngest.trace import Trace
from tests.conftest import Served

QUARTER = datetime(2026, 12, 1, 4, 45, tzinfo=UTC)


@pytest.mark.parametrize("after_s", [0.0, 1.0, 2.29, 2.31, 60.0, 899.0])
def test_the_newest_ended_run_fails_at_any_moment(after_s: float) -> None:
    now = QUARTER + timedelta(seconds=after_s)
    rows = list(_rows("app", now - 4 * EVERY, now, failing=True))
    assert [row["status"] for row in rows] == ["COMPLETED"] * (len(rows) - 1) + ["FAILED"]


def test_a_listed_run_has_a_trace_of_its_steps(serve: Callable[..., Served]) -> None:
    made = Runs("app", "signkey-test-" + "ab" * 32, lambda: False)
    api = Api(url=serve(Starlette(routes=made.routes)).url, key=SecretStr("signkey-test-" + "ab" * 32), cloud=True)
    now = datetime.now(UTC)
    row = list(_rows("app", now - 4 * EVERY, now, failing=False))[-1]
    found = asyncio.run(api.trace(row["id"], deadline_s=10, graphql=True))
    assert isinstance(found, Trace)
    assert [(step.name, step.took_s) for step in found.tries] == [("collect", 0.6), ("rank", 1.4)]
    assert isinstance(asyncio.run(api.trace("none", deadline_s=10, graphql=True)), Refusal)
