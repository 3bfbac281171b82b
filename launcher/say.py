"""How the launcher speaks. One line a step, one sentence a failure."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Refusal(Exception):
    """Something stands in the way; its text is one sentence that says what and what to do."""

    def __init__(self, sentence: str, status: int = 2) -> None:
        super().__init__(sentence)
        self.status = status


@contextmanager
def step(what: str) -> Iterator[None]:
    """A progress line: what is done, and how long it took."""
    print(f"  {what} …", end=" ", flush=True)
    begun = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    took = time.monotonic() - begun
    print(f"done ({took:.1f} s)" if took >= 0.1 else "done", flush=True)


def line(text: str) -> None:
    """A plain line."""
    print(text, flush=True)


def complain(text: str) -> None:
    """A sentence about trouble, on standard error."""
    print(text, file=sys.stderr, flush=True)
