"""Calls that a deploy made twice, read from the kit's own trace file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.envelope import Envelope, EnvelopeFile, input_hash
from services.deploys import calls
from services.settings import load

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)


def written(file: EnvelopeFile, *, after_s: float = 0, run: str | None = "r1", step: str | None = "ask",
            asked: object = "why?") -> None:  # fmt: skip
    hashed = None if asked is None else input_hash(asked)
    file.append(Envelope(at=AT + timedelta(seconds=after_s), tool="llm", action="chat", status="ok", duration_ms=9,
                         environment="p", run_id=run, step=step, input_sha256=hashed))  # fmt: skip


def test_the_same_step_with_the_same_input_is_one_too_many(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl")
    for after_s, more in ((0, {}), (30, {}), (40, {"asked": "how?"}), (50, {"run": "r2"}), (60, {"step": None}),
                          (70, {"asked": None}), (7200, {})):  # fmt: skip
        written(file, after_s=after_s, **more)  # type: ignore[arg-type]
    assert calls.twice(file.path, AT_MS - 1000, AT_MS + 600_000) == 1
    assert calls.twice(file.path, AT_MS + 10_000, AT_MS + 600_000) == 0
    assert calls.twice(file.path, AT_MS + 900_000, AT_MS + 1_000_000) is None, "no call there says step and input"


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    file = EnvelopeFile(path=tmp_path / "t.jsonl")
    written(file)
    with file.path.open("ab") as stream:
        stream.write(b'\xff\xfe\n[1]\n{"at": 5}\nnull\n{"at":"2026-11-30T12:00:00Z","step":["ask"],"input_sha256":"x"}\n'
                     + b"[" * 100_000 + b'\n{"at":"2026-11-30T12:00:01')  # fmt: skip
    written(file, after_s=1)
    assert calls.twice(file.path, AT_MS - 1000, AT_MS + 600_000) == 1
    assert calls.twice(tmp_path / "none.jsonl", 0, AT_MS) is None


@pytest.mark.parametrize("value", ["text", {"b": 1, "a": [None, 2.5]}, object, b"\xff", "\ud800"])
def test_every_input_has_a_hash_and_the_order_of_keys_plays_no_part(value: object) -> None:
    assert len(input_hash(value)) == 64
    assert input_hash({"a": 1, "b": 2}) == input_hash({"b": 2, "a": 1})


def test_the_file_is_the_one_that_the_env_file_names(tmp_path: Path) -> None:
    (tmp_path / "greenlight.toml").write_text(
        '[[environments]]\nname = "p"\nbase_url = "http://p"\nenv_file = "p.env"\n'
    )
    variables = {"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path / "data")}
    for env, there in (("TRACE_ENVELOPE_FILE=traces/t.jsonl\n", True), ("TRACE_ENVELOPE_FILE=none.jsonl\n", False),
                       ("", False)):  # fmt: skip
        (tmp_path / "p.env").write_text(env)
        written(EnvelopeFile(path=tmp_path / "traces" / "t.jsonl"))
        found = calls.file_of(load(variables).environment("p"))
        assert (found == tmp_path / "traces" / "t.jsonl") is there
