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
MAX_WORDS = 200


class DeployCommand:
    """A running command. Its output goes to a file without a name, of which the last line is kept."""

    def __init__(
        self, words: Sequence[str], *, folder: Path, variables: Sequence[str], clean: Callable[[str], str]
    ) -> None:
        """Start it. Raises OSError."""
        secrets = tuple(value for name in variables if (value := os.environ.get(name)))
        self._remove, self._clean = removing(secrets), clean
        self._output = tempfile.TemporaryFile(mode="ab+")  # noqa: SIM115 - as long as the command
        self._process = subprocess.Popen(  # noqa: S603 - a list of words from the settings, and no shell
            list(words), cwd=folder, env=variables_of(variables), stdin=subprocess.DEVNULL, stdout=self._output,
            stderr=subprocess.STDOUT, start_new_session=sys.platform != "win32",
        )  # fmt: skip

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if os.fstat(self._output.fileno()).st_size > MAX_BYTES:
            self._output.truncate(0)
        return self._process.poll()

    def last_line(self) -> str:
        """The last line that it said, free of secrets."""
        size = os.fstat(self._output.fileno()).st_size
        self._output.seek(max(0, size - KEPT_BYTES))
        text = self._output.read(KEPT_BYTES).decode("utf-8", "replace")
        lines = [line.strip() for line in self._clean(scrub(self._remove(storable(text)))).splitlines()]
        return next((line for line in reversed(lines) if line), "")[:MAX_WORDS]

    def kill(self) -> None:
        """End it, and what it started."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
