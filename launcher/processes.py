"""Starts a child, waits for it, and stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.environment import ROOT
from launcher.say import Refusal

LOG_KEPT_BYTES = 5 << 20
if sys.platform == "win32":
    _NEW_GROUP, _STOP = subprocess.CREATE_NEW_PROCESS_GROUP, signal.CTRL_BREAK_EVENT
else:
    _NEW_GROUP, _STOP = 0, signal.SIGTERM


class Child:
    """One of our processes, in a group of its own so that Ctrl-C reaches the launcher alone, which stops in order."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        logs: Path,
        variables: Mapping[str, str | None],
        folder: Path = ROOT,
    ) -> None:
        """Start it; a variable given as None is taken out of its environment."""
        self.name = name
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{name}.log"
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as stream:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={name: value for name, value in {**os.environ, **variables}.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=sys.platform != "win32",
                creationflags=_NEW_GROUP,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def said(self, lines: int = 12) -> str:
        """The last lines that it wrote since its start."""
        with self.log.open("rb") as stream:
            stream.seek(self._log_from)
            text = stream.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait_for(self, url: str, patience_s: float) -> None:
        """Wait until it answers there (with any status). Raises Refusal where it ends or stays silent."""
        give_up = time.monotonic() + patience_s
        while time.monotonic() < give_up:
            if self.status is not None:
                raise Refusal(f"The {self.name} ended at once:\n{self.said()}", 2)
            if _answers(url):
                return
            time.sleep(0.05)
        raise Refusal(f"The {self.name} did not answer within {patience_s:g} s; its log is {self.log}.", 1)

    def ask_to_stop(self) -> None:
        """Ask it to end in order."""
        if self.status is None:
            self._process.send_signal(_STOP)

    def stop(self, patience_s: float) -> None:
        """Ask it to end in order, and end it if it doesn't."""
        self.ask_to_stop()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never ask a proxy for loopback
    try:
        opener.open(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
