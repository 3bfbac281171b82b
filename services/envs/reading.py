"""Where does a configuration come from? Files with size limit and a state of their own; foreign errors end here."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from services.envs import document
from services.envs.document import Document, UnreadableSource
from services.envs.findings import is_example
from services.envs.rules import Finding, finding

GIT_DEADLINE_S = 3.0


def read_bytes(path: Path) -> bytes:
    """A configuration file's content. Raises UnreadableSource with a sentence that says what to do."""
    try:
        # Not blocking: a pipe that somebody put in the file's place must not hold the reader for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableSource(f"{path} is not a regular file. Name an env file.")
            data = stream.read(document.MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UnreadableSource(f"{path} does not exist. Check the path, or make it with bootstrap.") from error
    except IsADirectoryError as error:
        raise UnreadableSource(f"{path} is a folder. Name an env file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not valid"
        raise UnreadableSource(f"{path} can't be read ({reason}). Check path and permissions.") from error
    if len(data) > document.MAX_BYTES:
        raise UnreadableSource(f"{path} is larger than {document.MAX_BYTES >> 20} MiB: that is no env file.")
    return data


def read_file(path: Path) -> Document:
    """An env file, or a hosting platform's JSON export. Raises UnreadableSource."""
    return document.read_any(read_bytes(path), path.name)


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
