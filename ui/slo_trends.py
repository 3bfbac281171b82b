"""All SLOs of an environment as markup. Worst first: a sentence, three numbers, the budget's way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import tzinfo
from html import escape

import streamlit as st

from services import clock
from services.slo import depth, report, words
from services.slo.budget import Budget
from services.slo.view import Row, Slos
from services.slo.what_if import WhatIf
from ui import cached, html, present, slo_print

COUNTED = "Only what was measured counts: time that was not observed is neither good nor bad."
WINDOWS = {"own": "Own windows", "7d": "7 days", "28d": "28 days", "30d": "30 days", "90d": "90 days"}


def render(found: Slos, zone: tzinfo, chosen: str) -> tuple[str, str]:
    """The answer, and a tile for each SLO."""
    state, sentence = words.answer(found.rows)
    then = "Add objectives in greenlight.toml."
    if found.rows:
        then = words.policy(found.rows[0], cached.settings().slo, found.verdict)
    as_of = f"As of {present.moment(found.as_of_ms, zone)}, the last full minute."
    answer = html.answer(state, sentence, then, mark=found.simulated)
    tiles = "".join(_tile(found, row, chosen) for row in found.rows)
    return answer, html.block(f'<div class="dim">{escape(as_of)}</div>', tiles)


def _tile(found: Slos, row: Row, chosen: str) -> str:
    status, slo = row.status, row.slo
    more = {} if chosen == "own" else {"window": chosen}
    title = html.link(words.title(slo.sli), "slo_trends", env=found.environment, sli=slo.sli, **more)
    mark = f" {html.simulated()}" if found.simulated else ""
    head = f'<div class="row"><b class="grow">{title}</b>{html.badge(status.state)}{mark}</div>'
    said = f"<div>{escape(words.sentence(row))}</div>"
    budget = status.budget
    left = "–" if budget is None else present.share(budget.remaining) if budget.remaining >= 0 else "overspent"
    numbers = [
        ("objective", present.share(slo.objective.target), words.good_means(row)),
        ("measured", present.share(status.value, slo.objective.target), f"{status.good:,} of "
         f"{status.good + status.bad:,}"),
        ("budget left", left, "" if budget is None else _left(budget)),
    ]  # fmt: skip
    facts = "".join(
        f'<div><div class="dim">{escape(name)}</div><div class="big">{escape(value)}</div>'
        f'<div class="dim">{escape(note)}</div></div>'
        for name, value, note in numbers
    )
    curve = burn_down(row)
    return html.tile(head, said, f'<div class="slo"><div class="three">{facts}</div>{curve}</div>', _foot(row))


def _left(budget: Budget) -> str:
    """The budget in time and in events."""
    allowed = present.seconds(budget.allowed_s) if budget.allowed_s >= 1 else "under a second"
    events = f"{budget.spent_events:,} of {budget.allowed_events:,.4g} bad events spent"
    if budget.remaining < 0:
        return f"{present.seconds(-budget.left_s)} beyond {allowed}; {events}"
    return f"{present.seconds(budget.left_s)} of {allowed}; {events}"


def _foot(row: Row) -> str:
    parts = [html.term(f"{present.share(row.status.coverage)} of {row.window_days} days observed", COUNTED)]
    if row.sums.p50 is not None and row.slo.unit:
        values = (("p50", row.sums.p50), ("p95", row.sums.p95), ("p99", row.sums.p99))
        parts += [escape(f"{name} {present.quantity(value, row.slo.unit)}") for name, value in values]
    firing = [burn for burn in row.status.burns if burn.firing]
    if firing:
        worst = max(burn.burn_long or 0 for burn in firing)
        allowed = row.slo.objective.target < 1
        said = f"burning {present.times(worst)} what it may" if allowed else "errors where none are allowed"
        parts.append(f'<span class="bad">{escape(said)}</span>')
    return f'<div class="dim">{" · ".join(parts)}</div>'


def burn_down(row: Row) -> str:
    """What was left of the budget over the window, as a small picture."""
    points = row.burn_down
    if len(points) < 2:
        return ""
    label = f"Budget left over {row.window_days} days: from all of it to {present.share(points[-1][1])}"
    floor = min(0.0, max(-1.0, min(left for _, left in points)))
    begin, length, height = points[0][0], max(1, points[-1][0] - points[0][0]), 1 - floor
    spots = [((at - begin) / length * 200, (1 - max(floor, left)) / height * 36 + 2) for at, left in points]
    path = f"M{spots[0][0]:.1f} {spots[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in spots[1:])
    zero = 36 / height + 2
    return html.picture(
        f'<path d="{path}V{zero:.1f}H0Z" fill="#5B78E6" fill-opacity=".16"/><path d="{path}" stroke="#5B78E6" '
        f'stroke-width="1.5" vector-effect="non-scaling-stroke"/><path d="M0 {zero:.1f}H200" stroke="#B57B00" '
        'stroke-dasharray="4 3" vector-effect="non-scaling-stroke"/>', label,
    )  # fmt: skip


def strict(found: WhatIf, zone: tzinfo, *, simulated: bool) -> str:
    """What strict mode would have meant."""
    mark = f" {html.simulated()}" if simulated else ""
    head = f'<div class="row">{html.heading("What if strict mode had been on?", STRICT)}{mark}</div>'
    hours = present.seconds(found.days * 86_400 / len(found.ribbon)) if found.ribbon else ""
    line = html.ribbon(found.ribbon, zone, label=f"The last {found.days} days", unit=f"one cell = {hours}")
    return html.block(head, f"<div>{escape(found.sentence)}</div>", line, _stretches(found, zone))


def downloads(environment: str, days: int | None) -> None:
    """What is seen, to take away."""
    row = st.container(horizontal=True)
    window = "own" if days is None else f"{days}d"
    row.download_button(
        "Printable page", lambda: _printable(environment, days), file_name=f"slo-{environment}.html", mime="text/html",
        icon=":material/print:", on_click="ignore", key="slo-print",
    )  # fmt: skip
    row.download_button(
        "JSON", lambda: json.dumps(report.document(cached.slo_view(environment, days), window), indent=2),
        file_name=f"slo-{environment}.json", mime="application/json", icon=":material/download:", on_click="ignore",
        key="slo-json",
    )  # fmt: skip


def _printable(environment: str, days: int | None) -> str:
    known = cached.settings()
    strict_ = depth.strict_would_have(cached.store(), known.environment(environment), clock.now_ms(), days=30)
    return slo_print.page(cached.slo_view(environment, days), strict_, known.slo, present.zone("UTC"))


STRICT = f"Strict: the application reports that it is not ready (503) while {present.EITHER} is down."


def _stretches(found: WhatIf, zone: tzinfo) -> str:
    worst: Sequence[tuple[int, int, str]] = sorted(found.would, key=lambda s: s[0] - s[1])[:5]
    rows = [
        (escape(present.moment(low, zone, short=True)), escape(present.seconds((high - low) / 1000)),
         escape(present.title(cause)))
        for low, high, cause in worst
    ]  # fmt: skip
    return html.table(("From", "How long", "What was down first"), rows) if rows else ""


@st.cache_data(ttl=cached.SLO_FRESH_S, max_entries=50, show_spinner=False)
def markup(name: str, days: int | None, zone_name: str) -> tuple[str, str]:
    """The SLOs of an environment as markup, in a time zone."""
    return render(cached.slo_view(name, days), present.zone(zone_name), "own" if days is None else f"{days}d")


@st.cache_data(ttl=60, max_entries=50, show_spinner=False)
def strict_markup(name: str, zone_name: str) -> str:
    """What strict mode would have meant, as markup."""
    environment = cached.settings().environment(name)
    found = depth.strict_would_have(cached.store(), environment, clock.now_ms(), days=30)
    return strict(found, present.zone(zone_name), simulated=environment.simulated)


cached.forget_also("slos", markup.clear)
