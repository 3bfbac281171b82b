"""What people say of answers: rows in, rows out."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import replay_labels as table
from services.store.schema import replay_results, replay_runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """One person's word on one criterion of one answer: pass, fail, or unknown where they can't tell.

    `person` is a hash of who they are, `by` the name that is shown.
    """

    run_id: str
    position: int
    criterion: str
    person: str
    by: str
    label: str
    at_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """An answer of a past run, as JSON, with what it was judged by."""

    run_id: str
    position: int
    golden_sha256: str
    judge_sha256: str
    options: str
    outcome: str
    body: str


def put(connection: Connection, label: Label) -> None:
    """Keep a word; a later one of the same person on the same criterion replaces it."""
    values = {f.name: getattr(label, f.name) for f in fields(Label)}
    made = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table).values(**values)
    keys = ["run_id", "position", "criterion", "person"]
    connection.execute(
        made.on_conflict_do_update(index_elements=keys, set_={"label": label.label, "at_ms": label.at_ms})
    )


def take_back_newest(connection: Connection, person: str, since_ms: int) -> Label | None:
    """Take back a person's newest word since then; what it was, None where there is none."""
    query = select(table).where(table.c.person == person, table.c.at_ms >= since_ms)
    row = connection.execute(query.order_by(table.c.at_ms.desc(), table.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    connection.execute(delete(table).where(table.c.id == row.id))
    return Label(**{f.name: getattr(row, f.name) for f in fields(Label)})


def everything(connection: Connection, person: str | None = None) -> tuple[Label, ...]:
    """Every word, of a person or of all, oldest first."""
    query = select(table).order_by(table.c.at_ms, table.c.id)
    if person is not None:
        query = query.where(table.c.person == person)
    return tuple(Label(**{f.name: getattr(row, f.name) for f in fields(Label)}) for row in connection.execute(query))


def candidates(connection: Connection, *, from_ms: int, until_ms: int, limit: int) -> tuple[tuple[str, int, str], ...]:
    """(run, position, outcome) of judged answers of runs that ended in that time, the newest runs first."""
    query = (
        select(replay_results.c.run_id, replay_results.c.position, replay_results.c.outcome)
        .join(replay_runs, replay_runs.c.id == replay_results.c.run_id)
        .where(
            replay_runs.c.state == "done",
            replay_runs.c.finished_ms.between(from_ms, until_ms),
            replay_results.c.outcome.in_(("passed", "failed", "unscored")),
        )
        .order_by(replay_runs.c.finished_ms.desc(), replay_results.c.run_id, replay_results.c.position)
        .limit(limit)
    )
    return tuple((row.run_id, row.position, row.outcome) for row in connection.execute(query))


def kept(connection: Connection, run_id: str, position: int) -> Kept | None:
    """One answer, or None."""
    query = (
        select(
            replay_results.c.run_id, replay_results.c.position, replay_runs.c.golden_sha256,
            replay_runs.c.judge_sha256, replay_runs.c.options, replay_results.c.outcome, replay_results.c.body,
        )
        .join(replay_runs, replay_runs.c.id == replay_results.c.run_id)
        .where(replay_results.c.run_id == run_id, replay_results.c.position == position)
    )  # fmt: skip
    row = connection.execute(query).first()
    return None if row is None else Kept(**row._mapping)


def people(connection: Connection) -> dict[str, int]:
    """How many words each person gave."""
    query = select(func.max(table.c.by), func.count()).group_by(table.c.person)
    found: dict[str, int] = {}
    for name, number in connection.execute(query.order_by(func.max(table.c.by), table.c.person)):
        same = sum(key == name or key.startswith(f"{name} #") for key in found)
        found[f"{name} #{same + 1}" if same else name] = number  # two people of one name
    return found
