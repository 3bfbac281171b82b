"""How is the Overview drawn? From its view-model, without Plotly, so that it is there at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from html import escape

from services.health.state import Dependency
from services.health.view import Card, Overview, WorkerLife
from services.verdict.view import Told
from ui import html, present

FINDINGS_SHOWN = 3


def verdicts(found: Sequence[Told], promises: Mapping[str, tuple[str, str]], where: tzinfo) -> str:
    """What leadership comes for: each environment's verdict, why, since when, the one thing that would change it; and
    whether its promises (by environment: state and sentence) are kept."""
    rows = "".join(_verdict(item, promises.get(item.verdict.environment), where) for item in found)
    return html.block(
        html.tile(html.heading("Verdict", "Go, No-Go, or not enough evidence: by rules, from evidence."), rows)
    )


def _verdict(item: Told, promises: tuple[str, str] | None, where: tzinfo) -> str:
    v = item.verdict
    since = f"since {present.moment(item.since_ms, where, short=True)}" if item.since_ms else ""
    first = next(iter(v.blocking), None)
    why = "Every rule holds, on fresh evidence." if first is None else first.why
    more = len(v.blocking) - 1
    drift = f'<div class="warn">{escape(item.go.drift)}</div>' if item.go and item.go.drift else ""
    step = "" if first is None else f'<div class="dim">{escape(first.fix)}</div>'
    others = (
        f' <span class="dim">{more} more {"rule does" if more == 1 else "rules do"} not hold yet.</span>'
        if more > 0
        else ""
    )
    kept = ""
    if promises is not None:
        sentence = html.link(promises[1], "slo_trends", env=v.environment)
        kept = f"<div>{html.badge(promises[0], word='')}{sentence}</div>"
    signed = ""
    if v.state == "GO":
        by = item.go.covering if item.go else None
        words = (
            "Not signed off yet."
            if by is None
            else f"Signed off by {by.who}, {present.moment(by.at_ms, where, short=True)}."
        )
        signed = f'<div class="dim">{escape(words)}</div>'
    taken = item.report
    report = (
        ""
        if taken is None
        else (
            f'<div class="dim">Last report: {escape(taken.kind)}, {present.moment(taken.at_ms, where, short=True)}, '
            f"it said {escape(present.look(taken.state).word)}</div>"
        )
    )
    return (
        f'<div style="padding:.4rem 0;border-top:1px solid var(--line)"><div class="row"><b>{escape(v.environment)}</b>'
        f"<span>{html.badge(v.state)}</span>{html.simulated() if v.simulated else ''}"
        f'<span class="dim">{escape(since)}</span><span class="grow"></span>'
        f"{html.link('Checklist and report', 'strict_mode_checklist', env=v.environment)}</div>"
        f"<div>{escape(why)}{others}</div>{step}{drift}{signed}{kept}{report}</div>"
    )


def render(view: Overview, where: tzinfo, now: int) -> tuple[str, str]:
    """The answer; and all that stands below it: a card an environment, then the newest changes.

    Two pieces, so that the answer is painted before the rest is laid out.
    """
    newest = max((card.health.measured_ms or 0 for card in view.cards), default=0) or None
    rest = html.block(
        *(_card(card, where, now) for card in view.cards),
        html.heading("Recent changes"),
        html.changes(view.changes, where, name_environment=len(view.cards) > 1),
    )
    return html.block(as_of(newest, view.worker, where, now), _answer(view)), rest


def as_of(measured_ms: int | None, worker: WorkerLife, where: tzinfo, now: int) -> str:
    """How old the newest measurement is, and whether anybody measures."""
    if worker.alive:
        exact = present.moment(measured_ms, where) if measured_ms else "nothing was measured yet"
        text = f'<div class="dim" title="{exact}">as of {present.age(measured_ms, now)}</div>'
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


def _answer(view: Overview) -> str:
    worst = next(iter(view.cards), None)
    if worst is None:
        return html.answer("unknown", "No environment is configured.", "Add one to greenlight.toml.")
    if len(view.cards) > 1 and worst.health.state == "ready":
        simulated = sum(card.simulated for card in view.cards)
        note = f" ({simulated} of them simulated)" if simulated else ""
        return html.answer("ready", f"All {len(view.cards)} environments are ready{note}.", _relaxed_words(view.cards))
    what, step = verdict_words(worst)
    others = [f"{c.name} is {present.look(c.health.state).word}" for c in view.cards[1:] if c.health.state != "ready"]
    if others:
        what += f" Also: {', '.join(others)}."
    return html.answer(worst.health.state, what, step, mark=worst.simulated)


def _relaxed_words(cards: Sequence[Card]) -> str:
    names = [card.name for card in cards if card.health.policy in {"relaxed", "mixed"}]
    if not names:
        return ""
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    verb = "runs" if len(names) == 1 else "run"
    return f"{listed} {verb} relaxed: there, an outage of Redis or Inngest stops nothing and goes unnoticed."


def verdict_words(card: Card) -> tuple[str, str]:
    """One sentence on an environment and the next step."""
    health = card.health
    if health.measured_ms is None:
        return f"{card.name}: nothing was measured yet.", "The first probes come within seconds of the worker's start."
    if health.stale:
        return f"{card.name}: unknown. What is known of it is too old.", "Start the worker; nothing here is current."
    first = next(iter(card.findings), None)
    if health.state == "ready":
        return f"{card.name} is ready: all that is watched works.", _policy_step(health.policy)
    if first is None:
        return f"{card.name} is {present.look(health.state).word}.", ""
    return f"{card.name} is {present.look(health.state).word}: {_uncapitalised(first.sentence)}", first.fix


def _policy_step(policy: str) -> str:
    return present.POLICIES[policy] if policy != "strict" else ""


def _uncapitalised(sentence: str) -> str:
    """A sentence after a colon, unless it begins with a name."""
    names = ("Redis", "Inngest", "HTTP", "REDIS", "Greenlight")
    return sentence if sentence.startswith(names) else sentence[:1].lower() + sentence[1:]


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
        f"<span>{html.term(present.title(d.name), present.gloss(d.name))} "
        f"{html.badge(d.state, word=dependency_word(d))}"
        + (' <span class="dim">required</span>' if d.required and d.name != "readiness" else "")
        + "</span>"
        for d in health.dependencies
    )
    ribbons = (
        '<div class="two" style="margin-top:.5rem">'
        + html.ribbon(card.day, where, label="Last 24 hours", unit="one cell = 30 min")
        + html.ribbon(card.month, where, label="Last 30 days", unit="one cell = 1 day")
        + "</div>"
    )
    return html.tile(
        title,
        f'<div class="row" style="margin-top:.35rem">{chips}</div>',
        html.findings(card.findings, most=FINDINGS_SHOWN),
        ribbons,
        html.link(f"Dependency health of {card.name}", "dependency_health", env=card.name),
    )


def dependency_word(dependency: Dependency) -> str:
    """The word for a dependency's state, with the reason where it is unknown."""
    if not dependency.configured and not dependency.stale:
        return "not configured"
    return present.finding_word(dependency.leading.code, dependency.state)
