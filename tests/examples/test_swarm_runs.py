"""The simulated list of runs: whatever the moment, the newest one that has ended is the one that the fault fails."""

from datetime import UTC, datetime, timedelta

import pytest

from examples.swarm.runs import EVERY, _rows

QUARTER = datetime(2026, 12, 1, 4, 45, tzinfo=UTC)


@pytest.mark.parametrize("after_s", [0.0, 1.0, 2.29, 2.31, 60.0, 899.0])
def test_the_newest_ended_run_fails_at_any_moment(after_s: float) -> None:
    now = QUARTER + timedelta(seconds=after_s)
    rows = list(_rows("app", now - 4 * EVERY, now, failing=True))
    assert [row["status"] for row in rows] == ["COMPLETED"] * (len(rows) - 1) + ["FAILED"]
