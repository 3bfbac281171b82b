"""The routes about replays. Runs are asked for through the store; targets come from settings alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from services import clock
from services.access import Person
from services.replay import start, view
from services.replay.runs import WrongRun
from services.replay.start import Wish
from services.settings import Settings
from services.store import Store, replays
from services.store.replays import Run

GetStore = Callable[[], Store]


class ReplayWish(BaseModel):
    """What is asked for; `agent` is a configured agent's name."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field("reference", max_length=60)
    subset: str = Field("", max_length=40)
    judge: Literal["rubric", "llm", "panel"] = "rubric"
    repeats: int = Field(1, ge=1, le=20)
    per_case: str = Field("all", pattern=r"^(all|majority|at_least:[1-9][0-9]?)$")
    min_pass_rate: float | None = Field(None, gt=0, le=1)
    aa: bool = Field(
        False, strict=True, description="Run it twice, to measure how much flips although nothing changed."
    )


def mount(app: FastAPI, settings: Settings, get_store: GetStore, guard: Callable[..., Person]) -> None:
    """Add the routes."""

    @app.get("/api/v1/replays", dependencies=[Depends(guard)])
    def listed(limit: Annotated[int, Query(ge=1, le=200)] = 50) -> dict[str, Any]:
        """The newest runs, newest first."""
        with get_store().read() as connection:
            return {"replays": [_short(run) for run in replays.newest(connection, limit=limit)]}

    @app.post("/api/v1/replays", status_code=202)
    def ask(wish: ReplayWish, person: Person = Depends(guard)) -> dict[str, Any]:  # noqa: B008 - FastAPI reads it
        """Ask the workers for a replay; its id tells how it goes on."""
        asked = Wish(**wish.model_dump(exclude={"aa"}))
        try:
            if not wish.aa:
                return _short(start.ask(get_store(), settings, asked, by=person))
            pair = start.ask_pair(get_store(), settings, asked, by=person)
        except WrongRun as error:
            raise HTTPException(404, str(error)) from error
        return _short(pair[1]) | {"pair": [run.id for run in pair]}

    @app.get("/api/v1/replays/{run_id}", dependencies=[Depends(guard)])
    def one(run_id: str, against: Annotated[str | None, Query(max_length=60)] = None) -> dict[str, Any]:
        """A run: how far it is while it is open, everything about it once it has ended."""
        store = get_store()
        found = view.progress(store, run_id)
        if found is None:
            raise HTTPException(404, "There is no such run. GET /api/v1/replays lists them.")
        if found.run.state in replays.OPEN:
            return _short(found.run) | {"done": found.done, "counts": dict(found.counts)}
        try:
            return dict(view.in_depth(store, run_id, against).document)
        except WrongRun as error:
            raise HTTPException(404, str(error)) from error


def _short(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "state": run.state,
        "verdict": run.verdict or None,
        "agent": run.agent,
        "environment": run.environment or None,
        "simulated": run.simulated,
        "subset": run.subset or None,
        "total": run.total,
        "passed": run.summary.get("passed"),
        "pass_rate": run.summary.get("pass_rate"),
        "quarantine": run.summary.get("quarantine") or [],
        "created_at": clock.iso(run.created_ms),
        "finished_at": None if run.finished_ms is None else clock.iso(run.finished_ms),
        "requested_by": run.requested_by,
        "message": run.message or None,
    }
