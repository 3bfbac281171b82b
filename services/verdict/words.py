"""What does each check mean, in words that need no knowledge of Redis or Inngest?"""

from __future__ import annotations

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "env.connections": "The inputs work, tried for real",
    "env.validation": "The variables are valid and strict",
    "confirm.policy": "The strict-policy decision is confirmed",
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
    "soak": "Staging stood still and well for the whole time",
}
FALSE: Mapping[str, str] = {
    "redis.required": "the running application does not require Redis: it runs relaxed",
    "inngest.required": "the running application does not require Inngest: it runs relaxed",
    "env.connections": "an input was refused when it was tried",
    "env.validation": "the variables have errors",
    "confirm.policy": "the decision was taken back",
    "inngest.functions": "fewer background functions are served than expected",
    "replay.gate": "the agent failed the gate",
}


UNITS: Mapping[str, str] = {
    "redis.ping": "ms", "redis.write": "ms", "inngest.moves_work": "s", "replay.gate": "share",
}  # fmt: skip


def unit(check: str) -> str:
    """Of a check's value and threshold: `ms`, `s`, `share` (0 to 1), or "" for words and plain numbers."""
    return "s" if check.startswith("queue:") else UNITS.get(check, "")


def title(check: str) -> str:
    """A check in words."""
    if check.startswith("queue:"):
        return f"Work waiting in {check.removeprefix('queue:')} is picked up in time"
    return TITLES.get(check, check)
