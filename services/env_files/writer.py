"""Writes an env file so that it is always whole. Lock, backup, temporary file, fsync, rename; and undo.

Killed at any moment, the file is the old one or the new one. What a kill leaves behind (a temporary file, for this
user alone) is removed by the next writer.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from services.env_files.reading import read_bytes
from services.errors import GreenlightError

LOCK_PATIENCE_S = 5.0
STAMP = "%Y%m%dT%H%M%SZ"
MODE = 0o600


class NotWritten(GreenlightError):
    """The file was not written and is as it was; the message is a sentence with what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a write left: the file, and the backup of what it held before (None for a new file)."""

    path: Path
    backup: Path | None


def apply(path: Path, text: str, *, before: bytes | None, now: datetime) -> Written:
    """Put `text` in the file's place. `before` is what the plan was made from (None: there was no file).

    Raises NotWritten where somebody else writes, the file changed since, or the disk refuses.
    """
    data = text.encode("utf-8", "surrogateescape")
    with _sole_writer(path) as target:
        current = read_bytes(target) if target.exists() else None
        if current != before:
            raise NotWritten(f"{path} was changed by somebody else since the preview. Look at the preview again.")
        backup = None if current is None else _keep(target, current, now)
        _replace(target, data)
    return Written(path=path, backup=backup)


def backups(path: Path) -> tuple[Path, ...]:
    """The file's backups, newest first."""
    target = path.resolve()
    pattern = re.compile(re.escape(target.name) + r"\.backup-\d{8}T\d{6}Z(?:-(\d+))?")
    found = [p for p in target.parent.glob(f"{_escaped(target.name)}.backup-*") if pattern.fullmatch(p.name)]
    return tuple(sorted(found, key=_age_of, reverse=True))


def undo(path: Path, *, now: datetime) -> Written:
    """Bring back the newest backup; what stood there meanwhile becomes a backup itself. Raises NotWritten."""
    kept = backups(path)
    if not kept:
        raise NotWritten(f"There is no backup of {path} to bring back.")
    data = read_bytes(kept[0])
    with _sole_writer(path) as target:
        backup = _keep(target, read_bytes(target), now) if target.exists() else None
        _replace(target, data)
        kept[0].unlink(missing_ok=True)
    return Written(path=path, backup=backup)


@contextmanager
def _sole_writer(path: Path) -> Iterator[Path]:
    """The file behind any link, while nobody else writes it. The lock ends with its process."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise NotWritten(f"{path} is not a regular file. Name an env file.")
    try:
        with FileLock(target.with_name(f".{target.name}.lock"), timeout=LOCK_PATIENCE_S, mode=MODE):
            for left in target.parent.glob(f".{_escaped(target.name)}.writing-*"):
                left.unlink(missing_ok=True)
            yield target
    except Timeout as error:
        raise NotWritten(f"Somebody else is writing {path}. Wait a moment and try again.") from error
    except OSError as error:
        raise NotWritten(
            f"{path} can't be written ({error.strerror}). It is as it was; check folder, permissions and free space."
        ) from error


def _keep(target: Path, data: bytes, now: datetime) -> Path:
    """A backup under a name of its own; whole or not there at all, so that undo never brings half a file back."""
    stem = f"{target.name}.backup-{now.strftime(STAMP)}"
    backup, number = target.with_name(stem), 0
    while backup.exists():
        number += 1
        backup = target.with_name(f"{stem}-{number}")
    _put(backup, target, data)
    return backup


def _replace(target: Path, data: bytes) -> None:
    _put(target, target, data)
    _sync_folder(target.parent)


def _put(path: Path, target: Path, data: bytes) -> None:
    """Written beside the env file and renamed; the lock is held, so nobody else takes the name meanwhile."""
    draft = target.with_name(f".{target.name}.writing-{os.getpid()}")
    try:
        _write_whole(draft, data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _write_whole(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _age_of(backup: Path) -> tuple[str, int]:
    stamp, _, number = backup.name.rpartition(".backup-")[2].partition("-")
    return stamp, int(number or 0)


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
