"""Appends evidence and reads it. Under a lock, so that two writers never follow the same record."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any
from weakref import WeakSet

from sqlalchemy import ColumnElement, Connection, Select, Text, Transaction, cast, func, literal, or_, select, text

from services.errors import StoreCorrupt
from services.evidence.model import (
    COMPACTED,
    GENESIS,
    REDACTED,
    ChainBreak,
    Evidence,
    Gap,
    Link,
    Redaction,
    agrees,
    canonical,
    chain_hash,
    find_break,
    gaps_of,
    parse,
    redactions_of,
)
from services.store.engine import Store
from services.store.schema import evidence, misfiled_by

_WHOLE = (evidence.c.seq, evidence.c.environment, evidence.c.check_name, evidence.c.outcome, evidence.c.at_ms,
          evidence.c.body)  # fmt: skip
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
    """How many records were written, and the newest one's hash: what a report is made at."""
    number = connection.execute(select(func.count()).select_from(evidence)).scalar_one()
    return number + sum(gap.count for gap in gaps(connection)), head(connection)


def newest_link(connection: Connection) -> tuple[int, str] | None:
    """Number and hash of the newest record, to be kept where nobody who writes here can change it."""
    row = connection.execute(select(evidence.c.seq, evidence.c.hash).order_by(evidence.c.seq.desc()).limit(1)).first()
    return None if row is None else (row.seq, row.hash)


def place(connection: Connection, wanted: str) -> int | None:
    """How many records had been written when this hash was the chain's head; None where no record left has it, nor any
    at the end of those that were compacted."""
    if wanted == GENESIS:
        return 0
    known = gaps(connection)
    ends = {gap.after: gap.last for gap in known}
    seq = connection.execute(select(evidence.c.seq).where(evidence.c.hash == wanted)).scalar() or ends.get(wanted)
    if seq is None:
        return None
    kept = connection.execute(select(func.count()).select_from(evidence).where(evidence.c.seq <= seq)).scalar_one()
    return kept + sum(gap.count for gap in known if gap.last <= seq)


def latest(connection: Connection, environment: str | None = None) -> tuple[Evidence, ...]:
    """The newest record of every check (of one environment, or of all)."""
    newest = select(func.max(evidence.c.seq)).group_by(evidence.c.environment, evidence.c.check_name)
    if environment is not None:
        newest = newest.where(evidence.c.environment == environment)
    rows = connection.execute(select(*_WHOLE).where(evidence.c.seq.in_(newest)).order_by(evidence.c.seq))
    return tuple(_record(row) for row in rows)


def history(
    connection: Connection, environment: str, *, check: str | None = None, since_ms: int | None = None,
    before_ms: int | None = None, limit: int = 200,
) -> tuple[tuple[int, str, Evidence], ...]:  # fmt: skip
    """The newest records of an environment, newest first, as (number, hash, record); of a stretch of time or of all."""
    query = select(*_WHOLE, evidence.c.hash).where(evidence.c.environment == environment)
    if since_ms is not None:
        query = query.where(evidence.c.at_ms >= since_ms)
    if before_ms is not None:
        query = query.where(evidence.c.at_ms < before_ms)
    if check is not None:
        query = query.where(evidence.c.check_name == check)
    rows = connection.execute(query.order_by(evidence.c.seq.desc()).limit(limit))
    return tuple((row.seq, row.hash, _record(row)) for row in rows)


def histories(
    connection: Connection, environment: str, checks: Collection[str], *, limit: int
) -> tuple[tuple[int, Evidence], ...]:
    """The newest records of each of these checks, newest first over all, as (number, record); one query."""
    place = func.row_number().over(partition_by=evidence.c.check_name, order_by=evidence.c.seq.desc()).label("place")
    query = select(*_WHOLE, place).where(evidence.c.environment == environment, evidence.c.check_name.in_(checks))
    ranked = query.subquery()
    rows = connection.execute(select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.seq.desc()))
    return tuple((row.seq, _record(row)) for row in rows)


def of_all(connection: Connection, check: str, limit: int) -> tuple[tuple[int, Evidence], ...]:
    """The newest records of a check over all environments, newest first, as (number, record)."""
    query = select(*_WHOLE).where(evidence.c.check_name == check).order_by(evidence.c.seq.desc()).limit(limit)
    return tuple((row.seq, _record(row)) for row in connection.execute(query))


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
    query = select(*_WHOLE).where(evidence.c.environment == environment, own)
    for row in connection.execute(query.order_by(evidence.c.seq)):
        _compare(row)
        (passed.add if row.outcome == "pass" else passed.discard)(row.check_name)
        if passed == wanted:
            return True
    return False


def _passed(connection: Connection, environment: str, check: str, since_ms: int) -> bool:
    query = select(*_WHOLE).where(
        evidence.c.environment == environment, evidence.c.check_name == check, evidence.c.outcome == "pass",
        evidence.c.at_ms >= since_ms,
    )  # fmt: skip
    found = connection.execute(query.limit(1)).first()
    if found is not None:
        _compare(found)
    return found is not None


def refuse_misfiled(connection: Connection) -> None:
    """Raise StoreCorrupt where a record of the whole installation, however old, is filed under another environment,
    check, outcome or moment than it was written for: a read by environment would never meet one that was moved away."""
    transaction = connection.get_transaction()  # a consistent view: what was found once in it stays so
    if transaction in _found_well_filed:
        return
    seq = connection.execute(_MISFILED[connection.dialect.name]).scalar()
    if seq is not None:
        raise _altered(seq)
    if transaction is not None:
        _found_well_filed.add(transaction)


def _misfiled(place: str, quoted: Callable[[ColumnElement[str]], ColumnElement[str]]) -> Select[int]:
    """`place`: the function that finds a text in another one, 0 for nowhere; `quoted` writes a text as JSON does."""
    fields = (
        ("environment", quoted(evidence.c.environment)),
        ("check", quoted(evidence.c.check_name)),
        ("outcome", quoted(evidence.c.outcome)),
        ("at_ms", cast(evidence.c.at_ms, Text).concat(",")),
    )
    moved = (getattr(func, place)(evidence.c.body, literal(f'"{name}":').concat(value)) == 0 for name, value in fields)
    return select(evidence.c.seq).where(text(misfiled_by(place)), or_(*moved)).limit(1)


_found_well_filed: WeakSet[Transaction] = WeakSet()
# By database. What the index of misfiled records holds is looked at; names that JSON writes otherwise are there, too.
_MISFILED = {
    "sqlite": _misfiled("instr", func.json_quote),
    "postgresql": _misfiled("strpos", lambda column: cast(func.to_json(column), Text)),
}


def verify(connection: Connection) -> ChainBreak | None:
    """Walk the whole chain; the first break, or None."""
    with closing(_links(connection)) as links:
        return find_break(links, redactions(connection), gaps(connection))


def redactions(connection: Connection) -> tuple[Redaction, ...]:
    """What redaction records state; each is a link of the chain itself, so its content is verified with the rest."""
    return tuple(item for record in _all_of(connection, REDACTED) for item in redactions_of(record))


def gaps(connection: Connection) -> tuple[Gap, ...]:
    """What compaction records state, oldest first; each is a link of the chain itself, as a redaction is."""
    return tuple(gap for record in _all_of(connection, COMPACTED) for gap in gaps_of(record))


def _all_of(connection: Connection, check: str) -> Iterator[Evidence]:
    query = select(evidence.c.body).where(evidence.c.check_name == check).order_by(evidence.c.seq)
    return (parse(row.body) for row in connection.execute(query))


def _links(connection: Connection) -> Generator[Link]:
    query = select(*_WHOLE, evidence.c.previous_hash, evidence.c.hash).order_by(evidence.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        for row in rows:
            columns = (row.environment, row.check_name, row.outcome, row.at_ms)
            yield Link(seq=row.seq, body=row.body, previous_hash=row.previous_hash, hash=row.hash, columns=columns)


def _record(row: Any) -> Evidence:
    """The record of a row. Raises StoreCorrupt where what it was found by is not what its content says."""
    record = parse(row.body)
    if not agrees((row.environment, row.check_name, row.outcome, row.at_ms), record):
        raise _altered(row.seq)
    return record


def _compare(row: Any) -> None:
    """The same without reading the content whole: canonical JSON holds each field in one spelling."""
    fields = (("check", row.check_name), ("environment", row.environment), ("outcome", row.outcome))
    if not all(f'"{name}":{json.dumps(value, ensure_ascii=False)}' in row.body for name, value in fields):
        raise _altered(row.seq)


def _altered(seq: int) -> StoreCorrupt:
    return StoreCorrupt(
        f"Evidence was altered in the database: record {seq} is filed as what its content does not say.",
        fix="Nothing that rests on it counts. Put a backup back, and find out who can write to the database.",
    )
