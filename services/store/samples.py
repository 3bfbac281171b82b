"""Raw measurements, written and read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.clock import HOUR_MS
from services.store import rollups
from services.store.parts import Raw
from services.store.schema import samples, series

SeriesKey = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One measurement: `value` in the SLI's unit, `good` None where it is unknown, `lag_ms` the prober's own delay."""

    environment: str
    sli: str
    at_ms: int
    value: float | None
    good: bool | None
    lag_ms: int = 0
    interval_s: float = 0  # seconds to the next one, as planned; 0 where not known


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Samples of one slice of time, summed up."""

    from_ms: int
    count: int
    good: int
    bad: int
    mean: float | None
    highest: float | None


def append(connection: Connection, batch: Iterable[Sample], known: dict[SeriesKey, int]) -> int:
    """Insert samples and bring their roll-ups up to date. `known` caches series ids and is filled up.

    One already there stays as it was; one for an hour that was summed up, and whose raw samples are gone, is left out.
    Returns how many were handed in.
    """
    rows: list[dict[str, Any]] = [
        {
            "series_id": series_id(connection, (item.environment, item.sli), known),
            "at_ms": item.at_ms,
            "value": item.value,
            "good": None if item.good is None else int(item.good),
            "lag_ms": item.lag_ms,
            "interval_s": round(item.interval_s),
        }
        for item in batch
    ]
    if not rows:
        return 0
    times: dict[int, list[int]] = {}
    for row in rows:
        times.setdefault(row["series_id"], []).append(row["at_ms"])
    closed = rollups.lock(connection, times)
    frozen = {(key, hour) for key, hours in _late_hours(times, closed).items()
              for hour in rollups.frozen_hours(connection, key, hours)}  # fmt: skip
    if frozen:
        rows = [row for row in rows if (row["series_id"], row["at_ms"] - row["at_ms"] % HOUR_MS) not in frozen]
        times = {key: [t for t in found if (key, t - t % HOUR_MS) not in frozen] for key, found in times.items()}
        times = {key: found for key, found in times.items() if found}
    if rows:
        connection.execute(_insert(connection.dialect.name), rows)
        intervals: dict[int, int] = {}
        for row in rows:
            intervals[row["series_id"]] = max(row["interval_s"], intervals.get(row["series_id"], 0))
        rollups.refresh(connection, closed, times, intervals)
    return len(rows)


def _late_hours(times: Mapping[int, list[int]], closed: Mapping[int, int | None]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for key, moments in times.items():
        until = closed[key]
        if until is not None:
            hours = {at_ms - at_ms % HOUR_MS for at_ms in moments if at_ms < until}
            if hours:
                found[key] = hours
    return found


@cache
def _insert(dialect: str) -> Executable:
    """The statement, made once: making it costs as much as running it."""
    return (sqlite.insert if dialect == "sqlite" else postgresql.insert)(samples).on_conflict_do_nothing()


def series_id(connection: Connection, key: SeriesKey, known: dict[SeriesKey, int]) -> int:
    """The id of a series (environment, SLI), which is made where it is missing."""
    if key not in known:
        environment, sli = key
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(
            insert(series).values(environment=environment, sli=sli, rolled_by=rollups.RULES).on_conflict_do_nothing()
        )
        found = connection.execute(
            select(series.c.id).where(series.c.environment == environment, series.c.sli == sli)
        ).scalar_one()
        known[key] = found
    return known[key]


def newest_values(
    connection: Connection, environment: str, *, since_ms: int, without: tuple[str, ...] = ()
) -> Mapping[str, tuple[tuple[int, float | None], ...]]:
    """Every SLI of an environment with its (time, value) pairs since then, oldest first: sparklines.

    `without`: beginnings of names that are left out.
    """
    rows = connection.execute(
        select(series.c.sli, samples.c.at_ms, samples.c.value)
        .join_from(series, samples, samples.c.series_id == series.c.id)
        .where(series.c.environment == environment, samples.c.at_ms >= since_ms,
               *(~series.c.sli.startswith(prefix) for prefix in without))
        .order_by(series.c.sli, samples.c.at_ms)
    )  # fmt: skip
    found: dict[str, list[tuple[int, float | None]]] = {}
    for row in rows:
        found.setdefault(row.sli, []).append((row.at_ms, row.value))
    return {sli: tuple(points) for sli, points in found.items()}


def bucketed(
    connection: Connection, environment: str, sli: str, *, from_ms: int, until_ms: int, width_ms: int
) -> tuple[Bucket, ...]:
    """Samples of one SLI in equal slices of time, empty slices left out; the database does the summing."""
    slot = (samples.c.at_ms - from_ms) // width_ms
    rows = connection.execute(
        select(
            slot.label("slot"),
            func.count().label("total"),
            func.count().filter(samples.c.good == 1).label("good"),
            func.count().filter(samples.c.good == 0).label("bad"),
            func.avg(samples.c.value).label("mean"),
            func.max(samples.c.value).label("highest"),
        )
        .join_from(series, samples, samples.c.series_id == series.c.id)
        .where(
            series.c.environment == environment,
            series.c.sli == sli,
            samples.c.at_ms >= from_ms,
            samples.c.at_ms < until_ms,
        )
        .group_by(slot)
        .order_by(slot)
    )
    return tuple(
        Bucket(
            from_ms=from_ms + int(row.slot) * width_ms,
            count=row.total,
            good=row.good,
            bad=row.bad,
            mean=row.mean,
            highest=row.highest,
        )
        for row in rows
    )


def raw(connection: Connection, series_id: int, low: int, high: int) -> list[Raw]:
    """A series' samples in [low, high), oldest first."""
    columns = (samples.c.at_ms, samples.c.value, samples.c.good, samples.c.interval_s)
    query = select(*columns).where(samples.c.series_id == series_id, samples.c.at_ms >= low, samples.c.at_ms < high)
    return [(at, value, good, every) for at, value, good, every in connection.execute(query.order_by(samples.c.at_ms))]


def of(connection: Connection, key: SeriesKey, low: int, high: int) -> list[Raw]:
    """The same of a series by its name; [] where there is none."""
    found = connection.execute(
        select(series.c.id).where(series.c.environment == key[0], series.c.sli == key[1])
    ).scalar()
    return [] if found is None else raw(connection, found, low, high)


def newest_bad(connection: Connection, key: SeriesKey, low: int, high: int, *, limit: int) -> tuple[int, ...]:
    """The times (ms) of a series' newest samples that were not good, from `low` to before `high`, oldest first."""
    query = select(samples.c.at_ms).join_from(series, samples, samples.c.series_id == series.c.id)
    query = query.where(series.c.environment == key[0], series.c.sli == key[1], samples.c.good == 0)
    query = query.where(samples.c.at_ms >= low, samples.c.at_ms < high)
    found = connection.execute(query.order_by(samples.c.at_ms.desc()).limit(limit)).scalars()
    return tuple(sorted(found))


def times(connection: Connection, key: SeriesKey, low: int, high: int) -> frozenset[int]:
    """The times (ms) of a series' raw samples from `low` to `high`, both included."""
    query = select(samples.c.at_ms).join_from(series, samples, samples.c.series_id == series.c.id)
    query = query.where(series.c.environment == key[0], series.c.sli == key[1])
    return frozenset(connection.execute(query.where(samples.c.at_ms >= low, samples.c.at_ms <= high)).scalars())


def drop_before(connection: Connection, moment_ms: int) -> int:
    """Delete raw samples older than that; returns how many."""
    return connection.execute(delete(samples).where(samples.c.at_ms < moment_ms)).rowcount


def count(connection: Connection) -> int:
    """How many raw samples there are."""
    return connection.execute(select(func.count()).select_from(samples)).scalar_one()
