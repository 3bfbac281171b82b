"""Whether one is already running with this data folder. A lock that the system gives back when a process dies, and a
note."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from launcher.say import Refusal


def _fresh() -> str:
    return secrets.token_urlsafe(32)


class Stack:
    """The data folder of one running stack: its lock, its note (`stack.json`) and its secret files."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.note_file = data / "stack.json"
        self._held: IO[bytes] | None = None

    def take(self) -> None:
        """Hold the folder. Raises Refusal where another stack does, or where it can't be written."""
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.name == "posix" and self.data.stat().st_uid == os.geteuid():
                self.data.chmod(0o700)  # an older version left it open to every user of the machine
            self._held = (self.data / "stack.lock").open("a+b")
        except OSError as error:
            raise Refusal(
                f"The data folder {self.data} can't be written ({error.strerror}). Choose another with --data."
            ) from error
        if not _lock(self._held):
            running = self.note()
            where = f" at {running['address']}" if "address" in running else ""
            raise Refusal(
                f"Greenlight already runs with the data folder {self.data}{where}. Open it there, or stop it first."
            )

    def note(self) -> dict[str, Any]:
        """What the running (or last) stack wrote down; {} where nothing readable is there."""
        try:
            found = json.loads(self.note_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_note(self, note: dict[str, Any]) -> None:
        """Write the note, whole or not at all."""
        draft = self.note_file.with_name("stack.json.draft")
        draft.write_text(json.dumps(note, indent=1), encoding="utf-8")
        draft.replace(self.note_file)

    def secret(self, name: str, make: str | None = None, *, fresh: Callable[[], str] = _fresh) -> str:
        """A secret kept in the data folder (0600), made by `fresh` on first use; `make` is written in any case."""
        path = self.data / name
        if make is None and path.exists():
            found = path.read_text(encoding="utf-8").strip()
            if found:
                return found
        text = make or fresh()
        write_private(path, text + "\n")
        return text


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(path)


def _lock(stream: IO[bytes]) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens on that port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(first: int, taken: set[int]) -> int:
    """The first free port from there on, below the range from which systems take ports for outgoing connections."""
    for port in range(first, min(first + 400, 32_768)):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise Refusal(f"No free port was found from {first} on.")
