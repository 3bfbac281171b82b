"""What do all sessions share? Settings, the store, view-models and markup a moment old. A failure is never cached."""

from __future__ import annotations

from functools import cache

import streamlit as st

from services import clock
from services.checklist import view as checklists
from services.envs.catalogue import Catalogue
from services.envs.catalogue import load as load_catalogue
from services.health import view
from services.replay import view as replay_view
from services.report import make
from services.report.document import Kind
from services.settings import Settings, load_and_prepare
from services.slo import depth as slo_depths
from services.slo import view as slo
from services.slo import words as slo_words
from services.store import Store
from services.store.migrate import check
from services.verdict import view as verdicts

FRESH_S = 1.0
SLO_FRESH_S = 10.0  # SLOs change by the minute


@cache
def settings() -> Settings:
    """The settings of this process; read once, as a change asks for a restart."""
    return load_and_prepare()


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


@st.cache_data(ttl=SLO_FRESH_S, max_entries=50, show_spinner=False)
def slo_markup(name: str, days: int | None, zone_name: str) -> tuple[str, str]:
    """The SLOs as markup, in a time zone."""
    from ui import present, slo_trends

    return slo_trends.render(slo_view(name, days), present.zone(zone_name), "own" if days is None else f"{days}d")


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def slos_met(name: str) -> tuple[str, str]:
    """An environment's SLOs in a state and a sentence; a minute old at most."""
    return slo_words.answer(slo_view(name, None).rows)


def forget_slos() -> None:
    """Compute SLOs again at the next check: what counts was changed."""
    for kept in (slo_view, slo_depth, slo_markup, slos_met):
        kept.clear()


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def strict_markup(name: str, zone_name: str) -> str:
    """What strict mode would have meant, as markup."""
    from ui import present, slo_trends

    environment = settings().environment(name)
    found = slo_depths.strict_would_have(store(), environment, clock.now_ms(), days=30)
    return slo_trends.strict(found, present.zone(zone_name), simulated=environment.simulated)


@st.cache_data(ttl=FRESH_S, max_entries=50, show_spinner=False)
def overview_markup(only: str | None, zone_name: str) -> tuple[str, str]:
    """The Overview as markup, in a time zone: ten visitors cost one reading and one drawing a second."""
    from ui import overview, present

    now = clock.now_ms()
    where = present.zone(zone_name)
    seen = view.overview(store(), settings(), now, only)
    summaries = verdicts.summaries(store(), settings(), now, tuple(card.name for card in seen.cards))
    slos = {card.name: slos_met(card.name) for card in seen.cards}
    return overview.render(seen, summaries, slos, where, now)


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
    for kept in (checklist, report, overview_markup):
        kept.clear()


@st.cache_data(ttl=FRESH_S, max_entries=50, show_spinner=False)
def moving_markup(name: str, zone_name: str) -> str:
    """An environment's background jobs as markup, in a time zone."""
    from services.dependencies.inngest.status import moving
    from ui import inngest_status as section
    from ui import present

    now = clock.now_ms()
    return section.render(moving(store(), settings(), name, now), present.zone(zone_name), now)


@st.cache_data(ttl=FRESH_S, max_entries=50, show_spinner=False)
def dependency_health_markup(name: str, zone_name: str) -> tuple[str, str]:
    """Dependency health of an environment as markup, in a time zone: the answer, and the rest."""
    from ui import dependency_health, present

    return dependency_health.render(environment_view(name), present.zone(zone_name), clock.now_ms())
