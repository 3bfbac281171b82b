"""When the canary raises the alarm, and how often for nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.advice import Advice
from services.replay import stats
from services.store.replays import Run
from services.units import percent

IN_A_ROW = 2  # one failing run may be chance; a critical failure is not
GOOD_RATE = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """Whether the canary is in alarm, and the sentence for it."""

    on: bool
    advice: Advice


def alarm(newest_first: Sequence[Run]) -> Alarm:
    """Two failing runs in a row raise it, a critical failure at once; an inconclusive run says nothing."""
    said = [run for run in newest_first if run.verdict in {"PASS", "BLOCK"}]
    if not said:
        return Alarm(on=False, advice=Advice(what="No canary run has finished yet."))
    critical = said[0].summary.get("critical_failures") or []
    if critical:
        what = f"The newest canary run failed critically: {', '.join(critical[:3])}."
        return Alarm(on=True, advice=Advice(what=what, fix="Stop releases, open the run, and look at the case."))
    failing = 0
    for run in said:
        if run.verdict != "BLOCK":
            break
        failing += 1
    if failing >= IN_A_ROW:
        what = f"The canary failed {failing} times in a row."
        return Alarm(on=True, advice=Advice(what=what, fix="Open the newest run and compare it with the baseline."))
    if failing:
        return Alarm(on=False, advice=Advice(what="The newest canary run failed; one more raises the alarm."))
    return Alarm(on=False, advice=Advice(what="The newest canary run passed."))


def false_alarms(cases: int, gate: float, minutes: int) -> str:
    """In words: how often the alarm rings for an agent that is well."""
    if cases == 0:
        return ""
    fails = 1 - stats.gate_passes(GOOD_RATE, cases, gate)
    pairs = fails * fails
    days = minutes / 1440 / pairs if pairs else float("inf")
    return (
        f"An agent that passes {percent(GOOD_RATE)} of such cases fails {percent(fails)} of its canary runs of {cases} "
        f"cases; two in a row come by chance about every {days:.0f} days at one run every {minutes} minutes."
    )
