"""SLO trends, driven through Streamlit: empty, kept, broken, in depth, maintenance, downloads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import clock
from services.slo import depth, view
from services.store import Store, deploys, samples, spans
from services.store.deploys import Deploy
from services.store.samples import Sample
from services.store.spans import Span
from tests.ui.driver import configured, open_page, press, text_of
from tests.ui.test_pages import markup_of
from ui import cached, present, slo_detail, slo_print

HOUR_MS = 3_600_000
CONFIG = """
[slo]
broken = "Stop the line."
[[environments]]
name = "production"
base_url = "http://p"
[[environments]]
name = "staging"
base_url = "http://s"
simulated = true
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with configured(tmp_path, monkeypatch, CONFIG) as store:
        yield store


def opened(**query: str) -> AppTest:
    return open_page("slo_trends", **query)


def measure(store: Store, environment: str = "production", *, bad_hours: int = 0, sli: str = "readiness_uptime") -> int:
    """Three days of samples; the last but `bad_hours` hours are good."""
    now = clock.now_ms()
    begin = now - 72 * HOUR_MS
    history = [
        Sample(environment=environment, sli=sli, at_ms=begin + n * 60_000, value=40.0 + n % 7,
               good=n < 72 * 60 - bad_hours * 60 - 60 or n >= 72 * 60 - 60, interval_s=60)
        for n in range(72 * 60)
    ]  # fmt: skip
    with store.write() as connection:
        samples.append(connection, history, {})
        if bad_hours:
            low = now - (bad_hours + 1) * HOUR_MS
            down = Span(environment=environment, probe="readiness", state="down", code="readiness.not_ready",
                        from_ms=low, until_ms=now - HOUR_MS)  # fmt: skip
            well = Span(environment=environment, probe="readiness", state="ok", code="", from_ms=begin, until_ms=low)
            spans.insert_all(connection, [well, down])
    return now


def test_before_anything_was_measured_nothing_is_claimed(data: Store) -> None:
    text = text_of(opened())
    assert "Nothing is measured yet" in text
    assert "No canary ran. Name an agent" in text
    assert "nothing can be said about strict mode" in text
    assert "there is nothing to draw" in text


def test_kept_promises_say_what_may_still_go_wrong(data: Store) -> None:
    measure(data)
    text = text_of(opened())
    assert "Met so far: 100 % in the" in text
    assert "1 of 5 SLOs is met" in text
    assert "99.5 %" in text


def test_a_broken_promise_comes_first_with_the_teams_policy(data: Store) -> None:
    measure(data, bad_hours=2)
    text = text_of(opened())
    assert "1 of 5 SLOs is broken: Readiness uptime" in text
    assert "Stop the line." in text
    assert "overspent" in text
    assert text.index("Readiness uptime") < text.index("Redis PING")
    assert "120 bad" in text or "121 bad" in text  # the incident's cost
    assert "would have been 503 in one stretch, 2 h" in text


def test_a_simulated_environment_says_so_everywhere(data: Store) -> None:
    measure(data, "staging", bad_hours=1)
    shell = opened(env="staging", sli="readiness_uptime")
    for element in shell.get("html"):
        markup = markup_of(element)
        if "<style>" not in markup and ("answer" in markup or 'class="tile"' in markup):
            assert "simulated" in markup
    known = cached.settings()
    environment = known.environment("staging")
    found = view.slos(data, environment, clock.now_ms())
    strict = depth.strict_would_have(data, environment, clock.now_ms(), days=30)
    page = slo_print.page(found, strict, known.slo, present.zone("UTC"))
    sections = page.split("<section>")[1:-1]
    assert all("simulated" in section for section in sections)


def test_every_chart_and_window_has_its_address(data: Store) -> None:
    measure(data, bad_hours=1)
    with data.write() as connection:
        deploys.note(connection, Deploy(environment="production", at_ms=clock.now_ms() - 5 * HOUR_MS, version="<b>2</b>",
                                        source="told"))  # fmt: skip
    for chart in slo_detail.VIEWS:
        for window in ("own", "7d", "90d"):
            shell = opened(sli="readiness_uptime", chart=chart, window=window)
            assert not shell.exception
            assert len(shell.get("plotly_chart")) == 1
    assert "Redis PING latency" in text_of(opened(sli="redis_ping_latency"))
    assert "Readiness uptime" in text_of(opened(sli="<script>", chart="nonsense", window="-1d"))


def test_maintenance_is_declared_counted_out_and_withdrawn(data: Store) -> None:
    now = measure(data, bad_hours=2)
    with data.write() as connection:
        deploys.declare(connection, "production", from_ms=now - 4 * HOUR_MS, until_ms=now, reason="Move of Redis",
                        by="Ada", now_ms=now)  # fmt: skip
    shell = opened()
    text = text_of(shell)
    assert "is broken" not in text
    assert "Move of Redis" in text
    assert "Ada, after it had begun" in text
    press(shell, "Withdraw")
    assert "is broken" in text_of(shell)
    with data.read() as connection:
        assert deploys.declared(connection, "production", 0, now)[0].withdrawn_by == "local operator (unverified)"


def test_a_promise_that_allows_no_error_is_drawn_in_every_view(
    data: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CONFIG.replace('base_url = "http://p"', 'base_url = "http://p"\nobjectives = [{ sli = "readiness_uptime", '
                          'target = 1.0, window = "7d" }]')  # fmt: skip
    with configured(tmp_path, monkeypatch, text):
        measure(data, bad_hours=1)
        for chart in slo_detail.VIEWS:
            found = text_of(opened(chart=chart))
            assert "is broken: Readiness uptime" in found
            assert "without end" in found
        assert "No error is allowed, so there is nothing to draw" in text_of(opened(chart="budget"))
        known = cached.settings()
        strict = depth.strict_would_have(data, known.environment("production"), clock.now_ms(), days=30)
        slos = view.slos(data, known.environment("production"), clock.now_ms())
        assert "overspent" in slo_print.page(slos, strict, known.slo, present.zone("UTC"))


def test_the_charts_points_leave_as_csv(data: Store) -> None:
    measure(data, bad_hours=1)
    found = cached.slo_depth("production", "readiness_uptime", None)
    assert found is not None
    rows = slo_detail.points_csv(found, found.points).splitlines()
    assert rows[0].startswith("environment,simulated,sli,from,until,good,bad")
    assert sum(int(row.split(",")[5]) for row in rows[1:]) == found.row.status.good
    page = slo_detail._page(found, "measured", present.zone("Europe/Berlin"))
    assert "plotly" in page
    assert "<script src" not in page  # nothing from a network
