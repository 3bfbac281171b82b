"""How far a drill is: one row per environment, from which another worker goes on where the first one is killed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from sqlalchemy import Connection

from services.store import readings

KIND = "drill"  # of the row, and of the job
Phase = Literal["sending", "waiting", "following", "done", "stopped"]
Deploy = Literal["", "asked", "running", "ok", "failed", "unseen"]  # asked: of a person; unseen: its worker was killed


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A drill. `id` is its job's; times in ms, None before they are known. `said`: the deploy command's last line."""

    id: str
    by: str
    begun_ms: int
    steps_s: tuple[float, ...]
    terms: Mapping[str, Any]
    phase: Phase = "sending"
    event_id: str = ""
    sent_ms: int | None = None
    deploy: Deploy = ""
    deploy_ms: int | None = None
    said: str = ""
    ended_steps: int = 0
    what: str = ""  # how it ended
    fix: str = ""

    @property
    def steps(self) -> int:
        """How many steps the function has: the closing one too."""
        return len(self.steps_s) + 1


def keep(connection: Connection, environment: str, state: State, now_ms: int) -> None:
    """Put it in the place of the one before."""
    readings.keep(connection, environment, KIND, at_ms=now_ms, body=asdict(state))


def load(connection: Connection, environment: str) -> State | None:
    """The newest drill of an environment; None before the first, and for a row that a later version wrote otherwise."""
    kept = readings.load(connection, environment, KIND)
    if kept is None:
        return None
    known = {field.name for field in fields(State)}
    found = {name: value for name, value in kept.body.items() if name in known}
    try:
        return State(**found | {"steps_s": tuple(found["steps_s"])})
    except (KeyError, TypeError):
        return None
