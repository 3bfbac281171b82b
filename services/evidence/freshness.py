"""When evidence stops counting. When it grows too old, or what it was taken under has changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.clock import HOUR_MS, SKEW_MS
from services.evidence.model import Evidence

STALE_AFTER_INTERVALS = 2  # a probe's reading
FOR_EVER = 1000 * 365 * 24 * HOUR_MS
PERSONAL = "confirm."  # what a person decided: it stands until that person, or another, says otherwise
ALERTS = "alerts."  # that alerts reach somebody: it says nothing of the environment's variables
# Evidence, by its check; the longest prefix wins. Probes write at least hourly while they run: two hours mean that they
# no longer do.
MAX_AGE_MS: tuple[tuple[str, int], ...] = (
    (PERSONAL, FOR_EVER),
    (ALERTS, 30 * 24 * HOUR_MS),
    ("soak", 7 * 24 * HOUR_MS),
    ("deploy.drill", 30 * 24 * HOUR_MS),
    ("env.", 26 * HOUR_MS),
    ("health.daily", 26 * HOUR_MS),
    ("replay.canary", 26 * HOUR_MS),
    ("replay.gate", 7 * 24 * HOUR_MS),
    ("", 2 * HOUR_MS),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What evidence is taken under; None where it isn't known or plays no part."""

    fingerprint: str | None = None
    version: str | None = None
    golden_sha256: str | None = None  # "" where there is none that can be read
    judges: frozenset[str] | None = None  # every judge that there is
    quarantine: frozenset[str] | None = None  # golden cases that are put aside, each as `set/case`
    terms: Mapping[str, Any] | None = None  # on which a deploy would happen
    silent: str = ""  # that nobody has measured for long, in words


VARIABLES = "the environment's variables changed since"
VERSION = "another version was deployed since"
BEFORE = "it was measured before the environment's variables were known"
_CAUSES = (
    ("fingerprint", VARIABLES),
    ("version", VERSION),
    ("golden_sha256", "the golden set changed since"),
)
_TERMS = {"overlap_s": "overlap", "draining_s": "draining", "transport": "transport"}


def why_stale(record: Evidence, now: Context, now_ms: int) -> str | None:
    """Why the record no longer counts, in words; None while it does.

    A record that was taken before a fingerprint or version was known counts as taken under another one.
    """
    if now.terms is not None and (words := _other_terms(record.detail.get("terms"), now.terms)):
        return words
    for name, words in _CAUSES:
        current, taken = getattr(now, name), getattr(record, name)
        plays_a_part = taken is not None or (name == "fingerprint" and not record.check.startswith((PERSONAL, ALERTS)))
        if current is None or not plays_a_part or taken == current:
            continue
        if taken is None:
            return BEFORE
        if name == "fingerprint" and taken.split("-")[0] != current.split("-")[0]:
            return "the installation's fingerprint key was replaced since, so it can't be compared"
        return words
    if now.judges is not None and record.judge_sha256 is not None and record.judge_sha256 not in now.judges:
        return "the judge changed since"
    aside = record.detail.get("quarantine")
    if now.quarantine is not None and isinstance(aside, list) and not now.quarantine.issuperset(map(str, aside)):
        return "a quarantine that it rests on has ended"
    if now.silent and is_measured_all_the_time(record.check):
        return now.silent  # it is written on change and hourly: its age alone says little
    if now_ms - record.at_ms > max_age_ms(record.check):
        return "it is too old"
    if record.at_ms - now_ms > SKEW_MS and not record.check.startswith(PERSONAL):
        return "it is dated in the future: a clock was wrong"
    return None


def _other_terms(taken: object, now: Mapping[str, Any]) -> str:
    """Which of the terms of a deploy are others by now, in words; "" for evidence that was taken on none."""
    if not isinstance(taken, Mapping):
        return ""
    names = [title for name, title in _TERMS.items() if taken.get(name) != now.get(name)]
    return f"{' and '.join(names)} changed since" if names else ""


def max_age_ms(check: str) -> int:
    """How long evidence of this check counts at most."""
    return max((len(prefix), age) for prefix, age in MAX_AGE_MS if check.startswith(prefix))[1]


def is_measured_all_the_time(check: str) -> bool:
    """Whether evidence of this check is written on change and hourly, as probes do."""
    return max_age_ms(check) == MAX_AGE_MS[-1][1]


def stale_after_ms(interval_s: float) -> int:
    """Milliseconds after which a reading no longer speaks for the present."""
    return int(interval_s * STALE_AFTER_INTERVALS * 1000)


def reading_is_stale(at_ms: int, interval_s: float, now_ms: int) -> bool:
    """Too old to speak for now; also when it lies in the future, as after a clock that was set back."""
    return abs(now_ms - at_ms) > stale_after_ms(interval_s)
