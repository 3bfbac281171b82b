"""Traces: a million lines taken in, summed and searched, beside DuckDB by hand and a decoder that stores nothing."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import msgspec

from benchmarks.table import Figure
from services.traces.cleaning import Cleaner
from services.traces.columns import Columns
from services.traces.follow import Standing, step
from services.traces.keep import Kept
from services.traces.query import Traces, Wanted

LINES = 1_000_000
DAY = "2026-12-01"
ALL = Wanted(from_ms=0, until_ms=4_000_000_000_000, equal={})
LINE = (
    '{{"at":"{day}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z","trace_id":"{trace:032x}","span_id":"{number:016x}",'
    '"tool":"{tool}","action":"call","status":"{status}","duration_ms":{took:.1f},"environment":"production",'
    '"attributes":{{"n":{number}}},"step":"s{step}"}}\n'
)


def measure() -> list[Figure]:
    """All of it, over files in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = _lines(folder / "trace.jsonl")
        decoded = _decoded(lines)
        taken = _taken(folder, lines)
        size = lines.stat().st_size / 1e6
        return [
            Figure(what=f"taking in {LINES:,} lines ({size:.0f} MB), × msgspec's decoding of them",
                   value=decoded / taken, unit="×", goal=0.3, better="more",
                   note=f"{taken:.1f} s, beside {decoded:.2f} s"),
            *_asked(folder),
        ]  # fmt: skip


def _lines(file: Path) -> Path:
    chance = random.Random(18)
    with file.open("w") as stream:
        for number in range(LINES):
            stream.write(LINE.format(
                day=DAY, hour=number * 24 // LINES, minute=chance.randrange(60), second=chance.randrange(60),
                ms=chance.randrange(1000), trace=chance.randrange(LINES // 5), number=number,
                tool=chance.choice(("crm", "mail", "search", "llm")), status=chance.choice(("ok",) * 9 + ("error",)),
                took=chance.random() * 500, step=chance.randrange(6),
            ))  # fmt: skip
    return file


def _decoded(lines: Path) -> float:
    decode = msgspec.json.Decoder().decode
    begun = time.perf_counter()
    with lines.open("rb") as stream:
        for line in stream:
            decode(line)
    return time.perf_counter() - begun


def _taken(folder: Path, lines: Path) -> float:
    kept, standing, columns, more = Kept(folder), Standing(), Columns(Cleaner()), True
    begun = time.perf_counter()
    while more:
        with kept.changing():
            made = step(lines, standing, columns)
            standing, more = made.standing, made.more
            kept.add_table(made.spans, {"x": standing.to_json()})
    took = time.perf_counter() - begun
    with kept.changing():
        kept.compact(DAY, now_ms=0)
    return took


def _asked(folder: Path) -> list[Figure]:
    traces, files = Traces(folder), [str(file) for file in Kept(folder).files(DAY)]
    sums = (
        "SELECT tool, count(*), count(*) FILTER (status = 'error'), count(*) FILTER (status NOT IN ('ok', 'error')), "
        "quantile_cont(duration_ms, 0.5), quantile_cont(duration_ms, 0.95), sum(input_tokens), sum(output_tokens), "
        "sum(cost_usd), count(cost_usd) FROM read_parquet(?) GROUP BY tool"
    )
    ours = _median(lambda: traces.groups(ALL, "tool"))
    by_hand = _median(lambda: _by_hand(sums, [files]))
    one = _median(lambda: traces.trace(f"{7:032x}", from_ms=0, until_ms=4_000_000_000_000))
    scan = _median(lambda: _by_hand("SELECT * FROM read_json(?, format = 'newline_delimited') WHERE trace_id = ?",
                                    [str(folder / "trace.jsonl"), f"{7:032x}"]), rounds=3)  # fmt: skip
    return [
        Figure(what="sums by tool, × DuckDB on the same files by hand", value=ours / by_hand, unit="×", goal=1.2,
               note=f"{ours * 1000:.0f} ms, beside {by_hand * 1000:.0f} ms"),
        Figure(what="one trace by its id, × DuckDB's scan of the lines", value=one / scan, unit="×", goal=0.02,
               note=f"{one * 1000:.0f} ms, beside {scan * 1000:.0f} ms"),
    ]  # fmt: skip


def _by_hand(query: str, given: list[object]) -> None:
    with duckdb.connect(":memory:", config={"threads": 2}) as database:
        database.execute(query, given).fetchall()


def _median(work: Callable[[], object], *, rounds: int = 7) -> float:
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)
