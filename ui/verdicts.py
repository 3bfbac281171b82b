"""The verdict as markup. The one sentence that leadership comes for, and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from html import escape

from services.clock import HOUR_MS
from services.verdict.model import STATE_WORDS, Verdict
from services.verdict.view import SignedGo, VerdictSummary
from ui import html, moment, present

SloSentences = Mapping[str, tuple[str, str]]  # by environment: whether they are kept, as a state and as a sentence


def answer(verdict: Verdict, then: str) -> str:
    """A verdict as a page's one sentence, with why, which leads to the evidence of the last hour; what to do next."""
    what = f"{STATE_WORDS[verdict.state]} for {verdict.environment}. {verdict.why}"
    there = moment.address(verdict.environment, verdict.as_of_ms - HOUR_MS, verdict.as_of_ms)
    return html.answer(verdict.state, what, then, mark=verdict.simulated, leads_to=there)


def drift(go: SignedGo | None) -> str:
    """That the signed Go no longer covers what runs, and why; "" while it does."""
    said = "" if go is None else go.drift
    return f'<div class="warn">{html.symbol("warning")} {escape(said)}</div>' if said else ""


def first_and_others(found: Sequence[VerdictSummary], slos: SloSentences, where: tzinfo) -> str:
    """The first verdict as the page's answer, the other environments' below it."""
    first, *others = found
    made = html.block(answer(first.verdict, _next(first, where)), drift(first.go), _facts(first, slos, where))
    if not others:
        return made
    explained = "Go, No-Go, or not enough evidence: by rules, from evidence."
    rows = "".join(_row(item, slos, where) for item in others)
    title = "The other environment" if len(others) == 1 else "The other environments"
    return made + html.block(html.tile(html.heading(title, explained), rows))


def _next(item: VerdictSummary, where: tzinfo) -> str:
    """The one thing that would change it; of a Go, who signed it."""
    if item.verdict.state != "GO":
        return item.verdict.next_step
    by = item.go.covering if item.go else None
    if by is None:
        return "Not signed off yet: the checklist's last step does that."
    return f"Signed off by {by.who}, {present.moment(by.at_ms, where, short=True)}."


def _facts(item: VerdictSummary, slos: SloSentences, where: tzinfo) -> str:
    """Since when, how much more is in the way, whether SLOs are met, the last report."""
    name, more = item.verdict.environment, len(item.verdict.blocking) - 1
    links: list[str] = []
    said = [f"since {present.moment(item.since_ms, where, short=True)}"] if item.since_ms else []
    if more > 0:
        noun = "requirement" if more == 1 else "requirements"
        links.append(html.link(f"{more} more {noun} not met", "strict_mode_checklist", env=name))
    if item.report is not None:
        when = present.moment(item.report.at_ms, where, short=True)
        word = present.appearance(item.report.state).word
        text = f"last report: {item.report.kind}, {when}, it said {word}"
        links.append(html.link(text, "strict_mode_checklist", env=name, step=f"go-{name}", kind=item.report.kind))
    pieces = [*(f'<span class="dim">{escape(text)}</span>' for text in said), *links]
    if name in slos:
        kept, sentence = slos[name]
        pieces.append(f"<span>{html.badge(kept, word='')}{html.link(sentence, 'slo_trends', env=name)}</span>")
    pieces.append(html.link("Checklist and report", "strict_mode_checklist", env=name))
    return f'<div class="row">{"".join(pieces)}</div>'


def _row(item: VerdictSummary, slos: SloSentences, where: tzinfo) -> str:
    verdict = item.verdict
    mark = html.simulated() if verdict.simulated else ""
    return (
        f'<div class="verdict"><div class="row"><b>{escape(verdict.environment)}</b>'
        f"<span>{html.badge(verdict.state)}</span>{mark}</div><div>{escape(verdict.why)}</div>"
        f'<div class="dim">{escape(_next(item, where))}</div>{drift(item.go)}{_facts(item, slos, where)}</div>'
    )
