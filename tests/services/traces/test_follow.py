"""Trace files as they really change: growing, rotated, replaced, cut, half written, killed readers. Each line once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.envelope import Envelope, EnvelopeFile
from services.settings import load
from services.settings.model import Settings
from services.traces import intake
from services.traces.cleaning import Cleaner
from services.traces.columns import Columns
from services.traces.follow import Standing, step
from services.traces.keep import Kept
from services.traces.query import Traces, Wanted
from tests.conftest import ROOT

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ALL = Wanted(from_ms=0, until_ms=4_000_000_000_000, equal={})


def line(number: int, **more: Any) -> str:
    made = {"at": NOW.isoformat(), "trace_id": f"{number // 5:032x}", "span_id": f"{number:016x}", "tool": "crm",
            "action": "get", "status": "ok", "duration_ms": 12.5, "environment": "e", "attributes": {}, **more}  # fmt: skip
    return json.dumps(made) + "\n"


class Reader:
    """Follows one file, as the worker does."""

    def __init__(self, path: Path) -> None:
        self.path, self.standing, self.seen = path, Standing(), []  # type: ignore[var-annotated]

    def read(self) -> list[int]:
        more = True
        while more:
            made = step(self.path, self.standing, Columns(Cleaner()))
            self.standing, more = made.standing, made.more
            self.seen += [int(span_id, 16) for span_id in made.spans["span_id"].to_pylist()]
        return self.seen


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "trace.jsonl")


def append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write("".join(lines))


def test_a_growing_file_is_read_on_and_half_a_line_waits(reader: Reader) -> None:
    assert reader.read() == []
    assert reader.standing.trouble == "The file is not there."
    append(reader.path, line(1), line(2)[:30])
    assert reader.read() == [1]
    append(reader.path, line(2)[30:], line(3))
    assert reader.read() == [1, 2, 3]
    assert reader.read() == [1, 2, 3]
    assert reader.standing.trouble == ""


def test_a_file_that_is_renamed_is_read_to_its_end_before_the_new_one(reader: Reader) -> None:
    append(reader.path, *map(line, range(5)))
    reader.read()
    append(reader.path, line(5))
    reader.path.rename(reader.path.with_name("trace.jsonl.1"))
    append(reader.path.with_name("trace.jsonl.1"), line(6).rstrip("\n"))
    append(reader.path, line(7))
    assert reader.read() == [0, 1, 2, 3, 4, 5, 6, 7]
    append(reader.path, line(8))
    assert reader.read()[-1] == 8


def test_a_file_that_is_copied_and_cut_begins_again(reader: Reader) -> None:
    append(reader.path, *map(line, range(5)))
    reader.read()
    os.truncate(reader.path, 0)
    append(reader.path, line(9))
    assert reader.read() == [0, 1, 2, 3, 4, 9]


def test_a_file_that_was_cut_and_grew_beyond_where_it_was_read_is_noticed(reader: Reader) -> None:
    append(reader.path, *map(line, range(3)))
    reader.read()
    os.truncate(reader.path, 0)
    append(reader.path, *map(line, range(100, 110)))
    assert reader.read() == [0, 1, 2, *range(100, 110)]


def test_a_clean_up_that_drops_old_lines_makes_nothing_twice(reader: Reader) -> None:
    kit = EnvelopeFile(path=reader.path, retention=timedelta(hours=1))

    def call(number: int, hours: float) -> None:
        kit.append(Envelope(at=NOW - timedelta(hours=hours), tool="crm", action="x", status="ok", duration_ms=1,
                            environment="e", span_id=f"{number:016x}"))  # fmt: skip

    for number in range(6):
        call(number, 3 if number < 3 else 0.5)
    assert reader.read() == list(range(6))
    call(6, 0)
    assert kit.clean_up(NOW) == 3
    call(7, 0)
    assert reader.read() == list(range(8))
    assert kit.clean_up(NOW + timedelta(days=1)) == 5
    call(8, -24)
    assert reader.read() == list(range(9)), "where all that was read is gone, what is there is new"


def test_wrong_lines_are_counted_with_their_place_and_stop_nothing(reader: Reader) -> None:
    secret = "sk-proj-" + "a1B2" * 10
    reader.path.write_bytes(
        b"\xef\xbb\xbf" + line(1).encode() + b"{half\n" + b"[1]\n" + b"\xff\xfe\x00\n" + b"\n" + b'{"a": 1}\n'
        + line(2, at="yesterday").encode() + line(3, at="2500-01-01T00:00:00Z").encode()
        + line(4, trace_id=None).encode() + f'{{"{secret}": 1}}\n'.encode() + b"x" * (3 << 20) + b"\n"
        + line(5).replace("\n", "\r\n").encode() + line(6, duration_ms="long", attributes=[1], status=7).encode()
    )  # fmt: skip
    assert reader.read() == [1, 5, 6]
    assert reader.standing.wrong == 9
    places = [place for place, _ in reader.standing.examples]
    assert places[0] == "trace.jsonl, line 2"
    assert places[-1] == "trace.jsonl, line 11"
    assert secret not in str(reader.standing)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "prod.env").write_text("TRACE_ENVELOPE_FILE=app/trace.jsonl\nTRACE_RETENTION_DAYS=7\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "greenlight.toml").write_text(
        '[traces]\nfiles=["other.jsonl"]\n'
        '[[environments]]\nname="prod"\nbase_url="http://127.0.0.1:9"\nenv_file="prod.env"\n'
    )
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "data")})


def take_in(settings: Settings) -> int:
    return intake.take_in(settings, Kept(settings.data_dir), intake.sources(settings))


def test_files_of_settings_and_env_files_are_followed_and_kept_once(settings: Settings, tmp_path: Path) -> None:
    append(tmp_path / "app" / "trace.jsonl", *(line(n, environment="") for n in range(4)))
    append(tmp_path / "other.jsonl", line(10, environment="stage"))
    assert take_in(settings) == 5
    assert take_in(settings) == 0
    found = Traces(settings.data_dir).newest(ALL)
    assert sorted((int(s.span_id, 16), s.environment) for s in found) == [
        (0, "prod"), (1, "prod"), (2, "prod"), (3, "prod"), (10, "stage")]  # fmt: skip


def test_a_file_that_looks_the_same_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    kept, seen = Kept(settings.data_dir), dict[str, intake.Stamp]()
    append(tmp_path / "other.jsonl", line(1))
    assert intake.take_in(settings, kept, intake.sources(settings), seen) == 1
    changed = (kept.folder / "standing.json").stat().st_mtime_ns
    assert intake.take_in(settings, kept, intake.sources(settings), seen) == 0
    assert (kept.folder / "standing.json").stat().st_mtime_ns == changed
    append(tmp_path / "other.jsonl", line(2))
    assert intake.take_in(settings, kept, intake.sources(settings), seen) == 1


def test_a_change_that_was_written_down_is_made_by_the_next_process(settings: Settings, tmp_path: Path) -> None:
    append(tmp_path / "other.jsonl", line(1))
    kept = Kept(settings.data_dir)
    finish = kept._finish

    def killed() -> None:
        if (kept.folder / "pending.json").exists():
            raise KeyboardInterrupt
        finish()

    kept._finish = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        intake.take_in(settings, kept, intake.sources(settings))
    assert (kept.folder / "pending.json").exists()
    assert take_in(settings) == 0, "the change is made, and its lines are not read again"
    assert len(Traces(settings.data_dir).newest(ALL)) == 1


def test_what_is_killed_before_a_change_is_written_down_is_read_again(settings: Settings, tmp_path: Path) -> None:
    append(tmp_path / "other.jsonl", line(1))
    kept = Kept(settings.data_dir)

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    kept._change = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        intake.take_in(settings, kept, intake.sources(settings))
    assert take_in(settings) == 1
    intake.look_after(settings, Kept(settings.data_dir), round(NOW.timestamp() * 1000))
    assert list(kept.folder.glob("day=*/.*.draft")) == []
    assert len(Traces(settings.data_dir).newest(ALL)) == 1


def test_many_files_become_one_and_a_span_that_came_twice_is_one(settings: Settings) -> None:
    kept = Kept(settings.data_dir)
    spans = [span for n in range(30) for span in _spans(line(n))]
    with kept.changing():
        for span in [*spans, spans[3]]:
            kept.add([span])
    assert len(kept.files("2026-12-01")) == 31
    intake.look_after(settings, kept, round((NOW + timedelta(days=2)).timestamp() * 1000))
    assert len(kept.files("2026-12-01")) == 1
    assert len(Traces(settings.data_dir).newest(ALL)) == 30


def test_files_that_are_made_one_while_somebody_asks_are_found_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(settings.data_dir)
    with kept.changing():
        for number in range(3):
            kept.add(_spans(line(number)))
    old = kept.files("2026-12-01")
    intake.look_after(settings, kept, round((NOW + timedelta(days=2)).timestamp() * 1000))
    listed = iter([old, old])
    monkeypatch.setattr(Kept, "files", lambda self, day: next(listed, None) or sorted(
        (self.folder / f"day={day}").glob("*.parquet")))  # fmt: skip
    assert len(Traces(settings.data_dir).newest(ALL)) == 3
    listed = iter([old])
    assert len(Traces(settings.data_dir).trace(f"{0:032x}", from_ms=0, until_ms=ALL.until_ms)) == 3


def _spans(text: str) -> list[Any]:
    from services.traces.lines import spans_of

    return spans_of(text.encode(), Cleaner())


def test_days_go_by_age_and_for_want_of_room(settings: Settings) -> None:
    kept = Kept(settings.data_dir)
    with kept.changing():
        for days in (0, 1, 2, 40):
            kept.add(_spans(line(days, at=(NOW - timedelta(days=days)).isoformat())))
        now = round(NOW.timestamp() * 1000)
        assert kept.retain(now, days=30, most_bytes=1 << 30).aged == ("2026-10-22",)
        assert kept.retain(now, days=30, most_bytes=1).for_room == ("2026-11-29", "2026-11-30")
        assert kept.days() == ["2026-12-01"]


READER = """
import sys
from services.settings import load
from services.traces import intake
from services.traces.keep import Kept
settings = load()
kept, wanted = Kept(settings.data_dir), intake.sources(settings)
print("ready", flush=True)
while True:
    intake.take_in(settings, kept, wanted)
"""


def killed_again_and_again(settings: Settings, folder: Path, *, kills: int, lines: int) -> list[int]:
    chance, written = random.Random(5), 0
    environment = dict(os.environ) | {"GREENLIGHT_CONFIG": settings.source, "GREENLIGHT_DATA": str(settings.data_dir),
                                      "PYTHONPATH": str(ROOT)}  # fmt: skip
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", READER], cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(lines // kills):
            append(folder / "other.jsonl", line(written))
            written += 1
            if chance.random() < 0.1:
                time.sleep(chance.random() * 0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    take_in(settings)
    return sorted(int(span.span_id, 16) for span in Traces(settings.data_dir).newest(ALL, limit=10 * lines))


def test_a_reader_that_is_killed_loses_and_doubles_nothing(settings: Settings, tmp_path: Path) -> None:
    assert killed_again_and_again(settings, tmp_path, kills=5, lines=500) == list(range(500))


@pytest.mark.soak
def test_two_hundred_kills_of_a_reader(settings: Settings, tmp_path: Path) -> None:
    assert killed_again_and_again(settings, tmp_path, kills=200, lines=20_000) == list(range(20_000))
