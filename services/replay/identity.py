"""The golden set and the judges that there are now. A finished replay counts only while they are those of its run."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from services.errors import SettingsError
from services.paths import ROOT
from services.replay import golden, rubric

if TYPE_CHECKING:
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
        names = _names(path, *_stamp(path))
        return _golden(path, _stamp(path), tuple(_stamp(path.parent / name) for name in names))
    except (OSError, SettingsError):
        return ""


@functools.lru_cache(maxsize=8)
def _golden(path: Path, _own: tuple[int, int], _code: tuple[tuple[int, int], ...]) -> str:
    return golden.sha256_of(golden.raw(path))


@functools.lru_cache(maxsize=8)
def _names(path: Path, _mtime_ns: int, _size: int) -> tuple[str, ...]:
    """The code that a set names: a changed check is a changed set."""
    return golden.named_code(golden.own(path))


def _stamp(path: Path) -> tuple[int, int]:
    seen = path.stat()
    return seen.st_mtime_ns, seen.st_size


def judges_now(settings: Settings) -> frozenset[str]:
    """SHA-256 of every judge that can be asked for."""
    found = {_rubric()}
    single, several = settings.replay.judge, settings.replay.judges
    if single is not None or several:
        from services.replay import judge_llm, panel

        with contextlib.suppress(SettingsError, OSError):  # its files are gone: it can't be asked for either
            labelled = judge_llm.calibration_path(settings)
            files = (*judge_llm.FILES, labelled)
            stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
            if single is not None:
                found.add(_llm(single.model, single.wire, single.name, labelled, stamps))
            if several:
                found.add(panel.identity(_llm(t.model, t.wire, t.name, labelled, stamps) for t in several))
    return frozenset(found)


@functools.lru_cache(maxsize=32)
def _llm(
    model: str, wire: Literal["chat", "anthropic"], name: str, labelled: Path, _stamps: tuple[tuple[int, int], ...]
) -> str:
    """Of a model as judge: where it is, and what it costs, are no part of it."""
    from services.replay.judge_llm import Endpoint, from_files

    return from_files(Endpoint(url="", model=model, wire=wire, name=name), labelled).sha256


@functools.cache
def _rubric() -> str:
    """Of the code that runs, whatever its files become meanwhile."""
    return rubric.identity()
