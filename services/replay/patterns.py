"""Regular expressions from a golden set, run with a time limit: a search that never ends makes its case an error."""

from __future__ import annotations

from functools import lru_cache

import regex

LIMIT_S = 1.0  # for one search; an honest pattern over the largest answer takes milliseconds
IGNORE_CASE = int(regex.IGNORECASE)


class PatternStopped(Exception):
    """A pattern took longer than its limit, so whether it matches is not known."""


class WrongPattern(ValueError):
    """The text is no regular expression; the message says what is wrong with it."""


@lru_cache(maxsize=2000)
def compiled(pattern: str, flags: int = 0) -> regex.Pattern[str]:
    """The pattern. Raises WrongPattern."""
    try:
        return regex.compile(pattern, flags)
    except (regex.error, OverflowError, RecursionError) as error:
        raise WrongPattern(str(getattr(error, "msg", "") or "it can't be read")[:120]) from error


def found(pattern: str, text: str, flags: int = 0) -> bool:
    """Whether the pattern matches somewhere in the text. Raises PatternStopped, WrongPattern."""
    try:
        return compiled(pattern, flags).search(text, timeout=LIMIT_S, concurrent=True) is not None
    except TimeoutError as error:
        raise PatternStopped(f"a pattern took longer than {LIMIT_S:g} s") from error


def matches_nothing_at_all(pattern: str) -> bool:
    """Whether it matches the empty text, and so every text: an expectation with it can't fail."""
    try:
        return found(pattern, "")
    except PatternStopped:
        return False
