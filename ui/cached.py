"""What all sessions share: settings, the store, and view-models a moment old. A failure is never cached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Literal

import streamlit as st

from services import clock
from services.alerts import view as alert_view
from services.checklist import view as checklists
from services.envs.catalogue import Catalogue
from services.envs.catalogue import load as load_catalogue
from services.errors import SettingsError
from services.health import view
from services.paths import config_path
from services.paths import stamp as file_stamp
from services.replay import view as replay_view
from services.report import make
from services.report.document import Kind
from services.settings import Settings, load_and_prepare
from services.slo import depth as slo_depths
from services.slo import view as slo
from services.slo import words as slo_words
from services.store import Store
from services.store.migrate import check

FRESH_S = 1.0
SLO_FRESH_S = 10.0  # SLOs change by the minute
# What draws from these caches and keeps its markup says so here, to be forgotten with them.
_drawn: dict[Literal["slos", "decisions"], list[Callable[[], None]]] = {"slos": [], "decisions": []}


def forget_also(what: Literal["slos", "decisions"], clear: Callable[[], None]) -> None:
    """Have `clear` called when SLOs, or decisions, are to be read again."""
    _drawn[what].append(clear)


@dataclass(slots=True)
class _Held:
    """The settings in use, of which state of the file they are, and why not of the newest."""

    settings: Settings
    stamp: tuple[int, int] | None
    looked_s: float
    trouble: str = ""


_held: _Held | None = None
_reading = Lock()


def settings() -> Settings:
    """The settings of this process. A changed file is taken up within a second; one that is wrong is said, not used."""
    global _held  # noqa: PLW0603 - one for the process, as its settings are
    held = _held
    if held is not None and time.monotonic() - held.looked_s < FRESH_S:
        return held.settings
    with _reading:
        stamp = file_stamp(config_path())
        if _held is None:
            _held = _Held(load_and_prepare(), stamp, time.monotonic())
        elif _held.stamp != stamp:
            _held = _taken_up(_held, stamp)
        _held.looked_s = time.monotonic()
        return _held.settings


def forget_settings() -> None:
    """Read them again at the next question, as a new process does."""
    global _held  # noqa: PLW0603 - one for the process, as its settings are
    _held = None


def look_again() -> None:
    """Look at the settings file at the next question: it was written just now, and what follows is about it."""
    if _held is not None:
        _held.looked_s = -math.inf


def settings_trouble() -> str:
    """Why the newest settings aren't in use, or not all of them; "" where they are."""
    return _held.trouble if _held is not None else ""


def _taken_up(held: _Held, stamp: tuple[int, int] | None) -> _Held:
    """The changed settings; those that a running server can't change stay."""
    try:
        new = load_and_prepare()
    except SettingsError as error:
        first = error.problems[0]
        said = f"The settings file was changed, but can't be used, so those from before count: {first}"
        return _Held(held.settings, stamp, held.looked_s, said)
    fixed = {name: getattr(held.settings, name) for name in ("portal", "access", "access_tokens")}
    changed = [f"[{name}]" for name in ("portal", "access") if getattr(new, name) != fixed[name]]
    said = f"Restart Greenlight to use the changed {' and '.join(changed)}." if changed else ""
    return _Held(new.model_copy(update=fixed), stamp, held.looked_s, said)


@cache
def _opened() -> Store:
    return Store.open(settings().database_url.get_secret_value())


def store() -> Store:
    """The store. Raises StoreError where it can't be used now; asked again, it may be back."""
    _checked()
    return _opened()


@st.cache_resource(ttl=30, max_entries=1, show_spinner=False)
def catalogue() -> Catalogue:
    """The catalogue of keys, with the team's own. Raises SettingsError where that file is wrong."""
    return load_catalogue(settings().keys_file)


@st.cache_data(ttl=5, max_entries=1, show_spinner=False)
def _checked() -> bool:
    check(_opened())
    return True


@st.cache_data(ttl=FRESH_S, max_entries=1, show_spinner=False)
def worker_life() -> view.WorkerLife:
    """Whether anybody measures."""
    return view.worker_life(store(), clock.now_ms())


@st.cache_data(ttl=FRESH_S, max_entries=1, show_spinner=False)
def open_alerts() -> int:
    """How many alerts are open."""
    return alert_view.count_open(store())


@st.cache_data(ttl=FRESH_S, max_entries=50, show_spinner=False)
def environment_view(name: str) -> view.EnvironmentView:
    """The Dependency health page's view-model."""
    return view.environment_view(store(), settings().environment(name), clock.now_ms())


@st.cache_data(ttl=300, max_entries=20, show_spinner=False)
def replay_in_depth(run_id: str, against: str | None, version: str) -> replay_view.InDepth:  # noqa: ARG001 - part of the key
    """A finished run in depth; `version` changes when it does."""
    return replay_view.in_depth(store(), run_id, against)


@st.cache_data(ttl=SLO_FRESH_S, max_entries=50, show_spinner=False)
def slo_view(name: str, days: int | None) -> slo.Slos:
    """The SLOs of an environment."""
    known = settings()
    kept = known.retention.minute_days
    return slo.slos(store(), known.environment(name), clock.now_ms(), days=days, minute_days=kept)


@st.cache_data(ttl=SLO_FRESH_S, max_entries=50, show_spinner=False)
def slo_depth(name: str, sli: str, days: int | None) -> slo_depths.Depth | None:
    """One SLO in depth."""
    known = settings()
    return slo_depths.depth(
        store(), known.environment(name), sli, clock.now_ms(), days=days, minute_days=known.retention.minute_days
    )


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def slos_met(name: str) -> tuple[str, str]:
    """An environment's SLOs in a state and a sentence; a minute old at most."""
    return slo_words.answer(slo_view(name, None).rows)


def forget_slos() -> None:
    """Compute SLOs again at the next check: what counts was changed."""
    for clear in (slo_view.clear, slo_depth.clear, slos_met.clear, *_drawn["slos"]):
        clear()


@st.cache_data(ttl=FRESH_S, max_entries=50, show_spinner=False)
def checklist(name: str) -> checklists.Checklist:
    """The checklist of an environment."""
    return checklists.checklist(store(), settings(), name, clock.now_ms())


@st.cache_data(ttl=SLO_FRESH_S, max_entries=20, show_spinner=False)
def report(name: str, kind: Kind) -> make.Report:
    """A report on an environment, a moment old."""
    return make.report(store(), settings(), name, kind)


def forget_decisions() -> None:
    """Read again at the next check what somebody decided just now."""
    for clear in (checklist.clear, report.clear, *_drawn["decisions"]):
        clear()
