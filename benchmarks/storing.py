"""How many samples a second become durable, evidence included, in batches as the worker makes them."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.table import Figure
from services.dependencies.model import Check, Measure, Reading
from services.dependencies.run import Observation
from services.health import record as ledger
from services.store import Store, samples
from services.store.migrate import migrate
from services.store.samples import Sample

BATCH = 8
SECONDS = 4.0


def measure() -> list[Figure]:
    """Samples alone, whole observations, and a bare SQLite as the limit."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            Figure(
                what=f"durable samples/s, batches of {BATCH}",
                value=_samples(Path(folder)),
                unit="/s",
                goal=5000,
                better="more",
                note="sample, one transaction (fsync) a batch",
            ),
            Figure(
                what=f"durable observations/s, batches of {BATCH}",
                value=_observations(Path(folder)),
                unit="/s",
                goal=5000,
                better="more",
                note="each with its sample, state and span; evidence whenever an outcome changes (every 5th here)",
            ),
            Figure(
                what=f"bare sqlite3 rows/s, batches of {BATCH}",
                value=_bare(Path(folder)),
                unit="/s",
                note="limit: FULL, WAL, no SQLAlchemy",
            ),
            Figure(
                what="append + fdatasync of 8 rows", value=_append(Path(folder)), unit="/s", note="limit of the disk"
            ),
        ]


def _open(path: Path) -> Store:
    store = Store.open(f"sqlite:///{path}")
    migrate(store)
    return store


def _samples(folder: Path) -> float:
    store, known, count = _open(folder / "a.db"), {}, 0  # type: ignore[var-annotated]
    begun = time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        batch = [
            Sample(environment="e", sli=f"s{n}", at_ms=count * 10_000 + n, value=62.0, good=True) for n in range(BATCH)
        ]
        with store.write() as connection:
            samples.append(connection, batch, known)
        count += BATCH
    rate = count / (time.perf_counter() - begun)
    store.close()
    return rate


def _observation(number: int, probe: int) -> Observation:
    bad = number % 10 == 0
    return Observation(
        environment="e",
        simulated=False,
        probe=f"readiness.{probe}",
        interval_s=10,
        at_ms=number * 10_000,
        lag_ms=0,
        reading=Reading(
            code="readiness.not_ready" if bad else "readiness.ok",
            latency_ms=5.0,
            measures=(Measure(sli=f"s{probe}", value=5.0, good=not bad),),
            checks=(Check(name=f"c{probe}", outcome="fail" if bad else "pass"),),
        ),
    )


def _observations(folder: Path) -> float:
    store, memory, count = _open(folder / "b.db"), ledger.Memory(), 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        number = count // BATCH
        ledger.record(store, [_observation(number, probe) for probe in range(BATCH)], memory)
        count += BATCH
    rate = count / (time.perf_counter() - begun)
    store.close()
    return rate


def _bare(folder: Path) -> float:
    connection = sqlite3.connect(folder / "c.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE s (a INTEGER, b INTEGER, v REAL, g INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID")
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS / 2:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO s VALUES (?, ?, 62.0, 1)", [(n, count) for n in range(BATCH)])
        connection.execute("COMMIT")
        count += BATCH
    rate = count / (time.perf_counter() - begun)
    connection.close()
    return rate


def _append(folder: Path) -> float:
    descriptor = os.open(folder / "d", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < 1:
        os.write(descriptor, b"x" * 24 * BATCH)
        os.fdatasync(descriptor) if hasattr(os, "fdatasync") else os.fsync(descriptor)
        count += BATCH
    os.close(descriptor)
    return count / (time.perf_counter() - begun)
