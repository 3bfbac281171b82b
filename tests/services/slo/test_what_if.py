"""What strict mode would have meant: from measured states alone, and never more than was observed."""

from __future__ import annotations

from services.slo.what_if import what_if
from services.store.spans import Span

HOUR, DAY = 3_600_000, 86_400_000
END = 1_771_632_000_000
BEGIN = END - 30 * DAY


def span(probe: str, state: str, low: float, high: float) -> Span:
    """Hours after the beginning."""
    return Span(environment="e", probe=probe, state=state, code="", from_ms=int(BEGIN + low * HOUR),
                until_ms=int(BEGIN + high * HOUR))  # fmt: skip


def test_without_measurements_nothing_is_said() -> None:
    found = what_if([], from_ms=BEGIN, until_ms=END)
    assert found.sentence == "Nothing was measured in the last 30 days, so nothing can be said about strict mode."
    assert {cell.state for cell in found.ribbon} == {"unknown"}


def test_a_calm_month_would_have_been_calm() -> None:
    found = what_if([span("redis.ping", "ok", 0, 720), span("readiness", "ok", 0, 720)], from_ms=BEGIN, until_ms=END)
    assert found.sentence == "Had strict mode been on in the last 30 days, readiness would never have been 503."


def test_outages_that_overlap_count_once_and_what_really_was_is_told() -> None:
    spans = [
        span("redis.ping", "ok", 0, 100), span("redis.ping", "down", 100, 102), span("redis.ping", "ok", 102, 720),
        span("inngest", "down", 101, 104), span("inngest", "slow", 104, 720), span("readiness", "ok", 0, 300),
        span("readiness", "down", 300, 301), span("readiness", "ok", 301, 720), span("queue:email", "down", 0, 720),
    ]  # fmt: skip
    found = what_if(spans, from_ms=BEGIN, until_ms=END)
    assert [(round((low - BEGIN) / HOUR), round((high - low) / HOUR), cause) for low, high, cause in found.would] == [
        (100, 4, "redis.ping"), (300, 1, "readiness")
    ]  # fmt: skip
    assert found.would_ms == 5 * HOUR
    assert "would have been 503 in 2 stretches, 5 h in all; it really was for 1 h." in found.sentence


def test_it_speaks_of_observed_time_only() -> None:
    found = what_if([span("redis.ping", "down", -5, 1), span("redis.ping", "ok", 1, 48)], from_ms=BEGIN, until_ms=END)
    assert "in the 2 d that were observed in the last 30 days" in found.sentence
    assert "503 in one stretch, 1 h in all; it really never was." in found.sentence
