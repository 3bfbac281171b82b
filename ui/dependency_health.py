"""The Dependency health page as markup. Worst first, without Plotly; charts are one click away."""

from __future__ import annotations

from datetime import tzinfo
from functools import partial
from html import escape

import streamlit as st

from services import clock, export
from services.dependencies.model import dependency_of
from services.dependencies.registry import KINDS
from services.health.view import DependencyView, EnvironmentView
from services.settings.model import Environment
from services.store.conditions import Condition
from ui import cached, html, moment, overview, present


def render(view: EnvironmentView, where: tzinfo, now: int) -> tuple[str, str]:
    """The answer; and all that stands below it: a tile a dependency, changes, the monitor's own share.

    Two pieces, so that the answer is painted before the rest is laid out.
    """
    health = view.card.health
    what, step = overview.verdict_words(view.card)
    answer = html.block(
        overview.as_of(health.measured_ms, view.worker, where, now),
        html.answer(health.state, what, step, mark=view.card.simulated),
    )
    parts: list[str] = []
    if health.contradictions:
        parts += [html.heading("Conflicting signals"), _contradictions(view)]
    parts += [_tile(view, item, where, now) for item in view.dependencies]
    parts += [html.heading("Changes"), html.changes(view.changes, where, name_environment=False)]
    parts += [f'<p class="dim">{escape(text)}</p>' for text in view.own_load]
    return answer, html.block(*parts)


def _contradictions(view: EnvironmentView) -> str:
    items = "".join(
        f"<li>{html.badge('down', word='contradiction')} {escape(f.advice.what)}"
        f'<div class="fix dim">{escape(f.advice.fix)}</div></li>'
        for f in view.card.health.contradictions
    )
    return f"<ul>{items}</ul>"


def _tile(view: EnvironmentView, item: DependencyView, where: tzinfo, now: int) -> str:
    d = item.dependency
    word = overview.dependency_word(d)
    since = f"since {present.moment(d.leading.since_ms, where)}" if d.leading.since_ms else ""
    confirm = ""
    if d.leading.outcome == "down" and d.state != "down":
        confirm = f'<span class="warn">failed {d.leading.failures} of 3 checks</span>'
    if d.leading.outcome in {"ok", "slow"} and d.state == "down":
        confirm = '<span class="warn">works again: one more success needed</span>'
    title = (
        f'<div class="row">{html.heading(d.label or present.title(d.name), present.gloss(d.kind or d.name))}'
        f"<span>{html.badge(d.state, word=word)}</span>{html.simulated() if view.card.simulated else ''}"
        f'<span class="dim">{escape(since)}</span>{confirm}<span class="grow"></span>'
        f'<span class="dim">{_measured_words(item, now)}</span></div>'
    )
    says = f'<p style="margin:.25rem 0 0">{escape(item.notice.advice.what)}</p>'
    if item.notice.advice.fix:
        says += f'<p class="dim" style="margin:0">{escape(item.notice.advice.fix)}</p>'
    then = partial(moment.address, view.card.name)
    left = html.table(("Condition", "Expected", "Actual"), _conditions(view, item))
    right = (
        ""
        if not d.measured
        else "".join(_sparks(item))
        + html.ribbon(item.day, where, label="Last 24 hours", unit="one cell = 30 min", leads_to=then)
    )
    more = (
        ""
        if not d.measured
        else html.link("History and raw evidence", "dependency_health", env=view.card.name, detail=d.name)
    )
    two = f'<div class="two" style="margin-top:.4rem"><div>{left}</div><div>{right}</div></div>'
    return html.tile(title, says, two, more)


def _measured_words(item: DependencyView, now: int) -> str:
    newest = max(probe.at_ms for probe in item.dependency.probes)
    if not item.dependency.measured:
        return f"as the application reported {present.age(newest, now)}"
    return f"measured {present.age(newest, now)}" if newest else "not measured yet"


def _conditions(view: EnvironmentView, item: DependencyView) -> list[tuple[str, str, str]]:
    """Expected beside actual, one line a fact."""
    d = item.dependency
    rows: list[tuple[str, str, str]] = []
    settings = cached.settings().environment(view.card.name)
    limits: dict[str, float | None] = {table.name: table.slow_ms for table in settings.dependencies if table.timed}
    for kind in KINDS.values():
        limits |= kind.slow_ms(settings)
    for probe in d.probes:
        limit = limits.get(probe.probe)
        expected = f"ok, within {present.milliseconds(limit)}" if limit else "ok"
        latency = "" if probe.latency_ms is None else f", {present.milliseconds(probe.latency_ms)}"
        state_word = html.badge(probe.state, word=present.finding_word(probe.code, probe.state))
        rows.append((escape(d.label or present.title(probe.probe)), escape(expected), f"{state_word}{escape(latency)}"))
        rows += _declared(probe)
        rows += _facts(probe, settings)
    if d.kind:
        rows.append(("Required", "–", "yes: it decides the verdict" if d.required else "no"))
    own_strict = d.name in KINDS and bool(KINDS[d.name].strict)
    if own_strict:
        actual = "not reported" if d.required is None else "required" if d.required else "not required: relaxed"
        rows.append(("Policy in the running app", "required (strict)", escape(actual)))
    if own_strict and d.reported_healthy is not None:
        rows.append(("The app's own report", "healthy", "healthy" if d.reported_healthy else "unhealthy"))
    return rows


def _declared(probe: Condition) -> list[tuple[str, str, str]]:
    """A declared dependency's own conditions, each with what was expected and found."""
    rows = probe.detail.get("conditions")
    found: list[tuple[str, str, str]] = []
    for row in rows if isinstance(rows, list) else ():
        condition, expected = str(row.get("condition", "")), str(row.get("expected", ""))
        what = condition.removesuffix(expected).strip() or condition
        mark = html.badge("ok" if row.get("met") else "down", word="met" if row.get("met") else "not met")
        found.append((escape(what), escape(expected), f"{mark} {escape(str(row.get('actual', '')))}"))
    return found


def _facts(probe: Condition, environment: Environment) -> list[tuple[str, str, str]]:
    facts = probe.detail.get("facts")
    rows: list[tuple[str, str, str]] = []
    certificate = probe.detail.get("certificate")
    if isinstance(certificate, dict):
        rows.append(("TLS certificate ends", "later than in 14 days", f"in {certificate.get('days_left')} days"))
    if not isinstance(facts, dict):
        return rows
    kind = KINDS.get(dependency_of(probe.probe).partition(":")[0])
    if kind is not None:
        rows += [
            (escape(fact.label), escape(fact.expected), escape(fact.actual))
            for fact in kind.facts(environment, probe.probe, facts)
        ]
    return rows


def _sparks(item: DependencyView) -> list[str]:
    drawn = []
    for sli, points in item.sparks.items():
        what, unit = present.SLI_TITLES.get(sli.split(":", 1)[0], (sli, ""))
        known = [value for _, value in points if value is not None]
        if not known:
            continue
        show = present.seconds if unit == "s" else present.milliseconds
        label = f"{what}, last hour: {show(min(known))} to {show(max(known))}"
        drawn.append(f'<div class="dim">{escape(label)}</div>' + html.spark(points, threshold=None, label=label))
    return drawn


def downloads(environment: str) -> None:
    """What is seen, as files; made when asked for."""
    row = st.container(horizontal=True)
    row.download_button(
        "CSV",
        lambda: export.health_csv(cached.environment_view(environment)),
        file_name=f"{environment}-dependency-health.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="download-csv",
    )
    row.download_button(
        "JSON",
        lambda: export.health_json(cached.environment_view(environment)),
        file_name=f"{environment}-dependency-health.json",
        mime="application/json",
        on_click="ignore",
        icon=":material/download:",
        key="download-json",
    )


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def markup(name: str, zone_name: str) -> tuple[str, str]:
    """Dependency health of an environment as markup, in a time zone: the answer, and the rest."""
    return render(cached.environment_view(name), present.zone(zone_name), clock.now_ms())
