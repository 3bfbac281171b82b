"""The page Traces: sums in a table, filters in the address, one trace as a waterfall."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any, get_args

import streamlit as st

from services import clock, drafting, export
from services.clock import DAY_MS
from services.errors import GreenlightError
from services.replay.authoring import drafts
from services.traces import view
from services.traces.model import COLUMNS, Span
from services.traces.query import By, Group, Sums, Traces, Wanted
from services.traces.view import Bar, TracesView
from services.units import share
from ui import cached, html, present, routes, signin, state, widgets

TITLES: Mapping[str, str] = {"tool": "Tool", "model": "Model", "function": "Function", "version": "Version"}
STATES: Mapping[str, tuple[str, str]] = {"ok": ("ok", "ok"), "error": ("fail", "failed")}
FILTERS = ("tool", "model", "function", "version", "run_id", "status")
DAYS = {"7": "7 days", "1": "24 hours", "30": "30 days"}
ORDERS = {
    "calls": "Most calls",
    "failed": "Most failures",
    "p95": "Slowest",
    "tokens": "Most tokens",
    "cost": "Most cost",
}
MOST_EXPORTED = 100_000


@widgets.guarded
def page(only: str | None) -> None:
    """The page for all environments, or one."""
    left, right = st.columns([3, 2])
    with left:
        by = widgets.choose(state.BY, TITLES, label="Sums by")
    with right:
        days = int(widgets.choose(state.DAYS, DAYS, label="Time"))
    equal = {name: value for name in FILTERS if (value := state.text(name))}
    if only is not None:
        equal["environment"] = only
    _filters(equal)
    found = _view(by, days, tuple(sorted(equal.items())))
    html.show(_answer(found, days, bool(set(equal) - {"environment"})))
    if found.groups:
        order = widgets.choose(state.SORT, ORDERS, label="Most first")
        html.show(_groups(found, by, equal, order))
    elif found.total is not None:
        html.show(html.block(f'<p class="dim">None of these calls names a {escape(TITLES[by].lower())}.</p>'))
    if found.twice:
        html.show(_twice(found))
    if found.newest:
        html.show(_newest(found))
    html.show(_files(found))
    if found.total is not None:
        _downloads(days, equal)


@st.cache_data(ttl=10, max_entries=50, show_spinner=False)
def _view(by: str, days: int, equal: tuple[tuple[str, str], ...]) -> TracesView:
    column = next(name for name in get_args(By) if name == by)
    return view.view(cached.store(), cached.settings(), clock.now_ms(), by=column, days=days, equal=dict(equal))


def _filters(equal: Mapping[str, str]) -> None:
    """What the address filters by, each with a link that takes it away."""
    own = {name: value for name, value in equal.items() if name in FILTERS}
    if not own:
        return
    kept = {name: value for name, value in equal.items() if name == "environment"}
    links = []
    for name, value in own.items():
        rest = {other: text for other, text in own.items() if other != name}
        query = {("env" if key == "environment" else key): text for key, text in {**rest, **kept}.items()}
        links.append(
            f"{escape(name.replace('_id', ''))} <b>{escape(value)}</b> {html.link('remove', 'traces', **query)}"
        )
    html.show(html.block(f'<p class="dim">Shown: {" · ".join(links)}</p>'))


def _answer(found: TracesView, days: int, is_filtered: bool) -> str:
    if found.total is None:
        if is_filtered:
            return html.answer("unknown", "No call fits these filters.", "Remove one, or choose a longer time.")
        if found.newest_ms is not None:
            ago = present.age(found.newest_ms, clock.now_ms())
            return html.answer("unknown", f"No call in this time. The newest began {ago}.", "Choose a longer time.")
        fix = ("Let the application write a file and name it in TRACE_ENVELOPE_FILE of its env file, list a file in "
               "[traces] files, or send OpenTelemetry to /v1/traces of this portal with a token. docs/traces.md "
               "shows each.")  # fmt: skip
        return html.answer("unknown", "No traces have come yet.", fix)
    total = found.total
    rate = "how it ended is not known" if total.error_rate is None else f"{share(total.error_rate)} failed"
    what = f"{total.calls:,} call{'s' if total.calls != 1 else ''} in {DAYS[str(days)]}: {rate}."
    said = [f"95 of 100 took at most {present.milliseconds(total.p95_ms)}."] if total.p95_ms is not None else []
    if total.unknown:
        said.append(f"Of {total.unknown:,} the outcome is not known.")
    if found.moment_ms is not None:
        when = present.moment(found.moment_ms, widgets.zone(), short=True)
        said.append(f"The last deploy was on {when}{f' ({found.version[:12]})' if found.version else ''}.")
    level = "unknown" if total.error_rate is None else "degraded" if total.errors else "ok"
    return html.answer(level, what, " ".join(said), mark=found.simulated)


def _groups(found: TracesView, by: str, equal: Mapping[str, str], order: str) -> str:
    head = [TITLES[by], "Calls", "Failed", "p50", "p95", "Tokens in, out", "Cost"]
    head += ["Failed before → after the deploy", "p95 before → after"] if found.moment_ms is not None else []
    query = {("env" if name == "environment" else name): value for name, value in equal.items()}
    rows = []
    for group in sorted(found.groups, key=lambda group: _rank(group.all, order), reverse=True):
        link = html.link(group.name, "traces", **{**query, by: group.name})
        rows.append((f'<span class="tile-link">{link}</span>', *_numbers(group.all),
                     *(_change(group) if found.moment_ms is not None else ())))  # fmt: skip
    return html.block(html.table(head, rows))


def _rank(sums: Sums, order: str) -> float:
    """What the rows are ordered by; what is not known comes last."""
    tokens = None if sums.input_tokens is None else sums.input_tokens + (sums.output_tokens or 0)
    found = {"failed": sums.error_rate, "p95": sums.p95_ms, "cost": sums.cost_usd, "tokens": tokens}
    value = found.get(order, sums.calls)
    return -1.0 if value is None else float(value)


def _numbers(sums: Sums) -> tuple[str, ...]:
    tokens = "–" if sums.input_tokens is None and sums.output_tokens is None else (
        f"{sums.input_tokens or 0:,}, {sums.output_tokens or 0:,}")  # fmt: skip
    cost = "–" if sums.cost_usd is None else f"${sums.cost_usd:,.2f}"
    if sums.cost_usd is not None and sums.priced < sums.calls:
        cost += f' <span class="dim">of {sums.priced:,} calls</span>'
    return (f"{sums.calls:,}", _rate(sums), _time(sums.p50_ms), _time(sums.p95_ms), tokens, cost)


def _rate(sums: Sums | None) -> str:
    if sums is None or sums.error_rate is None:
        return '<span class="dim">not known</span>'
    return share(sums.error_rate)


def _time(value: float | None) -> str:
    return '<span class="dim">–</span>' if value is None else present.milliseconds(value)


def _change(group: Group) -> tuple[str, str]:
    sides = (group.before, group.after)
    times = " → ".join(_time(None if side is None else side.p95_ms) for side in sides)
    return " → ".join(map(_rate, sides)), times


def _twice(found: TracesView) -> str:
    rows = [
        (html.link(escape(t.step), "traces", trace=t.trace_id), escape(t.tool or t.model), f"{t.calls}×",
         "–" if t.cost_usd is None else f"${t.cost_usd:,.2f}", f'<span class="key">{escape(t.run_id)}</span>')
        for t in found.twice[:20]
    ]  # fmt: skip
    head = html.heading("Called more than once", "The same step of the same run with the same input.")
    return html.block(head, html.table(("Step", "Called", "How often", "Cost of all", "Run"), rows))


def _newest(found: TracesView) -> str:
    where = widgets.zone()
    rows = [
        (f'<span class="tile-link">{html.link(present.moment(s.start_ms, where), "traces", trace=s.trace_id)}</span>'
         + (f" {html.simulated()}" if s.simulated else ""),
         escape(_name(s)), _state(s), _time(s.duration_ms), escape(s.environment), escape(s.function))
        for s in found.newest[:20]
    ]  # fmt: skip
    head = html.heading("Newest calls")
    return html.block(head, html.table(("Began", "What", "Outcome", "Took", "Environment", "Function"), rows))


def _name(span: Span) -> str:
    parts = [span.tool or span.model, span.operation]
    return ": ".join(part for part in parts if part) or "a call"


def _state(span: Span) -> str:
    level, word = STATES.get(span.status, ("unknown", "not known"))
    return html.badge(level, word=word, hint=span.error)


def _files(found: TracesView) -> str:
    """The files that are followed, and what of them could not be read."""
    if not found.followed and not found.dropped:
        return ""
    rows: list[tuple[str, str, str]] = []
    wrong: list[tuple[str, str]] = []
    for each in found.followed:
        standing = each.standing
        said = standing.trouble or f"{standing.lines:,} lines read, {standing.wrong:,} could not be"
        rows.append((f'<span class="key">{escape(each.name)}</span>', escape(each.environment or "named in its lines"),
                     escape(said)))  # fmt: skip
        wrong += standing.examples[-5:]
    parts = [html.heading("Files"), html.table(("File", "Environment", "State"), rows)] if rows else []
    if wrong:
        newest = [(escape(place), escape(why)) for place, why in wrong[-20:]]
        parts += [html.heading("Lines that could not be read", "The newest ones; the others are taken in."),
                  html.table(("Where", "Why"), newest)]  # fmt: skip
    if found.dropped:
        parts.append(
            f'<p class="dim">Dropped for want of room ([traces] max_gb): {escape(", ".join(found.dropped[-5:]))}.</p>'
        )
    if found.other_retention:
        own = cached.settings().traces.retention_days
        parts.append(f'<p class="dim">The application keeps traces for {escape(found.other_retention)} days '
                     f"(TRACE_RETENTION_DAYS), this portal for {own} ([traces] retention_days).</p>")  # fmt: skip
    return html.block(*parts)


def _downloads(days: int, equal: Mapping[str, str]) -> None:
    wanted = Wanted(from_ms=clock.now_ms() - days * DAY_MS, until_ms=clock.now_ms() + DAY_MS, equal=equal)
    row = st.container(horizontal=True)
    row.download_button("CSV", lambda: export.csv_text(COLUMNS, _exported(wanted)), file_name="greenlight-traces.csv",
                        mime="text/csv", on_click="ignore", icon=":material/download:", key="traces-csv")  # fmt: skip
    row.download_button("JSON", lambda: json.dumps(_exported(wanted)), file_name="greenlight-traces.json",
                        mime="application/json", on_click="ignore", icon=":material/download:",
                        key="traces-json")  # fmt: skip
    row.download_button("Parquet", lambda: _parquet(wanted), file_name="greenlight-traces.parquet",
                        mime="application/vnd.apache.parquet", on_click="ignore", icon=":material/download:",
                        key="traces-parquet")  # fmt: skip
    st.caption(f"CSV and JSON hold the newest {MOST_EXPORTED:,} calls at most, Parquet all of them.")


def _exported(wanted: Wanted) -> list[dict[str, Any]]:
    return [asdict(span) for span in Traces(cached.settings().data_dir).newest(wanted, limit=MOST_EXPORTED)]


def _parquet(wanted: Wanted) -> bytes:
    with tempfile.TemporaryDirectory(prefix="greenlight-traces-") as folder:
        target = Path(folder) / "traces.parquet"
        Traces(cached.settings().data_dir).parquet(wanted, target)
        return target.read_bytes() if target.exists() else b""


@widgets.guarded
def one(trace_id: str) -> None:
    """One trace."""
    html.show(html.title("Trace", "What was called, in which order, and how long did each take?"))
    html.show(html.block(f"<p>{html.link('All traces', 'traces')}</p>"))
    spans = view.trace(cached.settings(), trace_id.strip().lower(), clock.now_ms())
    if not spans:
        html.show(
            html.answer(
                "unknown",
                "This trace is not kept.",
                "Reload in a moment if it is new; else it is older than [traces] retention_days.",
            )
        )
        return
    bars = view.waterfall(spans)
    failed = [bar.span for bar in bars if bar.span.status == "error"]
    runs = sorted({span.run_id for span in spans if span.run_id})
    what = f"{len(bars)} call{'s' if len(bars) > 1 else ''}" + (f", {len(failed)} failed" if failed else "") + "."
    then = f"Run {', '.join(runs[:3])}." if runs else ""
    sure = all(bar.span.status == "ok" for bar in bars)
    level = "fail" if failed else "ok" if sure else "unknown"
    html.show(html.answer(level, what, then, mark=any(s.simulated for s in spans)))
    html.show(
        html.block(html.table(("Call", "Outcome", "Began after", "Took", "When"), [_bar(bar, bars) for bar in bars]))
    )
    if runs:
        links = ", ".join(html.link(run, "traces", run_id=run) for run in runs[:5])
        html.show(html.block(f'<p class="dim">All traces of the run: {links}</p>'))
    _draft(spans)
    for bar in bars[:50]:
        if bar.span.attributes != "{}" or bar.span.content:
            with st.expander(f"{_name(bar.span)}: what is kept of it"):
                st.json({"attributes": json.loads(bar.span.attributes or "{}"),
                         **({"content": json.loads(bar.span.content)} if bar.span.content else {})})  # fmt: skip


def _bar(bar: Bar, bars: tuple[Bar, ...]) -> tuple[str, ...]:
    begun = min(each.span.start_ms for each in bars)
    span = bar.span
    after = present.milliseconds(span.start_ms - begun)
    colour = "#D64545" if span.status == "error" else "#5B78E6"
    left, width = bar.start * 200, max(bar.width * 200, 1)
    label = f"begins {after} after the first call, takes {present.milliseconds(span.duration_ms)}"
    picture = html.picture(f'<rect x="{left:.1f}" y="10" width="{width:.1f}" height="20" fill="{colour}"/>', label)
    indent = f'<span style="padding-left:{min(bar.depth, 12)}em">{escape(_name(span))}</span>'
    again = f' <span class="dim">called {bar.tries}×</span>' if bar.tries > 1 else ""
    step = f'<br><span class="dim">step {escape(span.step)}</span>' if span.step else ""
    return (indent + again + step, _state(span), after, _time(span.duration_ms), picture)


def _draft(spans: tuple[Span, ...]) -> None:
    if st.button("Draft a case from this trace …", icon=":material/edit_square:", **signin.may("draft")):
        _ask(spans)


def _ask(spans: tuple[Span, ...]) -> None:
    @st.dialog("Draft a case from this trace")
    def confirm() -> None:
        st.caption("Credentials and personal data are taken out; the next page shows what. The draft counts once a "
                   "person has written what must hold, and it is published.")  # fmt: skip
        with st.form("trace-draft", border=False):
            why = st.text_input("Why this should be a case", max_chars=1000, placeholder="It refunded twice")
            incident = st.text_input("Incident, if there is one", max_chars=200)
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button("Make the draft", type="primary")
        if not sent:
            return
        try:
            made = drafts.propose(cached.store(), cached.settings(), drafting.material(spans), person, why=why,
                                  incident=incident)  # fmt: skip
        except GreenlightError as error:
            html.show(html.answer("unknown", "No draft was made.", str(error)))
            return
        st.switch_page(routes.replay_harness(), query_params={state.DRAFT: made})

    confirm()
