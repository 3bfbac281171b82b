"""Who may do something now. Leases and once-only claims, by conditional update: no lock server, no clock agreement
beyond the lease's length."""

from __future__ import annotations

from sqlalchemy import Column, ColumnElement, Connection, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.clock import SKEW_MS
from services.store.schema import claims

LONGEST_MS = 900_000  # no lease is taken for longer


def lapsed(until_ms: ColumnElement[int | None] | Column[int | None], now_ms: int) -> ColumnElement[bool]:
    """Whether a lease has ended, or was taken while a clock ran far ahead."""
    return or_(until_ms <= now_ms, until_ms > now_ms + LONGEST_MS)


def take(connection: Connection, name: str, owner: str, *, now_ms: int, lease_ms: int, again: bool = False) -> bool:
    """Take or renew the lease `name`; False while another owner's lease runs, or once it is done.

    `again`: one's own running lease is no reason either: two parts of a worker must not both begin the same work.
    """
    until = now_ms + lease_ms
    # A lease that ends later than one taken now could was taken while a clock ran ahead: it is not honoured.
    ended = or_(claims.c.until_ms <= now_ms, claims.c.until_ms > until + SKEW_MS)
    free = ended if again else or_(claims.c.owner == owner, ended)
    renewed = connection.execute(
        update(claims).where(claims.c.name == name, claims.c.done.is_(False), free).values(owner=owner, until_ms=until)
    )
    if renewed.rowcount:
        return True
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    made = connection.execute(
        insert(claims)
        .values(name=name, owner=owner, until_ms=until, done=False)
        .on_conflict_do_nothing()
        .returning(claims.c.name)
    )
    return made.first() is not None


def is_taken(connection: Connection, name: str, *, now_ms: int, lease_ms: int) -> bool:
    """Whether it is done, or somebody's lease on it runs: looked at without locking anything."""
    held = or_(claims.c.done, claims.c.until_ms.between(now_ms + 1, now_ms + lease_ms + SKEW_MS))
    return connection.execute(select(claims.c.name).where(claims.c.name == name, held)).first() is not None


def until(connection: Connection, name: str) -> int | None:
    """When a lease ends or ended (ms); None where nobody ever took it."""
    return connection.execute(select(claims.c.until_ms).where(claims.c.name == name)).scalar()


def finish(connection: Connection, name: str, owner: str) -> bool:
    """Mark the claim done for ever; False where the lease was lost to another owner meanwhile."""
    done = connection.execute(update(claims).where(claims.c.name == name, claims.c.owner == owner).values(done=True))
    return bool(done.rowcount)


def release(connection: Connection, owner: str, *, name: str | None = None) -> None:
    """Give back one lease, or all that this owner holds; done claims stay."""
    query = delete(claims).where(claims.c.owner == owner, claims.c.done.is_(False))
    connection.execute(query if name is None else query.where(claims.c.name == name))


def drop_done_before(connection: Connection, moment_ms: int) -> int:
    """Forget claims that ended before then; returns how many."""
    return connection.execute(delete(claims).where(claims.c.until_ms < moment_ms)).rowcount
