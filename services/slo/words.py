"""An SLO's status in one sentence, and what is to be done. Plain English for everybody."""

from __future__ import annotations

from collections.abc import Sequence

from services.settings.model import DEPENDENCY_SLIS, Slo
from services.slo.budget import State
from services.slo.objectives import WORDS
from services.slo.view import Row
from services.units import quantity, seconds, share

STATES: tuple[State, ...] = ("broken", "at_risk", "no_data", "ok")
ENOUGH = 0.5  # with less of the window observed, a sentence says of how much it speaks

NOT_YET = {
    "NO_GO": "The verdict is No-Go: fix what it names before you ship.",
    "INCONCLUSIVE": "The verdict lacks evidence: complete the checklist before you ship.",
}


def title(sli: str) -> str:
    """An SLI's name for people."""
    base, _, instance = sli.partition(":")
    named = WORDS[base].title if base in WORDS else base.replace("_", " ").capitalize()
    if not instance:
        return named
    return f"{named} of {instance}" if base in DEPENDENCY_SLIS else f"{named}, queue {instance}"


def good_means(row: Row) -> str:
    """When a measurement of this SLI counts as good."""
    slo = row.slo
    base = slo.sli.split(":", 1)[0]
    if base in WORDS and WORDS[base].good:
        return f"good when {WORDS[base].good}"
    return f"good within {quantity(slo.threshold, slo.unit)}"


def target(row: Row) -> str:
    """The objective: `99.5 % of 30 days, good within 250 ms`."""
    return f"{share(row.slo.objective.target)} over {row.window_days} days, {good_means(row)}"


def sentence(row: Row) -> str:
    """The status in one sentence."""
    status, target = row.status, row.slo.objective.target
    if status.state == "no_data":
        return _no_data(row)
    seen = "" if status.coverage >= ENOUGH else f" in the {_observed(row)} that were observed"
    so_far = "" if status.coverage >= ENOUGH else " so far"
    measured = f"{share(status.value, target)}{seen} against an objective of {share(target)}"
    budget = status.budget
    assert budget is not None  # noqa: S101 - only no_data has none
    if status.state == "broken":
        return f"Broken{so_far}: {measured}; {seconds(-budget.left_s)} beyond the error budget."
    left = f"{seconds(budget.left_s)} of {seconds(budget.allowed_s)} error budget left"
    if status.state == "ok":
        return f"Met{so_far}: {measured}; {left}."
    if status.exhausted_in_s is not None and any(burn.firing for burn in status.burns):
        return f"At risk: {measured}; at this rate the budget runs out in {seconds(status.exhausted_in_s)}."
    return f"At risk: {measured}; only {left}."


def _observed(row: Row) -> str:
    return seconds(row.status.coverage * row.status.window_s)


def _no_data(row: Row) -> str:
    known = row.status.good + row.status.bad
    if known:
        return f"{_collecting(row)} Until then nothing is said of it."
    if row.status.unknown:
        return f"Not known: {row.status.unknown} measurements could not be made in {row.window_days} days."
    base = row.slo.sli.split(":", 1)[0]
    own = WORDS[base].not_measured if base in WORDS else ""
    return own or f"Not measured in the last {row.window_days} days. Check that the worker runs."


def _collecting(row: Row) -> str:
    known = row.status.good + row.status.bad
    return f"Collecting: {known} of {row.slo.objective.min_events} measurements."


def policy(row: Row, slo: Slo, verdict: str | None) -> str:
    """What the team does in this state. A budget that is left never speaks against the environment's verdict."""
    if row.status.state == "ok" and verdict in NOT_YET:
        return NOT_YET[verdict]
    if row.status.state == "no_data" and row.status.good + row.status.bad:
        return _collecting(row)
    return str(getattr(slo, row.status.state))


def answer(rows: Sequence[Row]) -> tuple[State, str]:
    """All SLOs of an environment in one state and one sentence, wherever they are summed up."""
    if not rows:
        return "no_data", "This environment has no SLOs: none is configured."
    names = {state: [title(r.slo.sli) for r in rows if r.status.state == state] for state in
             ("broken", "at_risk", "no_data", "ok")}  # fmt: skip
    measured = len(rows) - len(names["no_data"])
    if names["broken"]:
        number = len(names["broken"])
        return "broken", f"{number} of {len(rows)} SLOs {_are(number)} broken: {_list(names['broken'])}."
    if names["at_risk"]:
        return "at_risk", f"All measured SLOs are met, but at risk: {_list(names['at_risk'])}."
    if not measured:
        return "no_data", "Nothing is measured yet, so nothing can be said about the SLOs."
    if names["no_data"]:
        return (
            "ok",
            f"{measured} of {len(rows)} SLOs {_are(measured)} met; not measured: {_list(names['no_data'])}.",
        )
    return "ok", f"All {len(rows)} SLOs are met."


def _list(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
