"""What traces say for SLOs: measured once a minute, ten minutes later, where an objective asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.clock import MINUTE_MS
from services.settings import load
from services.settings.model import Settings
from services.store import Store, samples
from services.store.migrate import migrate
from services.traces.keep import Kept
from services.traces.model import Span
from worker.traces import TraceWork

MINUTE = 1_796_126_400_000 // MINUTE_MS * MINUTE_MS
NOW = MINUTE + 12 * MINUTE_MS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "greenlight.toml").write_text(
        '[[environments]]\nname="e"\nbase_url="http://127.0.0.1:9"\n'
        + "".join(f'[[environments.objectives]]\nsli="{sli}"\nthreshold={most}\ntarget=0.99\n'
                  for sli, most in (("tool_error_rate", 5), ("cost_per_run", 1), ("tokens_per_run", 100)))
        + '[[environments]]\nname="other"\nbase_url="http://127.0.0.1:9"\n'
    )  # fmt: skip
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "data")})


@pytest.fixture
def kept(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings.database_url.get_secret_value())
    migrate(opened)
    yield opened
    opened.close()


def call(number: int, *, at_ms: int = MINUTE + 1000, **more: object) -> Span:
    given = {"kind": "tool", "tool": "crm", "status": "ok", "environment": "e", "run_id": f"r{number // 2}"} | more
    return Span(trace_id="t", span_id=f"{number:016x}", start_ms=at_ms + number, **given)  # type: ignore[arg-type]


def found(store: Store, sli: str, environment: str = "e") -> list[tuple[int, float | None, bool | None]]:
    with store.read() as connection:
        rows = samples.of(connection, (environment, sli), 0, 1 << 60)
    return [(row[0], row[1], None if row[2] is None else bool(row[2])) for row in rows]


def test_a_minute_is_measured_once_it_has_settled(settings: Settings, kept: Store) -> None:
    traces = Kept(settings.data_dir)
    with traces.changing():
        traces.add([
            *(call(n, status="error" if n == 0 else "ok", cost_usd=0.75, input_tokens=30, output_tokens=10) for n in range(4)),
            call(9, status="unknown"), call(10, environment="other", status="error"),
        ])  # fmt: skip
    work = TraceWork(kept, settings)
    assert work.measure(MINUTE + 5 * MINUTE_MS) == 0, "late lines may still come"
    assert work.measure(NOW) == 3
    assert found(kept, "tool_error_rate") == [(MINUTE, 25.0, False)]
    assert found(kept, "cost_per_run") == [(MINUTE, 1.5, False)], (
        "two runs of two calls; a run that reports none is none"
    )
    assert found(kept, "tokens_per_run") == [(MINUTE, 80.0, True)]
    assert work.measure(NOW) == 0
    assert TraceWork(kept, settings).measure(NOW) == 3, "another worker measures the same"
    assert len(found(kept, "tool_error_rate")) == 1, "and it counts once"
    assert found(kept, "tool_error_rate", "other") == [], "no objective asks there"


def test_a_run_counts_in_the_minute_of_its_last_call(settings: Settings, kept: Store) -> None:
    traces = Kept(settings.data_dir)
    with traces.changing():
        traces.add([call(0, cost_usd=1.0), call(1, at_ms=MINUTE + 3 * MINUTE_MS, cost_usd=2.0)])
    TraceWork(kept, settings).measure(NOW + 5 * MINUTE_MS)
    assert found(kept, "cost_per_run") == [(MINUTE + 3 * MINUTE_MS, 3.0, False)]
