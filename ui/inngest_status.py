"""The section on background jobs as markup. The pulse's way first, then what a restart would lose, runs, schedules."""

from __future__ import annotations

from datetime import tzinfo
from html import escape
from typing import Any

import streamlit as st

from services import clock, summary
from services.dependencies.inngest import pulse as inngest_pulse
from services.dependencies.inngest import runs as inngest_runs
from services.dependencies.inngest import sync as inngest_sync
from services.dependencies.inngest.status import Moving, moving
from services.dependencies.messages import advice
from services.store.conditions import Condition
from services.units import milliseconds, seconds
from ui import cached, html, present

WHAT = "Whether background work really moves: a small event is sent through Inngest every minute and followed."
MOST = 12


def render(found: Moving, where: tzinfo, now: int) -> str:
    """The section as markup."""
    title = f'<div class="row">{html.heading("Background jobs", WHAT)}<span class="grow"></span>'
    title += f"{html.simulated() if found.simulated else ''}</div>"
    history = (
        f'<p style="margin:.25rem 0 0"><b>Run history: {escape(found.title[:1].lower() + found.title[1:])}.</b> '
        f'<span class="dim">{escape(found.loses)}</span></p>'
    )
    parts = [title, history]
    if found.why_not:
        parts.append(f'<p class="dim">{escape(found.why_not)}</p>')
    parts += [_probe(found.current[name], now) for name in (inngest_pulse.NAME, inngest_sync.NAME, inngest_runs.NAME)
              if name in found.current]  # fmt: skip
    parts += [_stuck(found, where), _registered(found), _tallies(found, where), _schedules(found, where)]
    return html.block(html.tile(*parts))


def _probe(condition: Condition, now: int) -> str:
    said = advice(condition.code, condition.detail.get("words"))
    name = present.title(condition.probe)
    state, word = condition.state, present.finding_word(condition.code, condition.state)
    if condition.outcome == "down" and state != "down":
        state, word = "degraded", f"failed {condition.failures} of 3 checks"
    row = (
        f'<div class="row">{html.badge(state, word=f"{name}: {word}")}<span class="grow"></span>'
        f'<span class="dim">measured {present.age(condition.at_ms, now)}</span></div>'
        f'<p style="margin:0">{escape(said.what)}</p>'
    )
    if condition.probe == inngest_pulse.NAME:
        row += f'<p class="dim" style="margin:0">{escape(_way(condition.detail.get("facts") or {}))}</p>'
    if said.fix:
        row += f'<p class="dim" style="margin:0">{escape(said.fix)}</p>'
    return f'<div style="margin-top:.6rem">{row}</div>'


def _way(facts: dict[str, Any]) -> str:
    """`accepted in 12 ms → scheduled → started after 0.2 s → finished 0.1 s later`, as far as it came."""
    accepted = facts.get("accepted_ms")
    if accepted is None:
        return "Not accepted."
    parts = [f"accepted in {milliseconds(accepted)}", "scheduled" if facts.get("scheduled") else "not scheduled"]
    if facts.get("wait_s") is not None:
        parts.append(f"started after {_took(facts['wait_s'])}")
    if facts.get("finished") and facts.get("took_s") is not None:
        parts.append(f"finished {_took(facts['took_s'])} later")
    return " → ".join(parts)


def _took(value: float) -> str:
    return milliseconds(value * 1000) if value < 1 else seconds(value)


def _stuck(found: Moving, where: tzinfo) -> str:
    if not found.stuck:
        return ""
    rows = [
        (escape(s.function), html.link(s.id, "traces", run_id=s.id, days="30"),
         escape(present.moment(s.since_ms, where, short=True)),
         "".join(f"<div><code>{escape(c)}</code></div>" for c in s.commands))
        for s in found.stuck[:MOST]
    ]  # fmt: skip
    head = html.heading("Stuck runs", "Runs in progress that have not moved for too long.")
    table = html.table(("Function", "Run", "No progress since", "To free it"), rows)
    return f'<div style="margin-top:.8rem">{head}{table}</div>'


def _registered(found: Moving) -> str:
    sync = found.current.get(inngest_sync.NAME)
    if sync is None or not isinstance(sync.detail.get("registered"), list):
        return ""
    served: dict[str, str] = dict(sync.detail.get("declared") or [])
    known: dict[str, str] = dict(sync.detail["registered"])
    rows = [
        (escape(name), escape(served.get(name, "not served")), escape(known.get(name) or "not registered"),
         html.badge("ok" if name in served and known.get(name) in {served[name], ""} else "degraded",
                    word="same" if known.get(name) == served.get(name) else "differs"))
        for name in sorted({*served, *known})
    ]  # fmt: skip
    head = html.heading("Registered functions", "What Inngest calls, beside what this worker serves.")
    connected = sync.detail.get("connected")
    way = f"Inngest calls {sync.detail.get('url')}"
    if isinstance(connected, list):
        names = ", ".join(f"{name} ({status.lower()})" for name, status in connected)
        way = f"{len(connected)} workers are connected: {names}" if connected else "No worker is listed as connected."
    address = f'<p class="dim" style="margin:0">{escape(way)}</p>'
    return (
        f'<div style="margin-top:.8rem">{head}{address}'
        f"{html.table(('Function', 'Served here', 'Registered', 'Compared'), rows)}</div>"
    )


def _tallies(found: Moving, where: tzinfo) -> str:
    if not found.tallies:
        return ""
    rows = [
        (escape(t.function), present.number(t.completed),
         html.badge("down", word=present.number(t.failed)) if t.failed else "0", present.number(t.cancelled),
         escape("–" if t.mean_s is None else _took(t.mean_s)), escape(present.moment(t.newest_ms, where, short=True)))
        for t in found.tallies[:MOST]
    ]  # fmt: skip
    head = html.heading("Runs of the last 24 hours", "As Inngest lists them; each run is counted once.")
    return (
        f'<div style="margin-top:.8rem">{head}'
        f"{html.table(('Function', 'Completed', 'Failed', 'Cancelled', 'Takes', 'Last ended'), rows)}</div>"
    )


def _schedules(found: Moving, where: tzinfo) -> str:
    if not found.own:
        return ""
    who = (
        "Inngest runs Greenlight's own schedules; the fallback scheduler takes over when a pulse fails."
        if found.scheduler == "inngest"
        else "The fallback scheduler runs Greenlight's own schedules."
    )
    rows = [
        (escape(r.task), escape(present.moment(r.due_ms, where, short=True)),
         "Inngest" if r.by == "inngest" else "fallback",
         html.badge({"done": "ok", "failed": "down"}.get(r.outcome, "unknown"), word=r.outcome))
        for r in found.schedules
    ]  # fmt: skip
    table = html.table(("ScheduledTask", "Last due", "Run by", "Result"), rows) if rows else (
        '<p class="dim">None was due since the start.</p>'
    )  # fmt: skip
    head = html.heading(
        "Greenlight's own schedules", "Tasks of this installation, run once each; the first one does it."
    )
    return f'<div style="margin-top:.8rem">{head}<p class="dim" style="margin:0">{escape(who)}</p>{table}</div>'


def _line(line: str) -> str:
    """A line of the summary. Its words partly came from outside: they are shown as text, not as Markdown."""
    if line.startswith("**"):
        return html.heading(line.strip("*"))
    if line.startswith("- "):
        return f'<div style="margin-left:.75rem">{escape(line.removeprefix("- "))}</div>'
    return f"<div><b>{escape(line)}</b></div>"


def daily_summary(environment: str, where: tzinfo) -> None:
    """The last written summary, drawn on demand: the page must be there at once."""
    if st.button("Daily summary", icon=":material/summarize:", key="daily-summary"):
        _summary(environment, where)


@st.dialog("Daily summary", width="large")
def _summary(environment: str, where: tzinfo) -> None:
    """To read and to take along."""
    found = summary.newest(cached.store(), environment)
    if found is None:
        st.caption("Written each morning at 08:00 UTC; none was written yet.")
        return
    at_ms, text = found
    st.caption(f"Written {present.moment(at_ms, where)}")
    html.show(html.block(*(_line(line) for line in text.splitlines() if line.strip())))
    st.download_button(
        "Download", text, file_name=f"{environment}-daily-summary.md", mime="text/markdown", on_click="ignore",
        icon=":material/download:", key="download-summary",
    )  # fmt: skip


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def markup(name: str, zone_name: str) -> str:
    """An environment's background jobs as markup, in a time zone."""
    now = clock.now_ms()
    return render(moving(cached.store(), cached.settings(), name, now), present.zone(zone_name), now)
