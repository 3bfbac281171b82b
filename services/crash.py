"""How a command line ends that can't do its work: expected errors in words, its own fault by a reference into the log.

Needs the standard library alone. An error's text may quote a secret, so the log holds types and places, never texts.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from services import clock, paths
from services.errors import GreenlightError, StoreError

P = ParamSpec("P")

STATUS = 70  # EX_SOFTWARE of sysexits.h; never 1, which means fail, No-Go or block
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + the signal's number, as shells have it
MOST_BYTES = 1 << 20
PRIVATE = 0o077  # what is written holds answers, evidence and names: it is for this user alone


def guarded(name: str, main: Callable[[], int]) -> int:
    """Run a command line's `main`; its status, or 70 with one line on stderr where it crashes."""
    os.umask(PRIVATE)
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{name}: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has gone: nothing more is to be said there, at exit neither
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:  # noqa: BLE001 - the last resort of a process
        print(f"{name}: {_noted(name, error)}", file=sys.stderr)
        return STATUS
    return status


def in_words(run: Callable[P, int]) -> Callable[P, int]:
    """A part of a command line whose expected errors are sentences: 3 where the store can't be used, 2 for others."""

    @wraps(run)
    def ran(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return run(*args, **kwargs)
        except StoreError as error:
            print(error, file=sys.stderr)
            return 3
        except GreenlightError as error:
            print(error, file=sys.stderr)
            return 2

    return ran


def _noted(name: str, error: Exception) -> str:
    reference = secrets.token_hex(4)
    kind = type(error).__name__
    file = paths.data_dir() / "logs" / "crashes.log"
    lines = [f"{clock.now().isoformat(timespec='seconds')} {reference} {name} {kind}", *_frames(error)]
    try:
        _append(file, "\n".join(lines) + "\n")
    except OSError as trouble:
        where = "\n".join(lines[-3:])
        return f"Greenlight made a mistake ({kind}); its log can't be written ({trouble.strerror}). {where}"
    return f"Greenlight made a mistake ({kind}). Report it with the entry {reference} of {file}."


def _append(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if file.stat().st_size > MOST_BYTES:
            file.replace(file.with_name(file.name + ".1"))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as stream:
        stream.write(text)


def _frames(error: BaseException) -> Iterator[str]:
    """Where it happened, and what it came from: types, files, lines and functions."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen and len(seen) < 10:
        seen.add(id(found))
        yield f"  {type(found).__name__}"
        for frame in traceback.extract_tb(found.__traceback__)[-20:]:
            yield f"    {frame.filename}:{frame.lineno} {frame.name}"
        found = found.exceptions[0] if isinstance(found, BaseExceptionGroup) else found.__cause__ or found.__context__
