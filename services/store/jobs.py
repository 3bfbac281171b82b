"""What people asked the worker to do, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, update

from services.store.claims import lapsed
from services.store.schema import jobs


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A piece of work in the store; `state` is queued, running, done or failed."""

    id: str
    kind: str
    environment: str
    state: str
    requested_ms: int
    requested_by: str
    finished_ms: int | None
    done_steps: int
    total_steps: int
    message: str


_COLUMNS = tuple(jobs.c[name] for name in Job.__dataclass_fields__)


def enqueue(
    connection: Connection, *, id_: str, kind: str, environment: str, by: str, now_ms: int, message: str = ""
) -> None:
    """Ask the worker for a job; `message` is what it needs to know, until its result stands there."""
    connection.execute(
        jobs.insert().values(
            id=id_,
            kind=kind,
            environment=environment,
            state="queued",
            requested_ms=now_ms,
            requested_by=by[:120],
            done_steps=0,
            total_steps=0,
            message=message,
        )
    )


def _free(now_ms: int, environments: tuple[str, ...]) -> ColumnElement[bool]:
    waits = or_(jobs.c.state == "queued", and_(jobs.c.state == "running", lapsed(jobs.c.lease_until_ms, now_ms)))
    return and_(waits, jobs.c.environment.in_(environments))


def any_waiting(connection: Connection, *, now_ms: int, environments: tuple[str, ...]) -> bool:
    """Whether there is a job to claim, without locking anything."""
    return connection.execute(select(jobs.c.id).where(_free(now_ms, environments)).limit(1)).first() is not None


def claim(
    connection: Connection, owner: str, *, now_ms: int, lease_ms: int, environments: tuple[str, ...]
) -> Job | None:
    """Take the oldest job of these environments that waits, or whose owner's lease ran out; None for none."""
    free = _free(now_ms, environments)
    oldest = select(jobs.c.id).where(free).order_by(jobs.c.requested_ms).limit(1)
    if connection.dialect.name == "postgresql":
        oldest = oldest.with_for_update(skip_locked=True)
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == oldest.scalar_subquery(), free)
        .values(state="running", owner=owner, lease_until_ms=now_ms + lease_ms)
        .returning(*_COLUMNS)
    ).first()
    return None if row is None else Job(**row._mapping)


def progress(connection: Connection, id_: str, owner: str, *, done: int, total: int, lease_until_ms: int) -> bool:
    """Note how far a job is and renew its lease; False where it was lost."""
    changed = connection.execute(
        update(jobs)
        .where(jobs.c.id == id_, jobs.c.owner == owner, jobs.c.state == "running")
        .values(done_steps=done, total_steps=total, lease_until_ms=lease_until_ms)
    )
    return bool(changed.rowcount)


def finish(connection: Connection, id_: str, owner: str, *, state: str, message: str, now_ms: int) -> bool:
    """End a job as done or failed; False where the lease was lost."""
    changed = connection.execute(
        update(jobs)
        .where(jobs.c.id == id_, jobs.c.owner == owner, jobs.c.state == "running")
        .values(state=state, message=message, finished_ms=now_ms, owner=None, lease_until_ms=None)
    )
    return bool(changed.rowcount)


def hand_back(connection: Connection, owner: str) -> None:
    """Put everything that this owner holds back into the queue."""
    connection.execute(
        update(jobs)
        .where(jobs.c.owner == owner, jobs.c.state == "running")
        .values(state="queued", owner=None, lease_until_ms=None)
    )


def get(connection: Connection, id_: str) -> Job | None:
    """One job, or None."""
    row = connection.execute(select(*_COLUMNS).where(jobs.c.id == id_)).first()
    return None if row is None else Job(**row._mapping)


def open_job(connection: Connection, *, kind: str, environment: str) -> Job | None:
    """The newest job of that kind that waits or runs: a second press of a button finds the first one's."""
    row = connection.execute(
        select(*_COLUMNS)
        .where(jobs.c.kind == kind, jobs.c.environment == environment, jobs.c.state.in_(("queued", "running")))
        .order_by(jobs.c.requested_ms.desc())
        .limit(1)
    ).first()
    return None if row is None else Job(**row._mapping)


def drop_finished_before(connection: Connection, moment_ms: int) -> int:
    """Forget finished jobs; returns how many."""
    return connection.execute(delete(jobs).where(jobs.c.finished_ms < moment_ms)).rowcount
