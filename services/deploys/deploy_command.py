"""Runs the command that deploys, without a shell. It goes on where our own process ends: it may be what is deployed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from services.child import variables_of
from services.outside import storable
from services.redact import removing, scrub

KEPT_BYTES = 4096  # of its output, for its last line
MAX_BYTES = 1 << 20  # beyond that its output is dropped
MAX_CHARACTERS = 200
_left: list[subprocess.Popen[bytes]] = []  # kept, so that nobody collects one that still runs


class DeployCommand:
    """A running command. Its output goes to a file without a name, of which the last line is kept."""

    def __init__(
        self, words: Sequence[str], *, folder: Path, variables: Sequence[str], clean: Callable[[str], str]
    ) -> None:
        """Start it. Raises OSError."""
        secrets = tuple(value for name in variables if (value := os.environ.get(name)))
        self._remove, self._clean = removing(secrets), clean
        self._output = tempfile.TemporaryFile(mode="ab+")  # noqa: SIM115 - as long as the command
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list of words from the settings, and no shell
                list(words), cwd=folder, env=variables_of(variables), stdin=subprocess.DEVNULL, stdout=self._output,
                stderr=subprocess.STDOUT, start_new_session=sys.platform != "win32",
            )  # fmt: skip
        except OSError:
            self._output.close()
            raise

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if os.fstat(self._output.fileno()).st_size > MAX_BYTES:
            self._output.truncate(0)
        return self._process.poll()

    def last_line(self) -> str:
        """The last line that it said, free of secrets."""
        size = os.fstat(self._output.fileno()).st_size
        self._output.seek(max(0, size - KEPT_BYTES))
        lines = self._output.read(KEPT_BYTES).decode("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return self._clean(scrub(self._remove(storable(last))))[:MAX_CHARACTERS]

    def close(self) -> None:
        """Let go of it: one that still runs goes on without us."""
        self._output.close()
        if self._process.poll() is None:
            _left.append(self._process)

    def kill(self) -> None:
        """End it, and what it started."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
