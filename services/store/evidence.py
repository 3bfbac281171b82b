"""How is evidence appended and read? Under a lock, so that two writers never follow the same record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import Connection, func, select

from services.evidence.model import GENESIS, ChainBreak, Evidence, Link, canonical, chain_hash, find_break, parse
from services.store.engine import Store
from services.store.schema import evidence

_NEWEST = select(evidence.c.hash).order_by(evidence.c.seq.desc()).limit(1)


def append(store: Store, connection: Connection, records: Iterable[Evidence]) -> str:
    """Append records in order inside a `store.write()` transaction; returns the chain's new head."""
    store.lock_chain(connection)
    previous = head(connection)
    rows = []
    for record in records:
        body = canonical(record)
        current = chain_hash(previous, body)
        rows.append(
            {
                "environment": record.environment,
                "check_name": record.check,
                "outcome": record.outcome,
                "at_ms": record.at_ms,
                "body": body,
                "previous_hash": previous,
                "hash": current,
            }
        )
        previous = current
    if rows:
        connection.execute(evidence.insert(), rows)
    return previous


def head(connection: Connection) -> str:
    """Hash of the newest record; GENESIS for an empty chain."""
    return connection.execute(_NEWEST).scalar() or GENESIS


def tip(connection: Connection) -> tuple[int, str]:
    """How many records there are, and the newest one's hash: what a report is made at."""
    number = connection.execute(select(func.count()).select_from(evidence)).scalar_one()
    return number, head(connection)


def at(connection: Connection, number: int) -> str:
    """The hash of the record of that place in the chain; "" where there are fewer."""
    if number == 0:
        return GENESIS
    query = select(evidence.c.hash).order_by(evidence.c.seq).offset(number - 1).limit(1)
    return str(connection.execute(query).scalar() or "")


def latest(connection: Connection, environment: str | None = None) -> tuple[Evidence, ...]:
    """The newest record of every check (of one environment, or of all)."""
    newest = select(func.max(evidence.c.seq)).group_by(evidence.c.environment, evidence.c.check_name)
    if environment is not None:
        newest = newest.where(evidence.c.environment == environment)
    rows = connection.execute(select(evidence.c.body).where(evidence.c.seq.in_(newest)).order_by(evidence.c.seq))
    return tuple(parse(row.body) for row in rows)


def history(
    connection: Connection, environment: str, *, check: str | None = None, limit: int = 200
) -> tuple[tuple[int, str, Evidence], ...]:
    """The newest records of an environment, newest first, as (number, hash, record)."""
    query = select(evidence.c.seq, evidence.c.hash, evidence.c.body).where(evidence.c.environment == environment)
    if check is not None:
        query = query.where(evidence.c.check_name == check)
    rows = connection.execute(query.order_by(evidence.c.seq.desc()).limit(limit))
    return tuple((row.seq, row.hash, parse(row.body)) for row in rows)


def newest(connection: Connection, environment: str, check: str) -> Evidence | None:
    """The newest record of a check; None where there is none."""
    found = history(connection, environment, check=check, limit=1)
    return found[0][2] if found else None


def passed_together(
    connection: Connection, environment: str, checks: Collection[str], since_ms: int, *, standing: str = ""
) -> bool:
    """Whether all these checks passed at one moment since then, and `standing` with them, whenever that was said."""
    if not checks or not all(_passed(connection, environment, check, since_ms) for check in checks):
        return False
    wanted, passed = set(checks), set[str]()
    own = evidence.c.check_name.in_(wanted) & (evidence.c.at_ms >= since_ms)
    if standing:
        wanted.add(standing)
        own |= evidence.c.check_name == standing
    query = select(evidence.c.check_name, evidence.c.outcome).where(evidence.c.environment == environment, own)
    for row in connection.execute(query.order_by(evidence.c.seq)):
        (passed.add if row.outcome == "pass" else passed.discard)(row.check_name)
        if passed == wanted:
            return True
    return False


def _passed(connection: Connection, environment: str, check: str, since_ms: int) -> bool:
    query = select(evidence.c.seq).where(
        evidence.c.environment == environment, evidence.c.check_name == check, evidence.c.outcome == "pass",
        evidence.c.at_ms >= since_ms,
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def verify(connection: Connection) -> ChainBreak | None:
    """Walk the whole chain; the first break, or None."""
    return find_break(_links(connection))


def _links(connection: Connection) -> Iterator[Link]:
    query = select(evidence.c.seq, evidence.c.body, evidence.c.previous_hash, evidence.c.hash).order_by(evidence.c.seq)
    for row in connection.execution_options(yield_per=1000).execute(query):
        yield Link(seq=row.seq, body=row.body, previous_hash=row.previous_hash, hash=row.hash)
