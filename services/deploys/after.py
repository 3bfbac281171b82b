"""What is looked at after each deploy, by itself: ready, as many functions as before, work moves, the canary passes.

A deploy is confirmed when all that can be measured holds, and is not where something doesn't within 15 minutes. It is
looked at for the rest of the hour, as what comes late still comes. That no run happened to end is no fault, unless our
own pulse would have made one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from services.clock import HOUR_MS
from services.deploys.history import AFTER_MS, CHECK
from services.evidence import chain
from services.settings.model import Environment, Settings
from services.store import conditions, deploys, replays, samples
from services.store.conditions import Condition
from services.store.deploys import Deploy

LOOKS_MS = HOUR_MS  # for so long after a deploy is it looked at; then what is known stays
PARTS: Mapping[str, str] = {
    "readiness": "ready",
    "functions": "no fewer functions",
    "moves": "a run completed",
    "canary": "canary passed",
}
FUNCTIONS, MOVES = "inngest.functions", "inngest_run_success"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """By part: True holds, False doesn't, None not known yet; parts that can't be measured are left out."""

    parts: Mapping[str, bool | None]
    confirmed: bool | None


def due(connection: Connection, environment: str, now_ms: int) -> Deploy | None:
    """The newest deploy, while it has to be looked at."""
    found = deploys.newest(connection, environment)
    if found is None or found.source == deploys.FIRST or not 0 <= now_ms - found.at_ms < LOOKS_MS:
        return None
    return None if found.detail.get(CHECK, {}).get("confirmed") else found


def check(connection: Connection, settings: Settings, environment: Environment, deploy: Deploy, now_ms: int) -> Checked:
    """Look at what was measured since the deploy."""
    seen = {condition.probe: condition for condition in conditions.load(connection, environment.name)}
    parts: dict[str, bool | None] = {"readiness": _holds(seen.get("readiness"), deploy.at_ms)}
    if "inngest" in seen:
        parts["functions"] = _as_many(connection, seen["inngest"], deploy.at_ms)
    if environment.server is not None:
        parts["moves"] = _moved(connection, environment.name, deploy.at_ms, now_ms)
    agents = [agent.name for agent in settings.replay.agents if agent.environment == environment.name]
    if agents:
        parts["canary"] = _canary(connection, agents, deploy.at_ms)
    is_over = now_ms - deploy.at_ms >= AFTER_MS
    by_chance = environment.server is not None and not environment.server.pulsed
    wanted = dict(parts)
    if by_chance and is_over and wanted.get("moves", True) is None:
        del wanted["moves"]
    return Checked(parts=parts, confirmed=_confirmed(wanted, is_over=is_over))


def _confirmed(parts: Mapping[str, bool | None], *, is_over: bool) -> bool | None:
    if any(held is False for held in parts.values()):
        # What is not so yet may become so: a new version needs its time.
        return False if is_over else None
    if all(parts.values()):
        return True
    return False if is_over else None


def missing(parts: Mapping[str, bool | None]) -> list[str]:
    """What doesn't hold, in words."""
    return [PARTS.get(name, name) for name, held in parts.items() if held is not True] or ["ready"]


def keep(connection: Connection, deploy: Deploy, found: Checked, now_ms: int) -> None:
    """Keep it with the deploy."""
    body = {"parts": dict(found.parts), "confirmed": found.confirmed, "at_ms": now_ms}
    deploys.add_detail(connection, deploy, {CHECK: body})


def _holds(found: Condition | None, since_ms: int) -> bool | None:
    if found is None or found.at_ms <= since_ms or found.state == "unknown":
        return None
    return found.state != "down"


def _as_many(connection: Connection, now: Condition, at_ms: int) -> bool | None:
    """Functions registered now and before; what was never counted before has none that could be missing."""
    facts = now.detail.get("facts")
    count = facts.get("function_count") if isinstance(facts, dict) else None
    if now.at_ms <= at_ms or not isinstance(count, int):
        return None
    before = chain.history(connection, now.environment, check=FUNCTIONS, before_ms=at_ms, limit=1)
    counted = before[0][2].value if before else None
    return count >= counted if isinstance(counted, int) else count > 0


def _moved(connection: Connection, environment: str, at_ms: int, now_ms: int) -> bool | None:
    found = samples.of(connection, (environment, MOVES), at_ms, now_ms + 1)
    return True if any(good for _, _, good, _ in found) else False if found else None


def _canary(connection: Connection, agents: list[str], at_ms: int) -> bool | None:
    """Every agent's first canary since then."""
    outcomes = []
    for agent in agents:
        runs = [run for run in replays.newest(connection, limit=20, agent=agent, subset="canary")
                if run.created_ms >= at_ms]  # fmt: skip
        outcomes.append({"PASS": True, "BLOCK": False}.get(runs[-1].verdict) if runs else None)
    return False if False in outcomes else None if None in outcomes else True
