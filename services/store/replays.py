"""The replays that were asked for, who works on which case, and what came out. Claims by lease, results once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, or_, select, update

from services.store.claims import lapsed
from services.store.schema import golden_sets, replay_baselines, replay_results, replay_runs

OPEN = ("queued", "running")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A replay run as stored. `options` and `summary` are JSON values."""

    id: str
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    state: str = "queued"
    runner: str
    requested_by: str
    environment: str = ""
    simulated: bool = False
    agent: str
    subset: str = ""
    options: Mapping[str, Any]
    golden_name: str
    golden_sha256: str
    judge_sha256: str
    total: int
    verdict: str = ""
    summary: Mapping[str, Any]
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A piece of a run that somebody holds."""

    position: int
    case_id: str
    repeat: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A piece that is done: its outcome in a word, and its body as JSON."""

    position: int
    outcome: str
    body: str


def create(connection: Connection, run: Run, pieces: Sequence[tuple[str, int]], golden_body: str, version: str) -> None:
    """Put a run into the store with all its pieces (case id, repeat), and the golden set that it uses."""
    known = connection.execute(select(golden_sets.c.sha256).where(golden_sets.c.sha256 == run.golden_sha256)).first()
    if known is None:
        connection.execute(
            insert(golden_sets).values(
                sha256=run.golden_sha256, name=run.golden_name, version=version, body=golden_body
            )
        )
    values = {name: getattr(run, name) for name in run.__dataclass_fields__}
    values |= {"options": json.dumps(dict(run.options)), "summary": json.dumps(dict(run.summary))}
    connection.execute(insert(replay_runs).values(**values))
    rows = [
        {"run_id": run.id, "position": number, "case_id": case_id, "repeat": repeat, "state": "pending"}
        for number, (case_id, repeat) in enumerate(pieces)
    ]
    connection.execute(insert(replay_results), rows)


def claim(
    connection: Connection, run_id: str, owner: str, *, limit: int, now_ms: int, lease_ms: int,
    share: tuple[int, int] | None = None, from_the_end: bool = False,
) -> list[Claimed]:  # fmt: skip
    """Take up to `limit` pieces that nobody holds, or whose holder's lease ran out; of a share (first, last) alone."""
    free = or_(
        replay_results.c.state == "pending",
        and_(replay_results.c.state == "running", lapsed(replay_results.c.lease_until_ms, now_ms)),
    )
    wanted = select(replay_results.c.position).where(replay_results.c.run_id == run_id, free)
    if share is not None:
        wanted = wanted.where(replay_results.c.position.between(*share))
    position = replay_results.c.position
    wanted = wanted.order_by(position.desc() if from_the_end else position).limit(limit)
    if connection.dialect.name == "postgresql":
        wanted = wanted.with_for_update(skip_locked=True)
    positions = [row.position for row in connection.execute(wanted)]
    if not positions:
        return []
    rows = connection.execute(
        update(replay_results)
        .where(replay_results.c.run_id == run_id, replay_results.c.position.in_(positions), free)
        .values(state="running", owner=owner, lease_until_ms=now_ms + lease_ms)
        .returning(replay_results.c.position, replay_results.c.case_id, replay_results.c.repeat)
    )
    found = [Claimed(position=row.position, case_id=row.case_id, repeat=row.repeat) for row in rows]
    return sorted(found, key=lambda item: item.position)


_FINISH = (
    update(replay_results)
    .where(
        replay_results.c.run_id == bindparam("in_run"),
        replay_results.c.position == bindparam("at"),
        replay_results.c.owner == bindparam("by"),
        replay_results.c.state == "running",
    )
    .values(state="done", outcome=bindparam("what"), body=bindparam("text"), owner=None, lease_until_ms=None)
)


def finish(connection: Connection, run_id: str, owner: str, done: Iterable[Finished]) -> None:
    """Keep finished pieces. One whose lease was lost to another is dropped: each piece has one result."""
    rows = [
        {"in_run": run_id, "at": item.position, "by": owner, "what": item.outcome, "text": item.body} for item in done
    ]
    if rows:
        connection.execute(_FINISH, rows)


def renew(connection: Connection, run_id: str, owner: str, until_ms: int) -> None:
    """Hold what this owner holds for longer."""
    connection.execute(
        update(replay_results)
        .where(replay_results.c.run_id == run_id, replay_results.c.owner == owner, replay_results.c.state == "running")
        .values(lease_until_ms=until_ms)
    )


def hand_back(connection: Connection, owner: str) -> None:
    """Give back every piece that this owner holds, or one of its parts (`owner#part`)."""
    held = or_(replay_results.c.owner == owner, replay_results.c.owner.startswith(f"{owner}#", autoescape=True))
    connection.execute(
        update(replay_results)
        .where(held, replay_results.c.state == "running")
        .values(state="pending", owner=None, lease_until_ms=None)
    )


def take_over(connection: Connection, run_id: str) -> None:
    """Free every piece of a run that has a single runner, whose last one is gone."""
    connection.execute(
        update(replay_results)
        .where(replay_results.c.run_id == run_id, replay_results.c.state == "running")
        .values(state="pending", owner=None, lease_until_ms=None)
    )


def start(connection: Connection, run_id: str, now_ms: int, *, again: bool = True) -> None:
    """Mark a run as running, from its first taker on; with `again` also a cancelled or failed one."""
    states = ("queued", "cancelled", "failed") if again else ("queued",)
    connection.execute(
        update(replay_runs)
        .where(replay_runs.c.id == run_id, replay_runs.c.state.in_(states))
        .values(state="running", started_ms=func.coalesce(replay_runs.c.started_ms, now_ms), message="")
    )


def cancel(connection: Connection, run_id: str, now_ms: int) -> bool:
    """Stop a run: nothing more of it is taken; what is finished stays. False where it had ended."""
    changed = connection.execute(
        update(replay_runs)
        .where(replay_runs.c.id == run_id, replay_runs.c.state.in_(OPEN))
        .values(state="cancelled", finished_ms=now_ms)
    )
    return bool(changed.rowcount)


def fail(connection: Connection, run_id: str, message: str, now_ms: int) -> None:
    """End a run that can't be carried out, with a sentence."""
    connection.execute(
        update(replay_runs)
        .where(replay_runs.c.id == run_id, replay_runs.c.state.in_(OPEN))
        .values(state="failed", message=message, finished_ms=now_ms)
    )


def conclude(connection: Connection, run_id: str, verdict: str, summary: Mapping[str, Any], now_ms: int) -> bool:
    """Write the verdict of a run of which every piece is done; True for the one who did it."""
    changed = connection.execute(
        update(replay_runs)
        .where(replay_runs.c.id == run_id, replay_runs.c.state == "running")
        .values(state="done", verdict=verdict, summary=json.dumps(dict(summary)), finished_ms=now_ms)
    )
    return bool(changed.rowcount)


def rescored(
    connection: Connection, run_id: str, done: Iterable[Finished], judge_sha256: str, verdict: str,
    summary: Mapping[str, Any],
) -> None:  # fmt: skip
    """Replace a finished run's judgements, its answers being kept."""
    for item in done:
        connection.execute(
            update(replay_results)
            .where(replay_results.c.run_id == run_id, replay_results.c.position == item.position)
            .values(outcome=item.outcome, body=item.body)
        )
    connection.execute(
        update(replay_runs)
        .where(replay_runs.c.id == run_id)
        .values(judge_sha256=judge_sha256, verdict=verdict, summary=json.dumps(dict(summary)))
    )


def get(connection: Connection, run_id: str) -> Run | None:
    """One run, or None."""
    row = connection.execute(select(replay_runs).where(replay_runs.c.id == run_id)).first()
    return None if row is None else _run(row)


def newest(connection: Connection, *, limit: int = 50, **equal: str) -> tuple[Run, ...]:
    """The newest runs, newest first; keywords hold columns to values."""
    query = select(replay_runs)
    for name, value in equal.items():
        query = query.where(replay_runs.c[name] == value)
    query = query.order_by(replay_runs.c.created_ms.desc(), replay_runs.c.id.desc()).limit(limit)
    return tuple(_run(row) for row in connection.execute(query))


def takeable(connection: Connection, now_ms: int) -> tuple[Run, ...]:
    """Runs for workers that have a piece to take, oldest first."""
    free = or_(
        replay_results.c.state == "pending",
        and_(replay_results.c.state == "running", lapsed(replay_results.c.lease_until_ms, now_ms)),
    )
    has_free = select(replay_results.c.run_id).where(replay_results.c.run_id == replay_runs.c.id, free).exists()
    rows = connection.execute(
        select(replay_runs)
        .where(replay_runs.c.state.in_(OPEN), replay_runs.c.runner == "worker", has_free)
        .order_by(replay_runs.c.created_ms)
    )
    return tuple(_run(row) for row in rows)


def unconcluded(connection: Connection) -> tuple[Run, ...]:
    """Workers' runs of which every piece is done, but the verdict is missing: their last worker died in between."""
    has_open = (
        select(replay_results.c.run_id)
        .where(replay_results.c.run_id == replay_runs.c.id, replay_results.c.state != "done")
        .exists()
    )
    rows = connection.execute(
        select(replay_runs).where(replay_runs.c.state == "running", replay_runs.c.runner == "worker", ~has_open)
    )
    return tuple(_run(row) for row in rows)


def is_complete(connection: Connection, run_id: str, share: tuple[int, int] | None = None) -> bool:
    """Whether every piece of a run, or of a share of it, is done."""
    left = select(replay_results.c.position).where(replay_results.c.run_id == run_id, replay_results.c.state != "done")
    if share is not None:
        left = left.where(replay_results.c.position.between(*share))
    return connection.execute(left.limit(1)).first() is None


def state_of(connection: Connection, run_id: str) -> str:
    """The run's state."""
    return str(connection.execute(select(replay_runs.c.state).where(replay_runs.c.id == run_id)).scalar() or "")


def counts(connection: Connection, run_id: str) -> dict[str, int]:
    """How many pieces are pending, running, and done by outcome."""
    rows = connection.execute(
        select(replay_results.c.state, replay_results.c.outcome, func.count())
        .where(replay_results.c.run_id == run_id)
        .group_by(replay_results.c.state, replay_results.c.outcome)
    )
    found: dict[str, int] = {}
    for state, outcome, number in rows:
        name = outcome if state == "done" else state
        found[name] = found.get(name, 0) + number
    return found


def bodies(connection: Connection, run_id: str) -> tuple[tuple[int, str], ...]:
    """The finished pieces as (position, JSON), in order."""
    rows = connection.execute(
        select(replay_results.c.position, replay_results.c.body)
        .where(replay_results.c.run_id == run_id, replay_results.c.state == "done")
        .order_by(replay_results.c.position)
    )
    return tuple((row.position, row.body) for row in rows)


def case_bodies(connection: Connection, run_id: str, case_id: str) -> tuple[str, ...]:
    """The finished repeats of one case."""
    rows = connection.execute(
        select(replay_results.c.body)
        .where(replay_results.c.run_id == run_id, replay_results.c.case_id == case_id, replay_results.c.state == "done")
        .order_by(replay_results.c.position)
    )
    return tuple(row.body for row in rows)


def pieces(connection: Connection, run_id: str) -> tuple[tuple[str, int], ...]:
    """All pieces of a run as (case id, repeat), in order."""
    rows = connection.execute(
        select(replay_results.c.case_id, replay_results.c.repeat)
        .where(replay_results.c.run_id == run_id)
        .order_by(replay_results.c.position)
    )
    return tuple((row.case_id, row.repeat) for row in rows)


def golden_body(connection: Connection, sha256: str) -> str | None:
    """A golden set's JSON as it was when a run used it."""
    row = connection.execute(select(golden_sets.c.body).where(golden_sets.c.sha256 == sha256)).first()
    return None if row is None else str(row.body)


def promote(connection: Connection, run: Run, *, by: str, now_ms: int) -> None:
    """Make a run the baseline of its golden set and agent."""
    connection.execute(
        insert(replay_baselines).values(
            golden_name=run.golden_name, agent=run.agent, run_id=run.id, at_ms=now_ms, chosen_by=by[:120]
        )
    )


def baseline(connection: Connection, golden_name: str, agent: str) -> str | None:
    """The run that others of this golden set and agent are compared with."""
    row = connection.execute(
        select(replay_baselines.c.run_id)
        .where(replay_baselines.c.golden_name == golden_name, replay_baselines.c.agent == agent)
        .order_by(replay_baselines.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else str(row.run_id)


def baselines(connection: Connection, golden_name: str, agent: str) -> tuple[str, ...]:
    """The runs that were baselines of this golden set and agent, newest choice first."""
    query = select(replay_baselines.c.run_id).where(
        replay_baselines.c.golden_name == golden_name, replay_baselines.c.agent == agent
    )
    return tuple(str(row.run_id) for row in connection.execute(query.order_by(replay_baselines.c.id.desc())))


def _run(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    values |= {"options": json.loads(values["options"]), "summary": json.loads(values["summary"])}
    return Run(**values)
