"""Ends a process with the launcher that started it. No: its port and its Redis go with the launcher."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

POLL_S = 1.0


def end_with_parent() -> None:
    """Where GREENLIGHT_PARENT_PID names our parent, end in order (SIGTERM to ourselves) once it is gone."""
    named = os.environ.get("GREENLIGHT_PARENT_PID", "")
    if sys.platform == "win32" or not named.isdecimal() or os.getppid() != int(named):
        return
    threading.Thread(target=_watch, args=(int(named),), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
