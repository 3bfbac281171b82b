"""Keeps the sums of minutes, hours and days true to the samples, in the very transaction that writes them.

Minutes are computed again from their raw samples when one arrives, so duplicates and late ones do no harm. Hours and
days are written as they close (`series.closed_ms`); what is open is put together from minutes by the reader. The row of
the series is locked meanwhile, so that several writers follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby

from sqlalchemy import Connection, Executable, bindparam, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.store.parts import PAUSE, Part, Raw, joined, minutes
from services.store.schema import rollups, samples, series

MINUTE, HOUR, DAY = 0, 1, 2
RULES = 1  # raised when the way of rolling up changes: series rolled by an older one are rolled again
REACH_MS = 95_000  # what a sample covers can depend on another one so far away, at the default intervals
ONE_QUERY_MS = 3 * HOUR_MS
NUMBERS = Part._fields[1:-1]  # between from_ms, which the slot says, and the sketch

Range = tuple[int, int]


def lock(connection: Connection, series_ids: Iterable[int]) -> dict[int, int | None]:
    """Hold these series until the transaction ends; until when each one's hours are closed."""
    rows = connection.execute(_locking(connection.dialect.name), {"ids": sorted(set(series_ids))})
    return {row[0]: row[1] for row in rows}


@cache
def _locking(dialect: str) -> Executable:
    """The statement, made once: making it costs as much as running it."""
    query = select(series.c.id, series.c.closed_ms).where(series.c.id.in_(bindparam("ids", expanding=True)))
    query = query.order_by(series.c.id)
    return query.with_for_update() if dialect == "postgresql" else query


def frozen_hours(connection: Connection, series_id: int, hours: Iterable[int]) -> set[int]:
    """Those of the hours whose raw samples are gone or incomplete: nothing can be added to them without doubt."""
    wanted = sorted(set(hours))
    if not wanted:
        return set()
    slots = [hour // MINUTE_MS for hour in wanted]
    known = connection.execute(
        select(rollups.c.slot, rollups.c.events).where(
            rollups.c.tier == HOUR, rollups.c.series_id == series_id, rollups.c.slot.in_(slots)
        )
    )
    rolled = {row.slot * MINUTE_MS: row.events for row in known}
    if not rolled:
        return set()
    hour = (samples.c.at_ms - samples.c.at_ms % HOUR_MS).label("hour")
    found = connection.execute(
        select(hour, func.count().label("number"))
        .where(
            samples.c.series_id == series_id, samples.c.at_ms >= min(rolled), samples.c.at_ms < max(rolled) + HOUR_MS
        )
        .group_by(hour)
    )
    raw = {row.hour: row.number for row in found}
    return {begin for begin, number in rolled.items() if raw.get(begin, 0) < number}


def refresh(
    connection: Connection, closed: Mapping[int, int | None], touched: Mapping[int, Sequence[int]],
    intervals_s: Mapping[int, int],
) -> None:  # fmt: skip
    """Bring the sums of locked series up to date after samples at these times (ms) were written.

    `intervals_s` is each series' longest one of these samples: what a sample covers depends on others so near.
    """
    by_reach: dict[int, list[int]] = {}
    for series_id in touched:
        by_reach.setdefault(max(REACH_MS, int(PAUSE * intervals_s.get(series_id, 0) * 1000)), []).append(series_id)
    for reach, ids in by_reach.items():
        _refresh(connection, closed, {series_id: touched[series_id] for series_id in ids}, reach)


def _refresh(
    connection: Connection, closed: Mapping[int, int | None], touched: Mapping[int, Sequence[int]], reach: int
) -> None:
    margin = reach + MINUTE_MS
    minutes_of: dict[int, set[int]] = {}
    for series_id, times in touched.items():
        until, chosen = closed[series_id], minutes_of.setdefault(series_id, set())
        for at_ms in times:
            chosen.add(at_ms - at_ms % MINUTE_MS)
            if until is not None and at_ms < until:  # late: its hour is computed again as a whole
                hour = at_ms - at_ms % HOUR_MS
                chosen.update(range(hour, hour + HOUR_MS, MINUTE_MS))
                # The sample after it may lie in the next hour, which then changes as well.
                margin = reach + HOUR_MS + MINUTE_MS
    parts: dict[int, dict[int, Part]] = {}
    for series_id, raw in _raw(connection, minutes_of, reach, margin):
        chosen = minutes_of[series_id]
        _add_next(chosen, raw, closed[series_id], reach)
        parts.setdefault(series_id, {}).update({part.from_ms: part for part in minutes(raw, chosen)})
    _save(connection, MINUTE, ((sid, part) for sid, found in parts.items() for part in found.values()))
    for series_id, found in parts.items():
        _close(connection, series_id, closed[series_id], found)


def _add_next(chosen: set[int], raw: Sequence[Raw], closed_ms: int | None, reach: int) -> None:
    """The minute of the known sample soon after each chosen minute: what it covers depends on the one before it."""
    later: set[int] = set()
    last: int | None = None
    for at_ms, _, good, _ in raw:
        minute = at_ms - at_ms % MINUTE_MS
        if minute in chosen:
            last = at_ms
        elif last is not None and good is not None:
            soon, last = at_ms - last <= reach, None
            if not soon:
                continue
            if closed_ms is not None and at_ms < closed_ms:
                hour = at_ms - at_ms % HOUR_MS
                later.update(range(hour, hour + HOUR_MS, MINUTE_MS))
            else:
                later.add(minute)
    chosen |= later


def _raw(
    connection: Connection, minutes_of: Mapping[int, set[int]], reach: int, margin: int
) -> Iterable[tuple[int, list[Raw]]]:
    """Every series' samples around its minutes, in order of time; far-apart minutes come apart."""
    lowest = min(min(chosen) for chosen in minutes_of.values())
    highest = max(max(chosen) for chosen in minutes_of.values())
    if highest - lowest <= ONE_QUERY_MS:
        rows = connection.execute(_around(), {"ids": list(minutes_of), "low": lowest - reach,
                                              "high": highest + margin})  # fmt: skip
        for series_id, group in groupby(rows, key=lambda row: row[0]):
            yield series_id, [tuple(row)[1:] for row in group]
        return
    for series_id, chosen in minutes_of.items():
        for low, high in _clusters(sorted(chosen), reach + margin):
            rows = connection.execute(_around(), {"ids": [series_id], "low": low - reach,
                                                  "high": high + margin})  # fmt: skip
            yield series_id, [tuple(row)[1:] for row in rows]


def _clusters(ordered: Sequence[int], apart: int = 0) -> list[Range]:
    """Times that lie near each other as ranges; two ranges are further apart than that, so that neither reads into
    the other's."""
    near = max(ONE_QUERY_MS, apart)
    found: list[Range] = []
    for minute in ordered:
        if found and minute - found[-1][1] <= near:
            found[-1] = (found[-1][0], minute)
        else:
            found.append((minute, minute))
    return found


@cache
def _around() -> Executable:
    return (
        select(samples.c.series_id, samples.c.at_ms, samples.c.value, samples.c.good, samples.c.interval_s)
        .where(
            samples.c.series_id.in_(bindparam("ids", expanding=True)),
            samples.c.at_ms >= bindparam("low"),
            samples.c.at_ms < bindparam("high"),
        )
        .order_by(samples.c.series_id, samples.c.at_ms)
    )


def _close(connection: Connection, series_id: int, closed_ms: int | None, found: Mapping[int, Part]) -> None:
    """Write the hours that ended, and those that late samples changed; then the days that hold them."""
    hours = {begin - begin % HOUR_MS for begin in found}
    newest = max(hours)
    before = min(hours) if closed_ms is None else closed_ms
    after = max(before, newest)
    changed = {hour for hour in hours if hour < before}
    made = [(series_id, _hour(hour, found)) for hour in sorted(changed)]
    if after > before:
        rows = load(connection, MINUTE, (series_id,), [(before, after)], sketches=True)[series_id]
        for hour, group in groupby(rows, key=lambda part: part.from_ms - part.from_ms % HOUR_MS):
            made.append((series_id, joined(hour, list(group))))
            changed.add(hour)
    _save(connection, HOUR, made)
    if after > before or closed_ms is None:
        connection.execute(update(series).where(series.c.id == series_id).values(closed_ms=after))
    days = {hour - hour % DAY_MS for hour in changed}
    _save(connection, DAY, _days(connection, series_id, sorted(day for day in days if day + DAY_MS <= after)))


def _hour(hour: int, found: Mapping[int, Part]) -> Part:
    return joined(hour, [part for begin, part in sorted(found.items()) if hour <= begin < hour + HOUR_MS])


def _days(connection: Connection, series_id: int, days: Sequence[int]) -> Iterable[tuple[int, Part]]:
    for low, high in _clusters(days):
        rows = load(connection, HOUR, (series_id,), [(low, high + DAY_MS)], sketches=True)[series_id]
        for day, group in groupby(rows, key=lambda part: part.from_ms - part.from_ms % DAY_MS):
            if day in days:
                yield series_id, joined(day, list(group), form="wide")


def load(
    connection: Connection, tier: int, series_ids: Sequence[int], ranges: Sequence[Range], *, sketches: bool = False
) -> dict[int, list[Part]]:
    """The parts of a tier that begin in one of the ranges [from, until) in ms, in order of time, by series."""
    found: dict[int, list[Part]] = {series_id: [] for series_id in series_ids}
    for low, high in sorted(ranges) if found else ():
        bounds = {"tier": tier, "ids": list(found), "low": low // MINUTE_MS, "high": high // MINUTE_MS}
        for series_id, slot, *rest in connection.execute(_loading(sketches), bounds):
            found[series_id].append(Part(slot * MINUTE_MS, *rest))
    return found


@cache
def _loading(sketches: bool) -> Executable:
    """One range at a time: over several joined by OR, SQLite walks through all that lies between them."""
    columns = [rollups.c.series_id, rollups.c.slot, *(rollups.c[name] for name in NUMBERS)]
    return (
        select(*columns, *((rollups.c.sketch,) if sketches else ()))
        .where(
            rollups.c.tier == bindparam("tier"),
            rollups.c.series_id.in_(bindparam("ids", expanding=True)),
            rollups.c.slot >= bindparam("low"),
            rollups.c.slot < bindparam("high"),
        )
        .order_by(rollups.c.series_id, rollups.c.slot)
    )


def first(connection: Connection, series_id: int, low: int, high: int) -> int | None:
    """When the first part of a series in [low, high) begins, in ms, whichever tier still has it."""
    found = [
        connection.execute(_FIRST, {"tier": tier, "id": series_id, "low": low // MINUTE_MS, "high": high // MINUTE_MS})
        for tier in (DAY, HOUR, MINUTE)
    ]
    slots = [slot for result in found if (slot := result.scalar()) is not None]
    return min(slots) * MINUTE_MS if slots else None


_FIRST = select(func.min(rollups.c.slot)).where(
    rollups.c.tier == bindparam("tier"),
    rollups.c.series_id == bindparam("id"),
    rollups.c.slot >= bindparam("low"),
    rollups.c.slot < bindparam("high"),
)


def _save(connection: Connection, tier: int, parts: Iterable[tuple[int, Part]]) -> None:
    rows = [
        {"tier": tier, "series_id": series_id, "slot": part.from_ms // MINUTE_MS, "sketch": part.sketch}
        | {name: getattr(part, name) for name in NUMBERS}
        for series_id, part in parts
    ]
    if rows:
        connection.execute(_upsert(connection.dialect.name), rows)


@cache
def _upsert(dialect: str) -> Executable:
    made = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(rollups)
    changed = {name: made.excluded[name] for name in (*NUMBERS, "sketch")}
    return made.on_conflict_do_update(index_elements=["tier", "series_id", "slot"], set_=changed)


def outdated(connection: Connection) -> tuple[int, ...]:
    """The series that were rolled up by other rules, or never."""
    query = select(series.c.id).where(or_(series.c.rolled_by.is_(None), series.c.rolled_by != RULES))
    return tuple(connection.execute(query.order_by(series.c.id)).scalars())


def extent(connection: Connection, series_id: int) -> Range | None:
    """From the hour of a series' first raw sample to its last sample, in ms; None without samples."""
    row = connection.execute(
        select(func.min(samples.c.at_ms), func.max(samples.c.at_ms)).where(samples.c.series_id == series_id)
    ).one()
    return None if row[0] is None else (row[0] - row[0] % HOUR_MS, row[1])


def roll_again(connection: Connection, series_id: int, low: int, high: int) -> None:
    """Compute the hours that begin in [low, high) from raw, where their raw samples are all there."""
    closed = lock(connection, (series_id,))
    query = select(samples.c.at_ms).where(
        samples.c.series_id == series_id, samples.c.at_ms >= low, samples.c.at_ms < high
    )
    times = [row.at_ms for row in connection.execute(query.order_by(samples.c.at_ms))]
    frozen = frozen_hours(connection, series_id, {at_ms - at_ms % HOUR_MS for at_ms in times})
    times = [at_ms for at_ms in times if at_ms - at_ms % HOUR_MS not in frozen]
    if times:
        refresh(connection, closed, {series_id: times}, {})


def mark_rolled(connection: Connection, series_id: int) -> None:
    """This series follows the present rules."""
    connection.execute(update(series).where(series.c.id == series_id).values(rolled_by=RULES))


def drop_before(connection: Connection, tier: int, moment_ms: int) -> int:
    """Delete the parts of a tier that begin before then; returns how many."""
    query = delete(rollups).where(rollups.c.tier == tier, rollups.c.slot < moment_ms // MINUTE_MS)
    return connection.execute(query).rowcount


def closed_until(
    connection: Connection, environment: str | None = None
) -> dict[tuple[str, str], tuple[int, int | None]]:
    """Every series (environment, SLI) with its id and the moment until which its hours are closed."""
    query = select(series.c.environment, series.c.sli, series.c.id, series.c.closed_ms)
    if environment is not None:
        query = query.where(series.c.environment == environment)
    return {(row.environment, row.sli): (row.id, row.closed_ms) for row in connection.execute(query)}
