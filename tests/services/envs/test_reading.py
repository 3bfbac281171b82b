"""Sources that can't be read are one sentence; a file that git tracks is found, and git runs none of its hooks."""

import os
import subprocess
from pathlib import Path

import pytest

from services.env_files import reading
from services.env_files.document import UnreadableSource
from services.envs import file_state


def test_each_kind_of_trouble_has_its_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, says in (
        (tmp_path / "absent", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "not a regular file"),
        (Path("a\0b"), "can't be read"),
    ):
        with pytest.raises(UnreadableSource, match=says):
            reading.read_file(path)


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def test_a_file_in_gits_index_is_found_and_one_beside_it_is_not(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for name in ("tracked.env", "ignored.env", ".env.example"):
        (tmp_path / name).write_text("A=1\n")
        (tmp_path / name).chmod(0o600)
    git(tmp_path, "add", "tracked.env", ".env.example")
    assert [f.rule for f in file_state.file_findings(tmp_path / "tracked.env")] == ["tracked_by_git"]
    assert list(file_state.file_findings(tmp_path / "ignored.env")) == []
    assert list(file_state.file_findings(tmp_path / ".env.example")) == []


def test_a_hostile_repository_runs_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    (tmp_path / "--x.env").write_text("A=1\n")
    list(file_state.file_findings(tmp_path / "--x.env"))
    assert not (tmp_path / "ran").exists()
