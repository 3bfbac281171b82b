"""The Overview as markup. From its view-model, without Plotly, so that it is there at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import partial
from html import escape

import streamlit as st

from services import clock
from services.alerts import view as alert_view
from services.health import view as health_view
from services.health.evaluate import Dependency
from services.health.hysteresis import confirming
from services.health.view import Card, Overview, WorkerLife, notice_for
from services.store.alerts import Alert
from services.verdict import view as verdict_view
from services.verdict.view import VerdictSummary
from ui import alerts, cached, html, moment, present, verdicts
from ui.verdicts import SloSentences

FINDINGS_SHOWN = 3
ADD = "Open Environments, then Add an environment. Or run: python3 start.py add"


def render(
    view: Overview, summaries: Sequence[VerdictSummary], slos: SloSentences, where: tzinfo, now: int, *,
    first_start: bool = False, open_alerts: tuple[Alert, ...] = (),
) -> tuple[str, str]:  # fmt: skip
    """The answer, which is the verdict of those who are asked for a Go; and all that stands below it: health as a
    sentence and a card an environment, then the newest changes.

    Two pieces, so that the answer is painted before the rest is laid out.
    """
    newest = max((card.health.measured_ms or 0 for card in view.cards), default=0) or None
    rest = html.block(
        alerts.overview(open_alerts, where),
        html.heading("Health now", "Whether each environment can do its work at this moment."),
        _sentence(view),
        *(_card(card, where, now) for card in view.cards),
        html.heading("Recent changes"),
        html.changes(view.changes, where, name_environment=len(view.cards) > 1),
    )
    fresh = html.block(as_of(newest, view.worker, where, now))
    if not view.cards:
        return fresh + html.answer("unknown", "No environment is configured.", ADD), rest
    if not summaries:
        return fresh + _no_go_asked(view.cards, first_start=first_start), rest
    return fresh + verdicts.first_and_others(summaries, slos, where), rest


def _no_go_asked(cards: Sequence[Card], *, first_start: bool) -> str:
    """The answer where no environment is asked for a Go: an environment of the role *other* never is."""
    worst = cards[0]
    if first_start and worst.health.state in {"ready", "degraded"}:
        link = html.block(html.link("Add an environment", "environments"))
        return html.answer("ready", "Greenlight works. Add your first environment.", ADD) + link
    what, step = verdict_words(worst)
    ask = "No environment is asked for a Go: give one the role staging or production."
    return html.answer(worst.health.state, what, step or (ADD if first_start else ask), mark=worst.simulated)


def as_of(measured_ms: int | None, worker: WorkerLife, where: tzinfo, now: int) -> str:
    """How old the newest measurement is, and whether anybody measures."""
    if worker.alive:
        exact = present.moment(measured_ms, where) if measured_ms else "nothing was measured yet"
        text = f'<div class="dim">Updated {present.age(measured_ms, now)} · {exact}</div>'
        if worker.trouble:
            text += f'<div class="warn">{html.symbol("warning")} {escape(worker.trouble)}</div>'
        return text
    seen = (
        f"It was last seen {present.age(worker.seen_ms, now)}."
        if worker.seen_ms
        else "None is registered: it was stopped, or never started."
    )
    last = f" The newest measurement is of {present.moment(measured_ms, where)}." if measured_ms else ""
    return html.answer(
        "degraded",
        f"Nothing is being measured: no worker runs. {seen}{last}",
        "Stop and start Greenlight (python3 start.py), or start a worker alone (python -m worker).",
    )


def _sentence(view: Overview) -> str:
    """Health in a sentence, and the next step; quieter than the verdict, which it doesn't decide alone."""
    worst = next(iter(view.cards), None)
    if worst is None:
        return ""
    state, mark = worst.health.state, html.simulated() if worst.simulated else ""
    unsure = next((card for card in view.cards if card.health.state == "ready" and card.health.confirming), None)
    if state == "ready" and unsure is not None:
        (what, step), mark = verdict_words(unsure), html.simulated() if unsure.simulated else ""
    elif len(view.cards) > 1 and state == "ready":
        simulated = sum(card.simulated for card in view.cards)
        note = f" ({simulated} of them simulated)" if simulated else ""
        what, step, mark = f"All {len(view.cards)} environments are ready{note}.", _relaxed_words(view.cards), ""
    else:
        what, step = verdict_words(worst)
        others = [f"{c.name} is {present.appearance(c.health.state).word}" for c in view.cards[1:]
                  if c.health.state != "ready"]  # fmt: skip
        what += f" Also: {', '.join(others)}." if others else ""
    seen = present.appearance(state)
    return (
        f'<div><span class="{seen.tone}">{html.symbol(seen.symbol)}</span> {escape(what)} {mark}</div>'
        f'<div class="dim">{escape(step)}</div>'
    )


def _relaxed_words(cards: Sequence[Card]) -> str:
    names = [card.name for card in cards if card.health.policy in {"relaxed", "mixed"}]
    if not names:
        return ""
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    verb = "runs" if len(names) == 1 else "run"
    return f"{listed} {verb} relaxed: there, an outage of {present.EITHER} stops nothing and goes unnoticed."


def verdict_words(card: Card) -> tuple[str, str]:
    """One sentence on an environment and the next step."""
    health = card.health
    if health.measured_ms is None:
        return f"{card.name}: nothing was measured yet.", "The first probes come within seconds of the worker's start."
    if health.stale:
        return f"{card.name}: unknown. What is known of it is too old.", "Start the worker; nothing here is current."
    first = next(iter(card.findings), None)
    if health.state == "ready" and health.confirming:
        failing = health.confirming[0]
        said = notice_for(failing, present.title(failing.probe)).advice
        return f"{card.name} is ready, but {confirming(failing.failures)}: {said.what}", said.fix
    if health.state == "ready":
        return f"{card.name} is ready: everything monitored is working.", _policy_step(health.policy)
    if first is None:
        return f"{card.name} is {present.appearance(health.state).word}.", ""
    return f"{card.name} is {present.appearance(health.state).word}. {first.advice.what}", first.advice.fix


def _policy_step(policy: str) -> str:
    return present.POLICIES[policy] if policy != "strict" else ""


def _card(card: Card, where: tzinfo, now: int) -> str:
    health = card.health
    title = (
        f'<div class="row">{html.heading(card.name)}'
        + (html.simulated() if card.simulated else "")
        + f"<span>{html.badge(health.state)}</span>"
        + f'<span title="{escape(present.POLICIES[health.policy], quote=True)}">policy '
        + f"{html.badge(health.policy)}</span>"
        + (f'<span class="dim">version {escape(health.version)}</span>' if health.version else "")
        + (f'<span class="dim">role {escape(card.role)}</span>' if card.role not in {"other", card.name} else "")
        + '<span class="grow"></span>'
        + f'<span class="dim">measured {present.age(health.measured_ms, now)}</span></div>'
    )
    chips = "".join(
        f"<span>{html.term(d.label or present.title(d.name), present.gloss(d.kind or d.name))} "
        f"{_linked(card.name, d)}"
        + (' <span class="dim">required</span>' if d.required and d.name != "readiness" else "")
        + ("" if d.measured else ' <span class="dim">as reported</span>')
        + "</span>"
        for d in health.dependencies
    )
    then = partial(moment.address, card.name)
    ribbons = (
        '<div class="two" style="margin-top:.5rem">'
        + html.ribbon(card.day, where, label="Last 24 hours", unit="one cell = 30 min", leads_to=then)
        + html.ribbon(card.month, where, label="Last 30 days", unit="one cell = 1 day", leads_to=then)
        + "</div>"
    )
    return html.tile(
        title,
        f'<div class="row" style="margin-top:.35rem">{chips}</div>',
        html.findings(card.findings, most=FINDINGS_SHOWN),
        ribbons,
        html.link(f"Dependency health of {card.name}", "dependency_health", env=card.name),
    )


def _linked(environment: str, dependency: Dependency) -> str:
    """A dependency's state, which leads to its evidence."""
    mark = html.badge(dependency.state, word=dependency_word(dependency))
    where = html.address("dependency_health", env=environment, detail=dependency.name)
    return f'<a class="plain" href="{where}" target="_self">{mark}</a>'


def dependency_word(dependency: Dependency) -> str:
    """The word for a dependency's state, with the reason where it is unknown."""
    if not dependency.configured and not dependency.stale:
        return "not configured"
    return present.finding_word(dependency.leading.code, dependency.state)


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def markup(only: str | None, zone_name: str) -> tuple[str, str]:
    """The Overview as markup, in a time zone: ten visitors cost one reading and one drawing a second."""
    now, store, settings = clock.now_ms(), cached.store(), cached.settings()
    seen = health_view.overview(store, settings, now, only)
    asked = tuple(card.name for card in seen.cards if card.role != "other")
    summaries = verdict_view.summaries(store, settings, now, asked)
    slos = {card.name: cached.slos_met(card.name) for card in seen.cards}
    found = alert_view.open_alerts(store, None if only is None else (only,))
    return render(
        seen, summaries, slos, present.zone(zone_name), now, first_start=settings.is_first_start, open_alerts=found
    )


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def state_words(only: str | None) -> str:
    """What the page says, in as few words as a browser tab has room for."""
    settings = cached.settings()
    asked = [e.name for e in settings.environments if e.role != "other" and only in {None, e.name}]
    if not asked:
        return ""
    first = verdict_view.summaries(cached.store(), settings, clock.now_ms(), asked)[0].verdict
    return f"{first.words}: {first.environment}"


cached.forget_also("decisions", markup.clear)
