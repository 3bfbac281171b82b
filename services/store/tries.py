"""How each case ended in past runs: rows out."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from services.store.schema import replay_results, replay_runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One repeat of a case in a finished run: passed, failed, error or unscored."""

    case_id: str
    run_id: str
    repeat: int
    outcome: str
    at_ms: int


def of_agent(connection: Connection, golden_name: str, agent: str, since_ms: int) -> tuple[Try, ...]:
    """Every try of an agent's finished runs of a golden set since then, oldest first."""
    query = (
        select(
            replay_results.c.case_id, replay_results.c.run_id, replay_results.c.repeat, replay_results.c.outcome,
            replay_runs.c.created_ms.label("at_ms"),
        )
        .join(replay_runs, replay_runs.c.id == replay_results.c.run_id)
        .where(
            replay_runs.c.golden_name == golden_name, replay_runs.c.agent == agent, replay_runs.c.state == "done",
            replay_runs.c.created_ms >= since_ms,
        )
        .order_by(replay_runs.c.created_ms, replay_runs.c.id, replay_results.c.position)
    )  # fmt: skip
    return tuple(Try(**row._mapping) for row in connection.execute(query))


def agents(connection: Connection, golden_name: str) -> tuple[str, ...]:
    """The agents with a finished run of a golden set."""
    query = select(replay_runs.c.agent).where(replay_runs.c.golden_name == golden_name, replay_runs.c.state == "done")
    return tuple(row.agent for row in connection.execute(query.distinct().order_by(replay_runs.c.agent)))
