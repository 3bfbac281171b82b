"""When evidence stops counting: too old, dated in the future, or taken under something else."""

from dataclasses import replace

import pytest

from services.evidence.freshness import Context, max_age_ms, why_stale
from services.evidence.model import Evidence

NOW = 1_800_000_000_000
MINUTE = 60_000
RUN = Evidence(
    environment="e", check="replay.gate", outcome="pass", at_ms=NOW - MINUTE, golden_sha256="g1", judge_sha256="j1"
)


def test_what_is_dated_in_the_future_does_not_count_but_two_machines_clocks_may_differ() -> None:
    """A clock that was a year ahead for a moment must not leave a pass that lasts for that year."""
    for check in ("redis.ping", "soak", "env.validation", "replay.gate"):
        record = Evidence(environment="e", check=check, outcome="pass", at_ms=NOW + 6 * MINUTE)
        assert why_stale(record, Context(), NOW) == "it is dated in the future: a clock was wrong"
        assert why_stale(replace(record, at_ms=NOW + 4 * MINUTE), Context(), NOW) is None
    said = Evidence(environment="e", check="confirm.policy", outcome="pass", at_ms=NOW + 600 * MINUTE)
    assert why_stale(said, Context(), NOW) is None, "what a person decided stands until it is taken back"


def test_an_age_limit_is_reached_to_the_millisecond() -> None:
    for check in ("redis.ping", "soak", "env.validation", "replay.canary", "replay.gate"):
        record = Evidence(environment="e", check=check, outcome="pass", at_ms=NOW - max_age_ms(check))
        assert why_stale(record, Context(), NOW) is None
        assert why_stale(replace(record, at_ms=record.at_ms - 1), Context(), NOW) == "it is too old"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Context(), None),
        (Context(golden_sha256="g1", judges=frozenset({"j0", "j1"})), None),
        (Context(golden_sha256="g2", judges=frozenset({"j1"})), "the golden set changed since"),
        (Context(golden_sha256="", judges=frozenset({"j1"})), "the golden set changed since"),
        (Context(golden_sha256="g1", judges=frozenset({"j2"})), "the judge changed since"),
        (Context(golden_sha256="g1", judges=frozenset()), "the judge changed since"),
    ],
)
def test_a_run_counts_while_golden_set_and_judge_are_those_that_it_was_run_with(now: Context, why: str | None) -> None:
    assert why_stale(RUN, now, NOW) == why
    probe = Evidence(environment="e", check="redis.ping", outcome="pass", at_ms=NOW)
    assert why_stale(probe, now, NOW) is None, "no golden set plays a part there"


def test_where_nobody_measures_what_is_measured_all_the_time_is_not_known() -> None:
    silent = Context(silent="nothing was measured for 12 min")
    for check in ("redis.ping", "readiness.ready", "queue:email", "inngest.moves_work"):
        record = Evidence(environment="e", check=check, outcome="pass", at_ms=NOW - MINUTE)
        assert why_stale(record, silent, NOW) == "nothing was measured for 12 min"
        assert why_stale(record, Context(), NOW) is None
    for check in ("soak", "env.validation", "replay.gate", "confirm.policy"):
        record = Evidence(environment="e", check=check, outcome="pass", at_ms=NOW - MINUTE)
        assert why_stale(record, silent, NOW) is None, "it is proven once, and stands for its time"
