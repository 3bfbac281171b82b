"""What each check means, in words that need no knowledge of what is behind it."""

from __future__ import annotations

from collections.abc import Mapping

from services.advice import Advice
from services.dependencies.kind import CheckWords
from services.dependencies.probe import CHECK as DECLARED
from services.dependencies.registry import CHECKS, KINDS

REQUIRED = ".required"
# Checks that belong to no dependency; the others' words stand in their kinds.
_OWN: dict[str, CheckWords] = {
    "env.connections": CheckWords(
        title="The inputs were tested successfully", false="an input was refused when it was tried",
        needs="Press Verify in the first step of the checklist.",
    ),
    "env.validation": CheckWords(
        title="The variables are valid and strict", false="the variables have errors",
        needs="Press Verify in the checklist, where variables are validated.",
    ),
    "confirm.policy": CheckWords(
        title="The decision to run strict is confirmed", false="the decision was taken back",
        needs="Confirm it in the first step of the checklist.",
    ),
    "replay.gate": CheckWords(
        title="The agent passes the golden cases", false="the agent failed the gate", unit="share",
        needs="Start a replay of all cases against this environment's agent, on Replay harness.",
    ),
    "deploy.settings": CheckWords(
        title="The settings keep deploys from interrupting work", unit="s",
        needs="Press Verify in the step about deploys.",
    ),
    "deploy.drill": CheckWords(
        title="A deploy interrupts nothing", unit="s",
        needs="Start the drill on Deployments, for an environment with [environments.drill].",
    ),
    "alerts.reach": CheckWords(
        title="Alerts reach somebody", false="alerts reach nobody",
        needs="Open Alerts, press Send a test, and open the link in the message.",
    ),
    "soak": CheckWords(
        title="Staging ran for the whole time, unchanged and without a fault",
        needs="Make staging strict, and leave it alone until its soak has passed.",
    ),
}  # fmt: skip
KNOWN: Mapping[str, CheckWords] = _OWN | dict(CHECKS)
_RELAXED = "the application keeps running without {}, so an outage would go unnoticed (relaxed mode)"
_REPORT = CHECKS["dependencies.ready"].needs
# What it takes to know again what is known no more, where that isn't Verify.
_AGAIN: Mapping[str, str] = {
    "replay.gate": "Replay all cases once more, against what runs now, on Replay harness.",
    "deploy.drill": "Start the drill once more on Deployments.",
    "alerts.reach": "Open Alerts, press Send a test again, and open the link in the message.",
    "soak": "Leave staging alone until it has passed its soak again, under what it runs now.",
}
START = "Start Greenlight again (python3 start.py), or its worker alone: nothing is measured without one."
_VERIFY_AGAIN = "Press Verify in the checklist: it is measured again, under what runs now."


def _words(check: str) -> CheckWords:
    """A check's words; those of several alike stand under what their names begin or end with."""
    known = KNOWN.get(check)
    if known is not None:
        return known
    if check.startswith(DECLARED):
        return CheckWords(
            title=f"The dependency {check.removeprefix(DECLARED)} answers as expected",
            needs="Press Probe now on Dependency health; its row says what is missing.",
        )
    if check.endswith(REQUIRED):
        name = check.removesuffix(REQUIRED)
        called = KINDS[name].title if name in KINDS else name
        return CheckWords(
            title=f"The running application requires {called}", needs=_REPORT,
            false=_RELAXED.format(called),
        )  # fmt: skip
    first, _, instance = check.partition(":")
    many = KNOWN.get(f"{first}:")
    if many is not None:
        return CheckWords(title=many.title.format(instance), needs=many.needs, unit=many.unit)
    return CheckWords(title=check, needs="Press Verify in the checklist.")


def is_known(check: str) -> bool:
    """Whether it is a check that may be named in a step."""
    return check in KNOWN or check.removesuffix(REQUIRED) in KINDS


def unit(check: str) -> str:
    """Of a check's value and threshold: `ms`, `s`, `share` (0 to 1), or "" for words and plain numbers."""
    return _words(check).unit


def probe(check: str) -> str:
    """The probe that measures a check each time that it runs; "" where none does."""
    if check.startswith(DECLARED):
        return check.removeprefix(DECLARED)
    if check.endswith(REQUIRED):
        return CHECKS["dependencies.ready"].probe
    return check if ":" in check else KNOWN[check].probe if check in KNOWN else ""


def needs(check: str) -> str:
    """What to do so that a check is measured at all."""
    return _words(check).needs or "Press Verify in the checklist."


def not_measured(check: str) -> Advice:
    """What is said of a check without any record."""
    if check == "confirm.policy":
        return Advice(what="Not confirmed yet: the decision to run in strict mode.", fix=needs(check))
    return Advice(what=f"Not measured yet: whether {whether(check)}.", fix=needs(check))


def again(check: str) -> str:
    """What to do so that a check whose evidence no longer counts is measured again."""
    return _AGAIN.get(check, _VERIFY_AGAIN)


def false(check: str) -> str:
    """What it means that a check is false, where that is the same whatever the cause; else ""."""
    return _words(check).false


def title(check: str) -> str:
    """A check in words."""
    return _words(check).title


def whether(check: str) -> str:
    """A check in words that follow *whether*."""
    words = title(check)
    named = words.startswith(tuple(kind.title for kind in KINDS.values()))
    return words if named else words[:1].lower() + words[1:]
