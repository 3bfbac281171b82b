"""What the page Traces shows: sums, the newest calls, what was paid for twice, and how the files are followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.clock import DAY_MS
from services.settings.model import Settings
from services.store import Store, deploys
from services.traces import intake
from services.traces.follow import Standing
from services.traces.keep import Kept
from services.traces.model import Span
from services.traces.query import By, Group, Sums, Traces, Twice, Wanted

DAYS = (1, 7, 30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """One trace file and how far it is read."""

    name: str
    environment: str
    standing: Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class TracesView:
    """The page. `moment_ms` is the last deploy within the time, which sums are split at; `other_retention` how many
    days the watched application keeps its traces, where that differs."""

    total: Sums | None
    groups: tuple[Group, ...]
    newest: tuple[Span, ...]
    twice: tuple[Twice, ...]
    followed: tuple[Followed, ...]
    newest_ms: int | None
    moment_ms: int | None
    version: str
    dropped: tuple[str, ...]
    other_retention: str
    simulated: bool


def view(store: Store, settings: Settings, now_ms: int, *, by: By, days: int, equal: Mapping[str, str]) -> TracesView:
    """The page for a time and filters. Raises StoreError, OSError."""
    traces = Traces(settings.data_dir)
    wanted = Wanted(from_ms=now_ms - days * DAY_MS, until_ms=now_ms + DAY_MS, equal=equal)
    environment = equal.get("environment", "")
    moment, version = _deploy(store, environment, wanted.from_ms) if environment else (None, "")
    total = traces.total(wanted)
    return TracesView(
        total=total, groups=traces.groups(wanted, by, moment_ms=moment) if total else (),
        newest=traces.newest(wanted, limit=50) if total else (), twice=traces.twice(wanted) if total else (),
        followed=followed(settings), newest_ms=traces.newest_ms(), moment_ms=moment, version=version,
        dropped=_dropped(settings), other_retention=_retention(settings, environment),
        simulated=bool(total) and traces.total(wanted, real=True) is None,
    )  # fmt: skip


def _deploy(store: Store, environment: str, since_ms: int) -> tuple[int | None, str]:
    with store.read() as connection:
        newest = deploys.newest(connection, environment)
    if newest is None or newest.at_ms < since_ms:
        return None, ""
    return newest.at_ms, newest.version


def followed(settings: Settings) -> tuple[Followed, ...]:
    """The files, as the settings name them now."""
    standing = Kept(settings.data_dir).standing()
    return tuple(
        Followed(name=str(source.path), environment=source.environment,
                 standing=Standing.from_json(_mapping(standing.get(source.key))))
        for source in intake.sources(settings)
    )  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _dropped(settings: Settings) -> tuple[str, ...]:
    found = Kept(settings.data_dir).standing().get(intake.DROPPED, ())
    return tuple(str(day) for day in found) if isinstance(found, (list, tuple)) else ()


def _retention(settings: Settings, environment: str) -> str:
    """What the watched application keeps, where it differs; "" else."""
    if environment not in settings.names:
        return ""
    days = intake.of_env_file(settings.environment(environment), intake.RETENTION)
    return days if days.isdecimal() and int(days) != settings.traces.retention_days else ""


def trace(settings: Settings, trace_id: str, now_ms: int) -> tuple[Span, ...]:
    """One trace's spans; () where none is kept."""
    days = settings.traces.retention_days + 1
    return Traces(settings.data_dir).trace(trace_id, from_ms=now_ms - days * DAY_MS, until_ms=now_ms + DAY_MS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A span in its trace: how deep, and its part of the time from 0 to 1."""

    span: Span
    depth: int
    start: float
    width: float
    tries: int  # how often this step was begun with this input, in this trace


def waterfall(spans: tuple[Span, ...]) -> tuple[Bar, ...]:
    """Spans in the order of their beginning, each below its parent. Pure."""
    if not spans:
        return ()
    begun = min(span.start_ms for span in spans)
    ended = max(span.start_ms + (span.duration_ms or 0) for span in spans)
    length = max(ended - begun, 1)
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (span.start_ms, span.span_id)):
        parent = span.parent_id if span.parent_id in known and span.parent_id != span.span_id else ""
        children.setdefault(parent, []).append(span)
    tries: dict[tuple[str, str], int] = {}
    for span in spans:
        tries[span.step, span.input_sha256] = tries.get((span.step, span.input_sha256), 0) + 1
    made: list[Bar] = []
    waiting = [(span, 0) for span in reversed(children.get("", []))]
    seen: set[str] = set()
    while waiting:
        span, depth = waiting.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        count = tries[span.step, span.input_sha256] if span.step and span.input_sha256 else 1
        made.append(Bar(span=span, depth=depth, start=(span.start_ms - begun) / length,
                        width=(span.duration_ms or 0) / length, tries=count))  # fmt: skip
        waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]
    rest = (span for span in spans if span.span_id not in seen)  # spans that are each other's parents
    made += [Bar(span=s, depth=0, start=(s.start_ms - begun) / length, width=(s.duration_ms or 0) / length, tries=1)
             for s in rest]  # fmt: skip
    return tuple(made)
