"""All SLOs in one sentence: what is worst, by name, and never more than was measured."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.settings.model import Slo
from services.slo.words import answer, policy


def rows(*states: str) -> Any:
    slis = ("readiness_uptime", "redis_ping_latency", "queue_aging_p95:email")
    return [SimpleNamespace(slo=SimpleNamespace(sli=sli), status=SimpleNamespace(state=state))
            for sli, state in zip(slis, states, strict=True)]  # fmt: skip


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (("ok", "ok", "ok"), ("ok", "All 3 SLOs are met.")),
        (("ok", "no_data", "ok"), ("ok", "2 of 3 SLOs are met; not measured: Redis PING latency.")),
        (("no_data", "no_data", "no_data"), ("no_data", "Nothing is measured yet, so nothing can be said about the SLOs.")),
        (("ok", "at_risk", "ok"), ("at_risk", "All measured SLOs are met, but at risk: Redis PING latency.")),
        (("broken", "at_risk", "broken"),
         ("broken", "2 of 3 SLOs are broken: Readiness uptime, Age of waiting work, queue email.")),
    ],
)  # fmt: skip
def test_the_worst_is_named(states: tuple[str, ...], told: tuple[str, str]) -> None:
    assert answer(rows(*states)) == told


def test_a_budget_that_is_left_never_speaks_against_the_verdict() -> None:
    kept, broken, _ = rows("ok", "broken", "no_data")
    assert policy(kept, Slo(), "GO") == policy(kept, Slo(), None) == "Ship as usual."
    assert policy(kept, Slo(), "NO_GO") == "The verdict is No-Go: fix what it names before you ship."
    assert "before you ship" in policy(kept, Slo(), "INCONCLUSIVE")
    assert policy(broken, Slo(), "NO_GO") == Slo().broken, "what a spent budget asks for stands beside any verdict"
