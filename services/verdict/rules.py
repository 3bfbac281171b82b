"""Which rules decide Go or No-Go, in the order of what to do first? Source: domain.md §5. A table, no branches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.soak.reckon import CHECK as SOAK
from services.verdict.model import Subject


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule: the checks that must all pass. `fix` is said where one fails, `measure` where one is not known, `again`
    where it was known and is no more."""

    id: str
    title: str
    checks: Callable[[Subject], tuple[str, ...]]
    fix: str
    measure: str
    step: str
    again: str = "Press Verify at its step of the checklist: it is measured anew, under what runs now."
    applies: Callable[[Subject], bool] = lambda _subject: True


def _always(*names: str) -> Callable[[Subject], tuple[str, ...]]:
    return lambda _subject: names


def _queues(subject: Subject) -> tuple[str, ...]:
    return tuple(f"queue:{name}" for name in subject.queues)


RULES: tuple[Rule, ...] = (
    Rule(
        id="inputs",
        title="The four inputs are there and confirmed",
        checks=_always("env.connections", "confirm.policy"),
        fix="Correct the input that was refused (page Env diff, Validate, names it), then press Verify.",
        measure="In the checklist, collect the four inputs: press Verify, and confirm the strict-policy decision.",
        step="inputs",
    ),
    Rule(
        id="validation",
        title="The environment's variables are valid and strict",
        checks=_always("env.validation"),
        fix="Open Env diff, Validate, and correct what it lists; save and redeploy.",
        measure="Open Env diff, Validate, for this environment.",
        step="validate",
    ),
    Rule(
        id="strict",
        title="The running application enforces strict mode",
        checks=_always("redis.required", "inngest.required"),
        fix="Set REDIS_REQUIRED=true and INNGEST_REQUIRED=true, save, and redeploy: nothing applies before a redeploy.",
        measure="Give this environment its DASHBOARD_AUTH_TOKEN, so that the application's own report can be read.",
        step="apply",
    ),
    Rule(
        id="readiness",
        title="The application says that it is ready",
        checks=_always("readiness.ready"),
        fix="Open Dependency health: mend what is required and down.",
        measure="Start the worker, or press Probe now on Dependency health.",
        step="verify",
    ),
    Rule(
        id="dependencies",
        title="What it depends on is healthy, measured by us",
        checks=_always("dependencies.ready", "redis.ping", "redis.write"),
        fix="Open Dependency health: the failing dependency says what to do.",
        measure="Give this environment REDIS_URL and DASHBOARD_AUTH_TOKEN, then press Probe now.",
        step="verify",
    ),
    Rule(
        id="queues",
        title="Waiting work is picked up in time",
        checks=_queues,
        applies=lambda subject: bool(subject.queues),
        fix="Check that the worker that empties the queue runs.",
        measure="Give this environment REDIS_URL, so that its queues can be read.",
        step="verify",
    ),
    Rule(
        id="inngest",
        title="Inngest is in order, and work was seen moving",
        checks=_always("inngest.route", "inngest.functions", "inngest.moves_work"),
        fix="Open Dependency health, Inngest: it says where work stops.",
        measure="Give this environment INNGEST_SIGNING_KEY, so that its route and runs can be read.",
        step="inngest",
    ),
    Rule(
        id="replay",
        title="The agent passes the replay gate",
        checks=_always("replay.gate"),
        fix="Open Replay harness: the failed cases say what the agent got wrong.",
        measure="Start a replay of the whole golden set against this environment's agent (Replay harness).",
        step="replay",
        again="Replay the whole golden set once more, against what runs now (Replay harness).",
    ),
    Rule(
        id=SOAK,
        title="Staging has passed its soak under the same policy",
        checks=_always(SOAK),
        applies=lambda subject: subject.needs_soak,
        fix="Look at the soak in the checklist: it says what broke it, and since when it runs again.",
        measure="Make staging strict and leave it alone until its soak has passed.",
        step="soak",
        again="Staging has to pass its soak again, under what it runs now: leave it alone until it has.",
    ),
)
