"""Takes in what trace files hold, each line once, and keeps the folder small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.dependencies.cleaning import known
from services.env_files.document import UnreadableSource
from services.env_files.reading import read_file
from services.settings.model import Environment, Settings
from services.traces.cleaning import Cleaner
from services.traces.columns import Columns
from services.traces.follow import Standing, step
from services.traces.keep import Dropped, Kept

VARIABLE, RETENTION = "TRACE_ENVELOPE_FILE", "TRACE_RETENTION_DAYS"
DROPPED = "dropped"  # beside the files: the days that were dropped for want of room


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file to follow. `environment` is that of lines that name none; `secrets` are taken out everywhere."""

    path: Path
    environment: str = ""
    simulated: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """What its standing is kept under."""
        return f"{self.environment}|{self.path}"


def sources(settings: Settings) -> tuple[Source, ...]:
    """The files that the settings and the env files name, each once."""
    found = [Source(path=_path(settings.settings_dir, name)) for name in settings.traces.files]
    for environment in settings.environments:
        named = of_env_file(environment, VARIABLE)
        if named and environment.env_path is not None:
            found.append(Source(path=_path(environment.env_path.parent, named), environment=environment.name,
                                simulated=environment.simulated, secrets=known(environment)[0]))  # fmt: skip
    return tuple({source.path: source for source in reversed(found)}.values())[::-1]


def _path(folder: Path, name: str) -> Path:
    return Path(name) if Path(name).is_absolute() else (folder / name)


def of_env_file(environment: Environment, name: str) -> str:
    """A variable of an environment's env file; "" where there is no file, or it doesn't say."""
    if environment.env_path is None:
        return ""
    try:
        return read_file(environment.env_path).filled(name).strip()
    except UnreadableSource:
        return ""


Stamp = tuple[int, int, int] | None  # inode, size and time of change; None where there is no file


def take_in(
    settings: Settings, kept: Kept, wanted: tuple[Source, ...], seen: dict[str, Stamp] | None = None
) -> int:  # fmt: skip
    """Read on in every file; returns how many spans came. Raises OSError where they can't be kept.

    `seen` is filled with what each file looked like before it was read: one that looks the same is left alone.
    """
    count = 0
    for source in wanted:
        stamp = _stamp(source.path)
        if seen is not None and source.key in seen and seen[source.key] == stamp:
            continue
        cleaner = Cleaner(content=settings.traces.content, secrets=source.secrets)
        columns, more = Columns(cleaner, environment=source.environment, simulated=source.simulated), True
        while more:
            with kept.changing():  # a step at a time: others wait for no more than that
                standing = kept.standing()
                before = Standing.from_json(_mapping(standing.get(source.key)))
                made = step(source.path, before, columns)
                if made.standing != before:
                    kept.add_table(made.spans, {**standing, source.key: made.standing.to_json()})
                count, more = count + made.spans.num_rows, made.more
        if seen is not None:
            seen[source.key] = stamp
    return count


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def look_after(settings: Settings, kept: Kept, now_ms: int) -> Dropped:
    """Make one file of many, and drop what is too old or too much. Raises OSError."""
    with kept.changing():
        kept.tidy()
        for day in kept.days():
            kept.compact(day, now_ms=now_ms)
        found = kept.retain(now_ms, days=settings.traces.retention_days,
                            most_bytes=int(settings.traces.max_gb * (1 << 30)))  # fmt: skip
        if found.for_room:
            standing = kept.standing()
            kept.add((), {**standing, DROPPED: [*standing.get(DROPPED, ()), *found.for_room][-50:]})
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
