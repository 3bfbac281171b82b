"""An env file is always whole: old or new, no matter which process is killed, however full the disk."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.env_files import writer
from services.env_files.writer import NotWritten
from tests.conftest import ROOT

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def test_a_write_keeps_a_backup_and_lets_its_owner_alone_read(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    path.write_bytes(b"A=1\r\n")
    path.chmod(0o644)
    done = writer.apply(path, "A=2\r\n", before=b"A=1\r\n", now=NOW)
    assert path.read_bytes() == b"A=2\r\n"
    assert done.backup is not None
    assert done.backup.name == "x.env.backup-20261121T120000Z"
    assert done.backup.read_bytes() == b"A=1\r\n"
    assert {p.stat().st_mode & 0o777 for p in (path, done.backup)} == {0o600}


def test_a_new_file_has_no_backup(tmp_path: Path) -> None:
    done = writer.apply(tmp_path / "x.env", "A=1\n", before=None, now=NOW)
    assert done.backup is None
    assert (tmp_path / "x.env").read_text() == "A=1\n"


def test_undo_brings_the_last_file_back_and_can_be_undone(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    writer.apply(path, "one", before=None, now=NOW)
    writer.apply(path, "two", before=b"one", now=NOW)
    writer.apply(path, "three", before=b"two", now=NOW)
    writer.undo(path, now=NOW)
    assert path.read_text() == "two"
    writer.undo(path, now=NOW)
    assert path.read_text() == "three"


def test_without_a_backup_there_is_nothing_to_undo(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="no backup"):
        writer.undo(tmp_path / "x.env", now=NOW)


@pytest.mark.parametrize("before", [None, b"A=0\n"])
def test_a_file_changed_since_the_preview_is_left_alone(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "x.env"
    path.write_text("A=1\n")
    with pytest.raises(NotWritten, match="changed by somebody else"):
        writer.apply(path, "A=2\n", before=before, now=NOW)
    assert path.read_text() == "A=1\n"


def test_a_second_writer_waits_and_then_sees_the_change(tmp_path: Path) -> None:
    path = tmp_path / "x.env"
    path.write_text("0")
    outcomes: list[str] = []

    def write(text: str) -> None:
        try:
            writer.apply(path, text, before=b"0", now=NOW)
            outcomes.append("written")
        except NotWritten:
            outcomes.append("refused")

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 3 + ["written"]


def test_a_link_keeps_pointing_at_its_file(tmp_path: Path) -> None:
    real, link = tmp_path / "real.env", tmp_path / "link.env"
    real.write_text("A=1\n")
    link.symlink_to(real)
    writer.apply(link, "A=2\n", before=b"A=1\n", now=NOW)
    assert link.is_symlink()
    assert real.read_text() == "A=2\n"


def test_a_folder_or_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.env")
    (tmp_path / "folder.env").mkdir()
    for name in ("pipe.env", "folder.env"):
        with pytest.raises(NotWritten, match="not a regular file"):
            writer.apply(tmp_path / name, "A=1\n", before=None, now=NOW)


def test_a_full_disk_leaves_the_old_file_and_one_sentence(tmp_path: Path) -> None:
    """A file size limit makes the kernel refuse the write, as a full disk does."""
    path = tmp_path / "x.env"
    path.write_text("A=1\n")
    code = (
        "import resource, signal, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from services.env_files import writer\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: writer.apply(Path(sys.argv[1]), 'A=' + 'x' * 5000, before=b'A=1\\n', now=datetime.now(UTC))\n"
        "except writer.NotWritten as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "can't be written (File too large)" in done.stdout
    assert path.read_text() == "A=1\n"
    assert not list(tmp_path.glob(".x.env.writing-*"))


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".x.env.writing-4711").write_text("secret")
    writer.apply(tmp_path / "x.env", "A=1\n", before=None, now=NOW)
    assert not list(tmp_path.glob(".x.env.writing-*"))


LOOP = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from services.env_files import writer
path = Path(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    number += 1
    text = f"# {number}\\n" + f"KEY={number}\\n" * 400
    writer.apply(path, text, before=path.read_bytes(), now=datetime.now(UTC))
    for old in writer.backups(path)[2:]:
        old.unlink()
"""


def is_whole(data: bytes) -> bool:
    lines = data.decode().splitlines()
    number = lines[0].removeprefix("# ")
    return lines[1:] == [f"KEY={number}"] * 400


def kill_and_look(folder: Path, times: int) -> None:
    path = folder / "x.env"
    path.write_text("# 0\n" + "KEY=0\n" * 400)
    chance = random.Random(7)
    for _ in range(times):
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", PRELUDE + LOOP, str(path)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(chance.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert is_whole(path.read_bytes())
        assert all(is_whole(backup.read_bytes()) for backup in writer.backups(path))


# `-S` skips the site's start-up; the libraries are where this interpreter has them.
PRELUDE = f"import sys; sys.path[:0] = {[str(ROOT), *[p for p in sys.path if 'site-packages' in p]]!r}\n"


def test_killed_at_any_moment_the_file_is_whole(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 15)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_ten_thousand_times_the_file_is_whole(tmp_path: Path) -> None:
    kill_and_look(tmp_path, 10_000)
