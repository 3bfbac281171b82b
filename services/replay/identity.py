"""Which golden set and which judges are there now? A finished replay counts only while they are those of its run."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

from services.errors import SettingsError
from services.place import ROOT
from services.replay import golden, rubric
from services.settings.model import Settings


def golden_path(settings: Settings) -> Path:
    """The configured golden set."""
    named = settings.replay.golden
    if named is None:
        return golden.DEFAULT
    return Path(settings.source).parent / named if settings.keys_file else ROOT / named


def golden_now(settings: Settings) -> str:
    """SHA-256 of the configured golden set; "" where it can't be read."""
    path = golden_path(settings)
    try:
        seen = path.stat()
        return _golden(path, seen.st_mtime_ns, seen.st_size)
    except (OSError, SettingsError):
        return ""


@functools.lru_cache(maxsize=8)
def _golden(path: Path, _mtime_ns: int, _size: int) -> str:
    return golden.sha256_of(golden.raw(path))


def judges_now(settings: Settings) -> frozenset[str]:
    """SHA-256 of every judge that can be asked for."""
    found = {_rubric()}
    if settings.replay.judge is not None:
        from services.replay.judge_llm import from_settings

        with contextlib.suppress(SettingsError):  # its files are gone: it can't be asked for either
            found.add(from_settings(settings).sha256)
    return frozenset(found)


@functools.cache
def _rubric() -> str:
    """Of the code that runs, whatever its files become meanwhile."""
    return rubric.identity()
