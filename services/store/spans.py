"""The states that a probe went through, and when it was not observed. Runs of one state, lengthened as they last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, bindparam, func, insert, select, update

from services.store.schema import spans

ENVIRONMENT = "environment"  # the "probe" under which an environment's overall state is kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A run of one state. Time between two spans of a probe was not observed."""

    environment: str
    probe: str
    state: str
    code: str
    from_ms: int
    until_ms: int


@dataclass(slots=True)
class StoredSpan:
    """A probe's newest span; `id` is None until it is in the store."""

    id: int | None
    span: Span


_LENGTHEN = update(spans).where(spans.c.id == bindparam("span_id")).values(until_ms=bindparam("until"))


@dataclass(slots=True)
class Changes:
    """Spans to lengthen and spans to begin, gathered over a batch and applied at once."""

    lengthened: dict[int, int] = field(default_factory=dict)
    begun: list[StoredSpan] = field(default_factory=list)

    def observe(self, before: StoredSpan | None, seen: Span, *, gap_ms: int) -> StoredSpan:
        """The span that `seen` (one moment) belongs to: the one before, lengthened, or a new one.

        Seen within `gap_ms` of the one before, the earlier state held until now: there is no hole between them.
        """
        if before is None or seen.until_ms - before.span.until_ms > gap_ms:
            return self._begin(seen)
        if (before.span.state, before.span.code) == (seen.state, seen.code):
            until = max(seen.until_ms, before.span.until_ms)
            if before.id is not None:
                self.lengthened[before.id] = until
                return StoredSpan(before.id, replace(before.span, until_ms=until))
            before.span = replace(before.span, until_ms=until)
            return before
        begins = min(seen.from_ms, before.span.until_ms)
        return self._begin(replace(seen, from_ms=begins, until_ms=max(seen.until_ms, before.span.until_ms)))

    def _begin(self, span: Span) -> StoredSpan:
        stored = StoredSpan(None, span)
        self.begun.append(stored)
        return stored

    def apply(self, connection: Connection) -> None:
        """Write the changes; begun spans get their ids."""
        if self.lengthened:
            connection.execute(
                _LENGTHEN,
                [{"span_id": id_, "until": until} for id_, until in self.lengthened.items()],
            )
        for stored in self.begun:
            stored.id = connection.execute(insert(spans).values(**_columns(stored.span)).returning(spans.c.id)).scalar()


def _columns(span: Span) -> dict[str, str | int]:
    return {name: getattr(span, name) for name in Span.__dataclass_fields__}


def insert_all(connection: Connection, items: list[Span]) -> None:
    """Write finished spans, as from a generated or imported history."""
    if items:
        connection.execute(insert(spans), [_columns(item) for item in items])


def newest(connection: Connection, environment: str) -> dict[str, StoredSpan]:
    """The newest span of each of an environment's probes."""
    last = (
        select(spans.c.probe, func.max(spans.c.until_ms).label("until_ms"))
        .where(spans.c.environment == environment)
        .group_by(spans.c.probe)
        .subquery()
    )
    newest_of = (spans.c.probe == last.c.probe) & (spans.c.until_ms == last.c.until_ms)
    rows = connection.execute(
        select(spans).join(last, newest_of).where(spans.c.environment == environment).order_by(spans.c.id)
    )
    return {row.probe: StoredSpan(row.id, _span(row)) for row in rows}


def load(
    connection: Connection, environment: str, *, since_ms: int, before_ms: int | None = None, probe: str | None = None,
    limit: int | None = None,
) -> tuple[Span, ...]:  # fmt: skip
    """Spans that reach into the time since then, newest first; with `before_ms` those that began before it."""
    query = select(spans).where(spans.c.environment == environment, spans.c.until_ms >= since_ms)
    if before_ms is not None:
        query = query.where(spans.c.from_ms < before_ms)
    if probe is not None:
        query = query.where(spans.c.probe == probe)
    query = query.order_by(spans.c.from_ms.desc(), spans.c.id.desc())
    return tuple(_span(row) for row in connection.execute(query if limit is None else query.limit(limit)))


def _span(row: object) -> Span:
    return Span(**{name: getattr(row, name) for name in Span.__dataclass_fields__})
