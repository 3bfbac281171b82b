"""A command line that crashes: status 70, one line with a reference into the log, no secret."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.crash import in_words
from services.errors import GreenlightError, StoreBusy, UnknownEnvironment
from tests.conftest import ROOT

CRASHING = """
import sys
from services.crash import guarded
def read(secret):
    raise ValueError("cannot read " + secret)
def main():
    try:
        read("planted-secret")
    except ValueError as error:
        raise KeyError("planted-secret") from error
sys.exit(guarded("probe.py", main))
"""


def run(code: str, data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | {"GREENLIGHT_DATA": str(data)} | variables
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_a_crash_is_one_line_with_a_reference_into_the_log(tmp_path: Path) -> None:
    done = run(CRASHING, tmp_path / "data")
    assert (done.returncode, done.stdout) == (70, "")
    (line,) = done.stderr.splitlines()
    found = re.fullmatch(
        r"probe\.py: Greenlight made a mistake \(KeyError\)\. Report it with the entry (\w{8}) of (.+)\.", line
    )
    assert found is not None
    log = Path(found[2])
    text = log.read_text()
    assert f"{found[1]} probe.py KeyError" in text
    assert "ValueError" in text
    assert "<string>:5 read" in text
    assert "planted-secret" not in text + done.stderr
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_can_not_be_written_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    done = run(CRASHING, tmp_path / "data")
    assert done.returncode == 70
    assert "its log can't be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert "planted-secret" not in done.stderr


def test_the_log_does_not_grow_without_end(tmp_path: Path) -> None:
    logs = tmp_path / "data" / "logs"
    logs.mkdir(parents=True)
    (logs / "crashes.log").write_bytes(b"x" * 1_100_000)
    assert run(CRASHING, tmp_path / "data").returncode == 70
    assert (logs / "crashes.log").stat().st_size < 10_000
    assert (logs / "crashes.log.1").stat().st_size == 1_100_000


def test_what_is_meant_to_end_a_command_line_ends_it_as_before(tmp_path: Path) -> None:
    assert (
        run("import sys; from services.crash import guarded; sys.exit(guarded('x', lambda: 3))", tmp_path).returncode
        == 3
    )
    code = "import sys; from services.crash import guarded; sys.exit(guarded('x', lambda: sys.exit(2)))"
    assert run(code, tmp_path).returncode == 2
    code = "import sys\nfrom services.crash import guarded\ndef main(): raise KeyboardInterrupt\nsys.exit(guarded('x', main))"
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (130, "x: interrupted.\n")


def test_a_reader_that_goes_away_is_no_crash(tmp_path: Path) -> None:
    code = "import sys\nfrom services.crash import guarded\ndef main():\n  for _ in range(100000): print('x' * 100)\n  return 0\nsys.exit(guarded('x', main))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ) | {"GREENLIGHT_DATA": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 141
    process.stderr.close()


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreBusy("The database is busy."), 3), (UnknownEnvironment("x", ("local",)), 2), (GreenlightError("No such thing."), 2)],
)  # fmt: skip
def test_an_expected_error_is_its_sentence_and_the_status_of_its_kind(
    error: GreenlightError, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @in_words
    def fails(_arguments: list[str] | None = None) -> int:
        raise error

    assert fails([]) == status
    assert capsys.readouterr() == ("", f"{error}\n")


@pytest.mark.parametrize("script", sorted(ROOT.glob("scripts/*.py")), ids=lambda path: path.name)
def test_every_command_line_is_guarded(script: Path) -> None:
    text = script.read_text()
    assert '"__main__"' not in text or f'sys.exit(guarded("{script.name}", main))' in text
