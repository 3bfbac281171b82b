"""Trace envelopes: whole lines from many threads and processes, old ones dropped, secrets never written."""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.envelope import Envelope, EnvelopeFile
from runtime.scrub import SECRET, scrub

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from runtime.envelope import Envelope, EnvelopeFile
file = EnvelopeFile(path=Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    file.append(Envelope(at=datetime.now(UTC), tool=sys.argv[2], action=str(n), status="ok", duration_ms=1,
                         environment="t", attributes={"text": "x" * 3000}))
"""


def envelope(at: datetime = NOW, **attributes: object) -> Envelope:
    return Envelope(
        at=at, tool="crm", action="lookup", status="ok", duration_ms=12.5, environment="t", attributes=attributes
    )


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_a_line_has_what_the_contract_names(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "deep" / "t.jsonl")
    file.append(envelope(customer=7))
    (line,) = lines(file.path)
    assert {"at", "trace_id", "span_id", "correlation_id", "tool", "action", "status", "duration_ms", "environment",
            "attributes"} == set(line)  # fmt: skip
    assert line["at"] == "2026-11-21T12:00:00.000Z"


def test_processes_and_threads_together_write_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"p{n}", "100"]) for n in range(3)]
    file = EnvelopeFile(path=path)
    threads = [threading.Thread(target=lambda: [file.append(envelope()) for _ in range(50)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.wait(60) for p in processes] == [0, 0, 0]
    assert len(lines(path)) == 450


def test_nothing_is_lost_while_old_lines_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    file = EnvelopeFile(path=path)
    for _ in range(50):
        file.append(envelope(at=NOW - timedelta(days=40)))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "p", "150"])
    while writer.poll() is None:
        file.clean_up(datetime.now(UTC))
    file.clean_up(datetime.now(UTC))
    assert [line["action"] for line in lines(path) if line["tool"] == "p"] == [str(n) for n in range(150)]


def test_retention_keeps_what_is_young_and_lines_it_can_not_read_with_their_neighbours(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl")
    file.append(envelope(at=NOW - timedelta(days=31)))
    with file.path.open("a") as stream:
        stream.write("torn li\n")
    file.append(envelope(at=NOW - timedelta(days=29)))
    assert file.clean_up(NOW) == 2
    assert len(lines(file.path)) == 1
    assert file.clean_up(NOW) == 0


def test_the_size_cap_drops_the_oldest(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl", cap_bytes=2000)
    for number in range(20):
        file.append(envelope(number=number))
    file.clean_up(NOW)
    assert file.path.stat().st_size <= 2000
    assert lines(file.path)[-1]["attributes"] == {"number": 19}


def test_half_a_line_left_by_a_killed_process_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl")
    file.path.write_text('{"at": "2026-')
    file.append(envelope())
    assert json.loads(file.path.read_text().splitlines()[1])["tool"] == "crm"


@pytest.mark.parametrize(
    "planted",
    [
        {"DASHBOARD_AUTH_TOKEN": "planted-secret"},
        {"headers": {"Authorization": "Bearer planted-secret"}},
        {"note": "sent Authorization: Bearer planted-secret to it"},
        {"url": "redis://:planted-secret@host:6379/0"},
        {"url": "https://user:planted-secret@host/x"},
        {"password": ["planted-secret"]},
        {"deep": [{"api_key": "planted-secret"}]},
        {"planted-secret known": 1},
        {"text": "the known planted-secret inside"},
    ],
)
def test_no_secret_is_written(tmp_path: Path, planted: dict[str, object]) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl", known_secrets=("planted-secret known", "known planted-secret"))
    file.append(envelope(**planted))
    assert "planted-secret" not in file.path.read_text()
    assert SECRET in file.path.read_text()


def test_counts_of_tokens_are_no_secrets() -> None:
    assert scrub({"prompt_tokens": 812}) == {"prompt_tokens": 812}


def test_huge_attributes_are_dropped_not_written(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl")
    file.append(envelope(**{f"k{n}": "x" * 2000 for n in range(100)}))
    assert file.path.stat().st_size < 70_000
    assert "dropped" in str(lines(file.path)[0]["attributes"])


json_like = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(json_like)
def test_whatever_is_handed_in_becomes_json(value: object) -> None:
    json.dumps(scrub(value), allow_nan=False)
