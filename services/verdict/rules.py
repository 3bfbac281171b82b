"""The rules that decide Go or No-Go, in the order of what to do first. Source: domain.md §5. A table, no branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.dependencies.probe import CHECK as DECLARED
from services.dependencies.registry import KINDS, checks_of
from services.dependencies.tables import STRICT
from services.soak.evaluate import CHECK as SOAK
from services.verdict.model import Subject

FLAGS = " and ".join(f"{name.upper()}_REQUIRED" for name in STRICT)
DRILL = "deploy.drill"
ENFORCE = f"Follow the checklist: it tells you when to set {FLAGS} to true and redeploy."


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule: the checks that must all pass. `fix` is said where one fails whose cause has no fix of its own."""

    id: str
    title: str
    checks: Callable[[Subject], tuple[str, ...]]
    fix: str
    step: str
    applies: Callable[[Subject], bool] = lambda _subject: True


def _always(*names: str) -> Callable[[Subject], tuple[str, ...]]:
    return lambda _subject: names


def _queues(subject: Subject) -> tuple[str, ...]:
    return tuple(f"queue:{name}" for name in subject.queues)


# What is broken now comes before what is missing on the way to strict, and that in the order of the checklist.
RULES: tuple[Rule, ...] = (
    Rule(
        id="readiness",
        title="The application says that it is ready",
        checks=_always(*checks_of("readiness")),
        fix="Open Dependency health: fix what is required and down.",
        step="verify",
    ),
    Rule(
        id="dependencies",
        title="What it depends on is healthy, measured by us",
        checks=lambda subject: (*checks_of("dependencies"), *(f"{DECLARED}{name}" for name in subject.required)),
        fix="Open Dependency health: the failing dependency says what to do.",
        step="verify",
    ),
    Rule(
        id="queues",
        title="Waiting work is picked up in time",
        checks=_queues,
        applies=lambda subject: bool(subject.queues),
        fix="Check that the worker that empties the queue runs.",
        step="verify",
    ),
    Rule(
        id="inputs",
        title="The four inputs are there and confirmed",
        checks=_always("env.connections", "confirm.policy"),
        fix="Correct the input that was refused (Env diff › Validate names it), then press Verify.",
        step="inputs",
    ),
    *(
        Rule(id=own.id, title=own.title, checks=_always(*checks_of(own.id)), fix=own.fix, step=own.step)
        for kind in KINDS.values()
        for own in kind.rules
    ),
    Rule(
        id="strict",
        title="The running application enforces strict mode",
        checks=lambda subject: tuple(f"{name}.required" for name in subject.strict),
        fix=ENFORCE,
        step="apply",
    ),
    Rule(
        id="validation",
        title="The environment's variables are valid and strict",
        checks=_always("env.validation"),
        fix="Open Env diff › Validate and correct what it lists; save, and redeploy.",
        step="validate",
    ),
    Rule(
        id="replay",
        title="The agent passes the replay gate",
        checks=_always("replay.gate"),
        fix="Open Replay harness: the failed cases say what the agent got wrong.",
        step="replay",
    ),
    Rule(
        id="drill",
        title="A deploy interrupts nothing, shown by a drill",
        checks=_always(DRILL),
        applies=lambda subject: subject.needs_drill,
        fix="Open Deployments: the drill says what was cut, and what to set.",
        step="deploys",
    ),
    Rule(
        id="alerts",
        title="Alerts reach somebody",
        checks=_always("alerts.reach"),
        applies=lambda subject: subject.alerts,
        fix="Open Alerts, press Send a test, and open the link in the message.",
        step="alerts",
    ),
    Rule(
        id=SOAK,
        title="Staging has passed its soak under the same policy",
        checks=_always(SOAK),
        applies=lambda subject: subject.needs_soak,
        fix="Look at the soak in the checklist: it says what broke it, and since when it runs again.",
        step="soak",
    ),
)
