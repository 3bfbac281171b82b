"""Compaction: what only repeats goes, and everything that was proven stays proven; on both databases."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from services import clock
from services.errors import StoreCorrupt
from services.evidence import Evidence, chain, compaction
from services.store import Store
from services.store.append_only import lifted
from tests.conftest import ROOT

MINUTE = 60_000
CODES = ("queue.ok", "queue.empty")


def flipping(minutes: int, *, check: str = "queue.jobs", fails_at: int = -1) -> list[Evidence]:
    """A queue that is now empty, now not, a record a minute, as older versions wrote it."""
    return [
        Evidence(environment="e", check=check, outcome="fail" if n == fails_at else "pass", at_ms=n * MINUTE,
                 code="queue.late" if n == fails_at else CODES[n % 2], version="v1")
        for n in range(minutes)
    ]  # fmt: skip


def fill(store: Store, *records: Evidence) -> list[str]:
    """Append one by one; the head after each."""
    heads = []
    for record in records:
        with store.write() as connection:
            heads.append(chain.append(store, connection, [record]))
    return heads


def compact(store: Store, folder: Path, now_ms: int = 10**9) -> int:
    with store.write() as connection:
        done = compaction.apply(store, connection, 10**9, folder, environment="_greenlight", by="Ada", now_ms=now_ms)
    return 0 if done is None else done[0]


def left(store: Store) -> list[tuple[str, int]]:
    with store.read() as connection:
        return [(r.outcome, r.at_ms // MINUTE) for _, _, r in reversed(chain.history(connection, "e"))]


def test_repetitions_go_and_changes_hourly_records_and_the_newest_stay(store: Store, tmp_path: Path) -> None:
    fill(store, *flipping(130, fails_at=70))
    assert compact(store, tmp_path) == 125
    assert left(store) == [("pass", 0), ("pass", 60), ("fail", 70), ("pass", 71), ("pass", 129)]
    with store.read() as connection:
        assert chain.verify(connection) is None
    assert compact(store, tmp_path, 10**9 + 1) == 0, "a second one finds nothing more"
    assert len(list(tmp_path.glob(compaction.PATTERN))) == 1, "and leaves no empty archive"


def test_only_what_says_nothing_of_its_own_goes(store: Store, tmp_path: Path) -> None:
    """Decisions, taken reports, records of a person's confirmation, replays, and what failed or is not known."""
    same = [
        ("confirm.strict", {"by": "Ada"}),
        ("report.completion", {"sha256": "x"}),
        ("replay.gate", {}),
        ("soak", {}),
    ]
    kept = [
        Evidence(environment="e", check=check, outcome="pass", at_ms=n, detail=detail)
        for check, detail in same
        for n in range(3)
    ]
    kept += [Evidence(environment="e", check="redis.ping", outcome="fail", at_ms=n) for n in range(3)]
    fill(store, *kept)
    assert compact(store, tmp_path) == 0


def test_two_checks_that_alternate_and_a_later_compaction_beside_the_first(store: Store, tmp_path: Path) -> None:
    one, two = flipping(20), flipping(20, check="queue.other")
    fill(store, *(record for pair in zip(one, two, strict=True) for record in pair))
    assert compact(store, tmp_path) == 36
    fill(store, *flipping(20), *flipping(20, check="queue.other"))  # the newest of before repeat by now, too
    assert compact(store, tmp_path, 10**9 + 1) > 0
    with store.read() as connection:
        assert chain.verify(connection) is None
        assert chain.tip(connection)[0] == 80 + 2, "the number of records counts those taken out"


def test_every_head_that_a_report_was_sealed_at_is_found_where_it_was(store: Store, tmp_path: Path) -> None:
    heads = fill(store, *flipping(30, fails_at=10))
    compact(store, tmp_path)
    with store.read() as connection:
        for number, head in enumerate(heads, start=1):
            place = chain.place(connection, head) or compaction.archived_place(connection, tmp_path, head)
            assert place == number
        assert chain.place(connection, "f" * 64) is None
        assert compaction.archived_place(connection, tmp_path, "f" * 64) is None


def test_an_altered_archive_proves_nothing(store: Store, tmp_path: Path) -> None:
    heads = fill(store, *flipping(30))
    compact(store, tmp_path)
    path = next(tmp_path.glob(compaction.PATTERN))
    assert path.stat().st_mode & 0o777 == 0o600
    text_of = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text_of.replace('\\"at_ms\\":600000', '\\"at_ms\\":600001').encode()))
    with store.read() as connection:
        assert compaction.archived_place(connection, tmp_path, heads[12]) is None
        path.write_bytes(b"no archive")
        assert compaction.archived_place(connection, tmp_path, heads[12]) is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM evidence WHERE outcome = 'fail'",
        "DELETE FROM evidence WHERE seq = 1",
        "DELETE FROM evidence WHERE check_name = 'evidence.compacted'",
    ],
)
def test_what_else_is_missing_is_found_as_before(store: Store, tmp_path: Path, statement: str) -> None:
    fill(store, *flipping(30, fails_at=10))
    compact(store, tmp_path)
    fill(store, *flipping(1, check="redis.ping"))
    with store.write() as connection, lifted(connection, "DELETE"):
        connection.execute(text(statement))
    with store.read() as connection:
        assert chain.verify(connection) is not None


def test_a_broken_chain_is_not_compacted(store: Store, tmp_path: Path) -> None:
    """It would hide where it is broken."""
    fill(store, *flipping(30))
    with store.write() as connection, lifted(connection, "DELETE"):
        connection.execute(text("DELETE FROM evidence WHERE seq = 5"))
    with pytest.raises(StoreCorrupt, match="broken at record 6"):
        compact(store, tmp_path)
    assert list(tmp_path.glob(compaction.PATTERN)) == []


def test_an_archive_that_is_there_already_stays(store: Store, tmp_path: Path) -> None:
    """Its removal after an error would lose the proof of what was taken out before."""
    fill(store, *flipping(30))
    there = tmp_path / f"evidence-{10**9}.jsonl.gz"
    there.write_bytes(b"earlier")
    with pytest.raises(FileExistsError):
        compact(store, tmp_path)
    assert there.read_bytes() == b"earlier"


def test_the_database_refuses_to_delete_again_afterwards(store: Store, tmp_path: Path) -> None:
    fill(store, *flipping(30))
    compact(store, tmp_path)
    with pytest.raises(Exception, match=r"append-only|refused"), store.write() as connection:
        connection.execute(text("DELETE FROM evidence"))


def run(data: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"GREENLIGHT_DATA": str(data), "GREENLIGHT_CONFIG": "", "DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "scripts/compact_evidence.py", *words], cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_line_says_how_many_first_and_does_it_when_told(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    now = clock.now_ms()
    fill(store, *flipping(30))
    dry = run(tmp_path, database_url)
    assert (dry.returncode, "Would take 28 records out" in dry.stdout) == (1, True), dry.stderr
    assert len(left(store)) == 30, "a dry run changes nothing"
    nameless = run(tmp_path, database_url, "--apply")
    assert (nameless.returncode, "--by NAME" in nameless.stderr) == (2, True)
    done = run(tmp_path, database_url, "--apply", "--by", "Ada")
    assert (done.returncode, "Took 28 records out" in done.stdout) == (0, True), done.stderr
    with store.read() as connection:
        assert chain.verify(connection) is None
        (_, _, said), *_ = chain.history(connection, "_greenlight")
    assert (said.check, said.value, said.detail["by"]) == ("evidence.compacted", 28, "Ada")
    assert said.at_ms >= now
    assert run(tmp_path, database_url).returncode == 0
