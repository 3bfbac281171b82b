"""Asks the kept spans: sums by what was called, one trace, calls that were paid for twice. Values are parameters; names
of columns come from a list."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import duckdb

from services import clock
from services.clock import DAY_MS, MINUTE_MS
from services.traces.keep import Kept, rows_of_trace
from services.traces.model import COLUMNS, Span

By = Literal["tool", "model", "function", "version", "operation", "environment"]
GROUPS: tuple[By, ...] = ("tool", "model", "function", "version", "operation", "environment")
FILTERS = ("environment", "tool", "model", "function", "version", "status", "run_id", "step", "kind", "trace_id")
MEMORY, THREADS = "512MB", 2
TRIES = 3
P = ParamSpec("P")
R = TypeVar("R")
MOST_ROWS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which spans: begun in [from_ms, until_ms), and equal in these columns."""

    from_ms: int
    until_ms: int
    equal: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """Calls of one kind; None: nothing known. `priced`: calls with a cost."""

    calls: int
    errors: int
    unknown: int
    p50_ms: float | None
    p95_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    priced: int

    @property
    def error_rate(self) -> float | None:
        """Errors of the calls whose outcome is known."""
        known = self.calls - self.unknown
        return self.errors / known if known else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The sums of one value; `before` and `after` a moment, where one was asked for."""

    name: str
    all: Sums
    before: Sums | None = None
    after: Sums | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Twice:
    """The same input in the same step of the same run, more than once."""

    run_id: str
    step: str
    tool: str
    model: str
    calls: int
    cost_usd: float | None
    trace_id: str


_SUMS = """count(*), count(*) FILTER (status = 'error'), count(*) FILTER (status NOT IN ('ok', 'error')),
    quantile_cont(duration_ms, 0.5), quantile_cont(duration_ms, 0.95), sum(input_tokens), sum(output_tokens),
    sum(cost_usd), count(cost_usd)"""


def _again(method: Callable[P, R]) -> Callable[P, R]:
    """A file that was made one with others after it was listed is looked for again."""

    @functools.wraps(method)
    def asked(*arguments: P.args, **named: P.kwargs) -> R:
        for _ in range(TRIES - 1):
            with contextlib.suppress(FileNotFoundError, duckdb.IOException):
                return method(*arguments, **named)
        return method(*arguments, **named)

    return asked


class Traces:
    """The traces of an installation, for reading."""

    def __init__(self, data_dir: Path) -> None:
        self._kept = Kept(data_dir)

    @_again
    def newest_ms(self) -> int | None:
        """When the newest span began; None where none is kept."""
        for day in reversed(self._kept.days()):
            if files := self._kept.files(day):
                with self._opened() as database:
                    found = database.execute("SELECT max(start_ms) FROM read_parquet(?)", [_names(files)]).fetchone()
                return None if found is None else found[0]
        return None

    @_again
    def groups(self, wanted: Wanted, by: By, *, moment_ms: int | None = None) -> tuple[Group, ...]:
        """Sums by the values of a column, the most calls first; calls without one are left out."""
        if by not in GROUPS:
            raise ValueError(by)
        split = "start_ms >= ?" if moment_ms is not None else "true"
        # Grouping sets: all, and each side of the moment, in one pass over the files.
        sets = f"GROUPING SETS (({by}), ({by}, side))" if moment_ms is not None else f"GROUPING SETS (({by}))"
        extra = ", side, grouping(side)" if moment_ms is not None else ", true, 1"
        with self._found(wanted) as (database, source, given):
            if not source:
                return ()
            rows = database.execute(
                f"SELECT {by}, {_SUMS}{extra} FROM (SELECT *, {split} AS side FROM {source}) WHERE {by} <> '' "  # noqa: S608
                f"GROUP BY {sets}", [*([moment_ms] if moment_ms is not None else []), *given],
            ).fetchall()  # fmt: skip
        whole: dict[str, Sums] = {}
        sides: dict[tuple[str, bool], Sums] = {}
        for name, *numbers, side, is_all in rows:
            if is_all:
                whole[name] = _sums(numbers)
            else:
                sides[name, bool(side)] = _sums(numbers)
        made = (Group(name=name, all=sums, before=sides.get((name, False)), after=sides.get((name, True)))
                for name, sums in whole.items())  # fmt: skip
        return tuple(sorted(made, key=lambda group: (-group.all.calls, group.name))[:MOST_ROWS])

    @_again
    def total(self, wanted: Wanted, *, real: bool = False) -> Sums | None:
        """The sums of all of them, or of those that are not simulated; None where there are none."""
        kept = " WHERE NOT simulated" if real else ""
        with self._found(wanted) as (database, source, given):
            query = f"SELECT {_SUMS} FROM {source}{kept}"  # noqa: S608
            row = database.execute(query, given).fetchone() if source else None
        return _sums(row) if row is not None and row[0] else None

    @_again
    def newest(self, wanted: Wanted, *, limit: int = 200) -> tuple[Span, ...]:
        """The newest spans."""
        return self._spans(wanted, f"ORDER BY start_ms DESC LIMIT {int(limit)}")

    @_again
    def trace(self, trace_id: str, *, from_ms: int, until_ms: int) -> tuple[Span, ...]:
        """One trace's spans, each once, in the order in which they began."""
        files = self._files(from_ms, until_ms)
        found = {row["span_id"]: Span(**row) for file in files for row in rows_of_trace(file, trace_id)}
        kept = (span for span in found.values() if from_ms <= span.start_ms < until_ms)
        return tuple(sorted(kept, key=lambda span: (span.start_ms, span.span_id)))

    @_again
    def twice(self, wanted: Wanted, *, limit: int = 100) -> tuple[Twice, ...]:
        """Calls with the same run, step and input, the most expensive first."""
        with self._found(wanted) as (database, source, given):
            query = (
                "SELECT run_id, step, any_value(tool), any_value(model), count(DISTINCT span_id), sum(cost_usd), "  # noqa: S608
                f"min(trace_id) FROM {source} WHERE input_sha256 <> '' AND step <> '' "
                "GROUP BY run_id, step, input_sha256 HAVING count(DISTINCT span_id) > 1 "
                f"ORDER BY 6 DESC NULLS LAST, 5 DESC LIMIT {int(limit)}"
            )
            rows = database.execute(query, given).fetchall() if source else []
        names = ("run_id", "step", "tool", "model", "calls", "cost_usd", "trace_id")
        return tuple(Twice(**dict(zip(names, row, strict=True))) for row in rows)

    @_again
    def ended(
        self, environment: str, *, from_ms: int, minute_ms: int, until_ms: int
    ) -> tuple[float | None, float | None]:
        """Mean cost and mean tokens of the runs whose last call began in that minute; None where none reports it."""
        wanted = Wanted(from_ms=from_ms, until_ms=until_ms, equal={"environment": environment})
        with self._found(wanted) as (database, source, given):
            if not source:
                return None, None
            runs = (
                "SELECT max(start_ms) AS last, sum(cost_usd) AS cost, "  # noqa: S608
                "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) "
                "FILTER (input_tokens IS NOT NULL OR output_tokens IS NOT NULL) AS tokens "
                f"FROM {source} GROUP BY coalesce(nullif(run_id, ''), trace_id)"
            )
            query = f"SELECT avg(cost), avg(tokens) FROM ({runs}) WHERE last >= ? AND last < ?"  # noqa: S608
            row = database.execute(query, [*given, minute_ms, minute_ms + MINUTE_MS]).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    @_again
    def values(self, wanted: Wanted, column: By) -> tuple[str, ...]:
        """The values that a column has, for a filter."""
        if column not in GROUPS:
            raise ValueError(column)
        with self._found(wanted) as (database, source, given):
            rows = database.execute(
                f"SELECT DISTINCT {column} FROM {source} WHERE {column} <> '' ORDER BY 1 LIMIT {MOST_ROWS}", given  # noqa: S608
            ).fetchall() if source else []  # fmt: skip
        return tuple(row[0] for row in rows)

    @_again
    def parquet(self, wanted: Wanted, target: Path) -> int:
        """Write the spans as a Parquet file of their own; returns how many."""
        import pyarrow.parquet as pq

        with self._found(wanted) as (database, source, given):
            if not source:
                return 0
            found = database.execute(f"SELECT * FROM {source} ORDER BY start_ms", given)  # noqa: S608
            table: Any = found.to_arrow_table()
        pq.write_table(table, target, compression="zstd")
        return int(table.num_rows)

    def _spans(self, wanted: Wanted, rest: str) -> tuple[Span, ...]:
        columns = ", ".join(COLUMNS)
        with self._found(wanted) as (database, source, given):
            rows = database.execute(f"SELECT {columns} FROM {source} {rest}", given).fetchall() if source else []  # noqa: S608
        return tuple(Span(**dict(zip(COLUMNS, row, strict=True))) for row in rows)

    def _files(self, from_ms: int, until_ms: int) -> list[Path]:
        """The files of the days that may hold something."""
        low, high = (clock.from_ms(at).date().isoformat() for at in (from_ms, until_ms - 1))
        return [file for day in self._kept.days() if low <= day <= high for file in self._kept.files(day)]

    @contextmanager
    def _found(self, wanted: Wanted) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, list[Any]]]:
        """A connection, the spans as a subquery ("" where no file can hold any), and its parameters."""
        files = self._files(wanted.from_ms, wanted.until_ms)
        equal = {name: value for name, value in wanted.equal.items() if value}
        if unknown := set(equal) - set(FILTERS):
            raise ValueError(str(unknown))
        conditions = "".join(f" AND {name} = ?" for name in equal)
        source = f"(SELECT * FROM read_parquet(?) WHERE start_ms >= ? AND start_ms < ?{conditions})"  # noqa: S608
        with self._opened() as database:
            given = [_names(files), wanted.from_ms, wanted.until_ms, *equal.values()]
            yield database, source if files else "", given

    @contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A database in memory that reads this folder and nothing else."""
        database = duckdb.connect(":memory:", config={"threads": THREADS, "memory_limit": MEMORY})
        try:
            database.execute("SET allowed_directories = ?", [[str(self._kept.folder)]])
            database.execute("SET enable_external_access = false")
            database.execute("SET lock_configuration = true")
            yield database
        finally:
            database.close()


def _names(files: Sequence[Path]) -> list[str]:
    return [str(file) for file in files]


def _sums(row: Sequence[Any]) -> Sums:
    names = ("calls", "errors", "unknown", "p50_ms", "p95_ms", "input_tokens", "output_tokens", "cost_usd", "priced")
    found = dict(zip(names, row, strict=True))
    for name in ("input_tokens", "output_tokens"):
        found[name] = None if found[name] is None else int(found[name])
    return Sums(**found)


def day_range(days: int, now_ms: int) -> tuple[int, int]:
    """From the beginning of a day so many days ago until now."""
    return now_ms - days * DAY_MS, now_ms + 1
