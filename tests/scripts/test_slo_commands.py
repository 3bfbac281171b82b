"""slo_report, import_history and check_rollups: exit statuses, shapes, and what bad input gets."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from services.store import Store, samples
from services.store.schema import rollups
from tests.conftest import ROOT
from tests.scripts.test_env_commands import run

CONFIG = '[[environments]]\nname="production"\nbase_url="http://p"\nqueues=[{name="email",kind="stream",key="k"}]\n'
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
Line = tuple[str, str, str, str, str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "greenlight.toml").write_text(CONFIG)
    return tmp_path


def lines(hours: int, *, bad_every: int = 0, sli: str = "readiness_uptime", step_s: int = 60) -> list[Line]:
    number = hours * 3600 // step_s
    return [
        (
            (NOW - timedelta(hours=hours) + timedelta(seconds=step_s * n)).isoformat(), "production", sli, f"{n % 50 + 1}",
            "0" if bad_every and n % bad_every == 0 else "1",
        )
        for n in range(number)
    ]  # fmt: skip


def write(data: Path, rows: list[Line], name: str = "h.csv") -> Path:
    path = data / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "environment", "sli", "value", "good"))
        writer.writerows(rows)
    return path


def importing(data: Path, path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = run("import_history.py", path, "--json", *words, data=data)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def report(data: Path, *words: str) -> tuple[int, dict[str, Any]]:
    done = run("slo_report.py", "--json", *words, data=data)
    return done.returncode, json.loads(done.stdout)


def test_history_comes_in_once_and_is_reported(data: Path) -> None:
    path = write(data, lines(24))
    assert importing(data, path) == (0, {"read": 1440, "imported": 1440, "duplicates": 0, "refused": []})
    assert importing(data, path) == (0, {"read": 1440, "imported": 0, "duplicates": 1440, "refused": []})
    status, found = report(data)
    assert status == 0
    sli = found["slis"]["readiness_uptime"]
    assert (sli["state"], sli["value"], sli["good"], sli["total"], sli["objective"]) == ("ok", 1.0, 1440, 1440, 0.995)
    assert sli["coverage"] == pytest.approx(1 / 30, rel=0.02)
    assert sli["p50"] == pytest.approx(25, rel=0.02)
    assert {item["long"] for item in sli["burn"]} == {"1h", "6h", "1d", "3d"}
    assert {"objective", "window", "value", "good", "total", "coverage", "budget", "burn", "p50", "p95", "p99",
            "state"} <= set(sli)  # fmt: skip
    assert {"allowed_s", "spent_s", "remaining_fraction"} <= set(sli["budget"])


def test_a_broken_promise_exits_with_one_and_no_data_with_three(data: Path) -> None:
    done = run("slo_report.py", data=data)
    assert done.returncode == 3  # nothing was ever written
    importing(data, write(data, lines(24, bad_every=50)))
    status, found = report(data, "--window", "7d")
    assert status == 1
    assert (found["window"], found["slis"]["readiness_uptime"]["state"]) == ("7d", "broken")
    words = run("slo_report.py", data=data).stdout
    assert "1 of 6 SLOs is broken: Readiness uptime" in words


def test_the_past_is_reckoned_as_it_was_then(data: Path) -> None:
    importing(data, write(data, lines(48, bad_every=10)))
    then = (NOW - timedelta(hours=24)).isoformat().replace("+00:00", "Z")
    _, found = report(data, "--as-of", then)
    assert found["slis"]["readiness_uptime"]["total"] == 1440
    assert found["as_of"].startswith(then[:16])


def test_a_dry_run_writes_nothing(data: Path) -> None:
    path = write(data, lines(2))
    assert importing(data, path, "--dry-run")[1]["imported"] == 120
    assert importing(data, path)[1]["imported"] == 120


def test_every_refused_line_says_why_and_the_others_are_in(data: Path) -> None:
    good = lines(1)
    ahead = (NOW + timedelta(hours=1)).isoformat()
    wrong: dict[str, Line] = {
        "no ISO 8601 time": ("yesterday", "production", "readiness_uptime", "1", "1"),
        "no time zone": ("2026-01-01T00:00:00", "production", "readiness_uptime", "1", "1"),
        "in the future": (ahead, "production", "readiness_uptime", "1", "1"),
        "no environment 'mars'": (good[0][0], "mars", "readiness_uptime", "1", "1"),
        "has no SLI 'nonsense'": (good[0][0], "production", "nonsense", "1", "1"),
        "has no SLI 'queue_aging_p95:other'": (good[0][0], "production", "queue_aging_p95:other", "1", "1"),
        "value is not a number": (good[0][0], "production", "readiness_uptime", "fast", "1"),
        "from 0 to 1e13": (good[0][0], "production", "readiness_uptime", "nan", "1"),
        "good must be 0 or 1": (good[0][0], "production", "readiness_uptime", "1", "maybe"),
    }
    status, found = importing(data, write(data, [*good, *wrong.values()]))
    assert (status, found["imported"], found["duplicates"]) == (1, 60, 0)
    for place, (why, item) in enumerate(zip(wrong, found["refused"], strict=True)):
        assert item["line"] == 62 + place
        assert why in item["why"]


def test_an_hour_whose_measurements_are_gone_takes_no_more(data: Path) -> None:
    path = write(data, lines(6))
    importing(data, path)
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    gone = NOW - timedelta(hours=3)
    with store.write() as connection:
        samples.drop_before(connection, int(gone.timestamp() * 1000))
    store.close()
    status, found = importing(data, path)
    assert (status, found["imported"]) == (1, 0)
    assert all("summed up already" in item["why"] for item in found["refused"])
    assert len(found["refused"]) + found["duplicates"] == 360
    assert report(data)[1]["slis"]["readiness_uptime"]["total"] == 360


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "has no column"), (b"a,b\n1,2\n", "has no column 'timestamp'"), (b"\xff\xfe\x00", "can't be read"),
     (None, "can't be read: No such file")],
)  # fmt: skip
def test_an_unreadable_file_is_one_sentence(data: Path, content: bytes | None, words: str) -> None:
    path = data / "x.csv"
    if content is not None:
        path.write_bytes(content)
    done = run("import_history.py", path, data=data)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--window", "3d"],
        ["--as-of", "noon"],
        ["--as-of", "2026-01-01"],
        ["--env", "no"],
        ["--as-of", "0001-01-01T00:00:00Z"],
        ["--as-of", "9999-12-31T00:00:00Z"],
    ],
)
def test_wrong_words_exit_with_two(data: Path, words: list[str]) -> None:
    done = run("slo_report.py", *words, data=data)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_check_finds_what_is_wrong_and_mends_it(data: Path) -> None:
    importing(data, write(data, lines(30)))

    def checked(*words: str) -> tuple[int, dict[str, Any]]:
        done = run("check_rollups.py", "--json", *words, data=data)
        return done.returncode, json.loads(done.stdout)

    status, found = checked()
    assert (status, found["differences"]) == (0, [])
    assert found["compared"] > 1800
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    with store.write() as connection:
        connection.execute(update(rollups).where(rollups.c.tier == 1).values(good=rollups.c.good - 1))
    store.close()
    status, found = checked()
    assert status == 1
    assert {item["tier"] for item in found["differences"]} >= {"hour"}
    assert checked("--repair")[0] == 0
    assert checked() == (0, {"compared": found["compared"], "differences": [], "repaired": False})


def test_two_imports_at_once_count_every_line_once(data: Path) -> None:
    first, second = lines(20), lines(20)[600:] + lines(20, sli="redis_ping_latency")
    paths = [write(data, first, "a.csv"), write(data, second, "b.csv")]
    importing(data, write(data, first[:1], "c.csv"))
    words = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "GREENLIGHT_DATA": str(data)}
    running = [
        subprocess.Popen([sys.executable, str(ROOT / "scripts" / "import_history.py"), str(path), "--json"],
                         env=dict(os.environ) | words, stdout=subprocess.PIPE)
        for path in paths
    ]  # fmt: skip
    found = [json.loads(process.communicate()[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum(item["imported"] for item in found) == 2400 - 1
    assert report(data)[1]["slis"]["readiness_uptime"]["total"] == 1200
    assert run("check_rollups.py", data=data).returncode == 0
