"""What does each check mean, in words that need no knowledge of Redis or Inngest?"""

from __future__ import annotations

from collections.abc import Mapping

from services.dependencies.probe import CHECK as DECLARED

REQUIRED = ".required"
TITLES: Mapping[str, str] = {
    "env.connections": "The inputs work when they are tried",
    "env.validation": "The variables are valid and strict",
    "confirm.policy": "The decision to run strict is confirmed",
    "redis.required": "The running application requires Redis",
    "inngest.required": "The running application requires Inngest",
    "readiness.ready": "The application answers that it is ready",
    "dependencies.ready": "The application reports its dependencies healthy",
    "redis.ping": "Redis (the fast store) answers",
    "redis.write": "Redis takes and gives back what is written",
    "inngest.route": "Inngest (which starts background jobs) may call the application",
    "inngest.functions": "All background functions are there",
    "inngest.moves_work": "A background run was seen to complete",
    "replay.gate": "The agent passes the golden cases",
    "soak": "Staging ran for the whole time, unchanged and without a fault",
}
_RELAXED = "the running application does not require {}: it runs relaxed, and an outage would go unnoticed"
FALSE: Mapping[str, str] = {
    "redis.required": _RELAXED.format("Redis"),
    "inngest.required": _RELAXED.format("Inngest"),
    "env.connections": "an input was refused when it was tried",
    "env.validation": "the variables have errors",
    "confirm.policy": "the decision was taken back",
    "replay.gate": "the agent failed the gate",
}
# What it takes to measure a check that never was.
_REPORT = "Give this environment its DASHBOARD_AUTH_TOKEN, so that the application's own report can be read."
_REDIS = "Give this environment its REDIS_URL, then press Probe now on Dependency health."
_ROUTE = "Give this environment its INNGEST_SIGNING_KEY, so that its Inngest route can be read."
NEEDS: Mapping[str, str] = {
    "env.connections": "Press Verify in the first step of the checklist.",
    "env.validation": "Press Verify in the checklist, where variables are validated.",
    "confirm.policy": "Confirm it in the first step of the checklist.",
    "redis.required": _REPORT,
    "inngest.required": _REPORT,
    "readiness.ready": "Start the worker, or press Probe now on Dependency health.",
    "dependencies.ready": _REPORT,
    "redis.ping": _REDIS,
    "redis.write": _REDIS,
    "inngest.route": _ROUTE,
    "inngest.functions": _ROUTE,
    "inngest.moves_work": "It is read from Inngest's list of runs. That needs INNGEST_SIGNING_KEY or, for a server of "
    "your own, inngest.api_url in greenlight.toml; Dependency health says which.",
    "replay.gate": "Start a replay of all cases against this environment's agent, on Replay harness.",
    "soak": "Make staging strict, and leave it alone until its soak has passed.",
}
# What it takes to know again what is known no more, where that isn't Verify.
AGAIN: Mapping[str, str] = {
    "replay.gate": "Replay all cases once more, against what runs now, on Replay harness.",
    "soak": "Leave staging alone until it has passed its soak again, under what it runs now.",
}
START = "Start Greenlight again (python3 start.py), or its worker alone: nothing is measured without one."
VERIFY_AGAIN = "Press Verify in the checklist: it is measured anew, under what runs now."
_NAMES = ("Redis", "Inngest")
UNITS: Mapping[str, str] = {
    "redis.ping": "ms", "redis.write": "ms", "inngest.moves_work": "s", "replay.gate": "share",
}  # fmt: skip


def unit(check: str) -> str:
    """Of a check's value and threshold: `ms`, `s`, `share` (0 to 1), or "" for words and plain numbers."""
    return "s" if check.startswith("queue:") else UNITS.get(check, "")


def needs(check: str) -> str:
    """What to do so that a check is measured at all."""
    if check.startswith(DECLARED):
        return "Press Probe now on Dependency health; its row says what is missing."
    if check.endswith(REQUIRED):
        return NEEDS.get(check, _REPORT)
    if check.startswith("queue:"):
        return "Give this environment its REDIS_URL, so that its queues can be read."
    return NEEDS.get(check, "Press Verify in the checklist.")


def whether(check: str) -> str:
    """A check in words that follow *whether*."""
    words = title(check)
    return words if words.startswith(_NAMES) else words[:1].lower() + words[1:]


def title(check: str) -> str:
    """A check in words."""
    if check.startswith("queue:"):
        return f"Work waiting in {check.removeprefix('queue:')} is picked up in time"
    if check.startswith(DECLARED):
        return f"The dependency {check.removeprefix(DECLARED)} answers as expected"
    if check.endswith(REQUIRED):
        return TITLES.get(check, f"The running application requires {check.removesuffix(REQUIRED)}")
    return TITLES.get(check, check)


def false(check: str) -> str:
    """What it means that a check is false, where that is the same whatever the cause; else ""."""
    if check.endswith(REQUIRED) and check not in FALSE:
        return _RELAXED.format(check.removesuffix(REQUIRED))
    return FALSE.get(check, "")
