"""Findings about an env file as a file: who may read it, and whether git has it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from services.envs.findings import is_example
from services.envs.rules import Finding, finding

GIT_DEADLINE_S = 3.0


def file_findings(path: Path) -> Iterator[Finding]:
    """What is wrong with the file as a file: who may read it, and whether git has it."""
    if is_example(path.name):
        return
    if os.name == "posix":
        try:
            mode = path.stat().st_mode
        except OSError:
            return
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield finding("readable_by_others")
    if _tracked_by_git(path):
        yield finding("tracked_by_git")


def _tracked_by_git(path: Path) -> bool:
    """Whether git's index holds the file. Hooks and monitors of a foreign repository are never run."""
    folder = path.resolve().parent
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return False
    git = shutil.which("git")
    if git is None:
        return False
    command = [git, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", str(folder),
               "ls-files", "--error-unmatch", "--", path.name]  # fmt: skip
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - git by full path, the file's name after `--`
            command, capture_output=True, timeout=GIT_DEADLINE_S, check=False, env=clean, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
