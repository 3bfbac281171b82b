"""The page Alerts as markup: what is open, who was told, the channels with their proofs, and the last 30 days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import tzinfo
from html import escape
from typing import Any

import streamlit as st

from services import clock, export
from services.alerts import view as alert_view
from services.alerts.view import AlertsView, ChannelView, Incident
from services.channels import outcome
from services.channels.address import TITLES
from services.slo import words as slo_words
from services.store import outbox
from services.store.alerts import Alert
from services.store.outbox import Delivery
from services.units import share
from ui import cached, html, present

SEVERITIES: Mapping[str, tuple[str, str]] = {
    "page": ("down", "page"), "notify": ("degraded", "notify"), "digest": ("info", "digest"),
}  # fmt: skip
KINDS = {
    "opened": "opened", "again": "failed again", "worse": "got worse", "resolved": "resolved", "well": "works again",
    "reminder": "reminder", "flapping": "flapping", "cause": "the cause was found", "merged": "part of another alert",
    "acknowledged": "taken", "note": "note",
}  # fmt: skip
MOST_SHOWN = 100
NO_CHANNEL = (
    "No channel is configured, so nobody is told. Add [[alerts.channels]] to greenlight.toml: docs/alerts.md shows how."
)


def chosen(found: AlertsView, only: str | None) -> AlertsView:
    """The same for one environment; what concerns Greenlight itself stays."""
    from dataclasses import replace

    if only is None:
        return found
    fits = {only, ""}
    return replace(
        found,
        open=tuple(i for i in found.open if i.alert.environment in fits),
        past=tuple(i for i in found.past if i.alert.environment in fits),
    )


def render(found: AlertsView, where: tzinfo, now: int) -> tuple[str, str]:
    """The answer with what is open; and the channels with the past."""
    answer = html.block(
        f'<div class="dim">As of {present.moment(found.as_of_ms, where)}</div>', _answer(found),
        *(_open(item, where, now) for item in found.open[:MOST_SHOWN]),
    )  # fmt: skip
    rest = html.block(
        html.heading("Channels", "Where messages go. Set in greenlight.toml; shown here to be read."),
        _channels(found, where, now), _dead(found, where),
        html.heading("Last 30 days", "What is over, with what it cost and who was told."), _past(found, where),
    )  # fmt: skip
    return answer, rest


def _answer(found: AlertsView) -> str:
    failing = [c.channel.name for c in found.channels if c.works is False]
    if not found.open:
        fix = NO_CHANNEL if not found.channels else _unproven(found)
        return html.answer("ok" if found.channels else "unknown", "Nothing is open.", fix)
    first = next((i for i in found.open if i.alert.acknowledged_ms is None), found.open[0]).alert
    count = "One alert is open" if len(found.open) == 1 else f"{len(found.open)} alerts are open"
    mark = all(item.alert.simulated for item in found.open)
    state = "down" if any(i.alert.severity == "page" for i in found.open) else "degraded"
    what = f"{count}. {first.title}. {first.what}"
    fix = f"Messages don't get through {', '.join(failing)}. {first.fix}" if failing else first.fix
    return html.answer(state, what, fix or "Take it below, so that others know who works on it.", mark=mark)


def _unproven(found: AlertsView) -> str:
    names = [c.channel.name for c in found.channels if not c.proven(found.as_of_ms)]
    if not names:
        return ""
    return f"Nobody has proven lately that messages are seen on {', '.join(names)}: send a test below."


def _open(item: Incident, where: tzinfo, now: int) -> str:
    a = item.alert
    state, word = SEVERITIES[a.severity]
    since = f"open for {present.seconds((now - a.opened_ms) / 1000)}, since {present.moment(a.opened_ms, where)}"
    notes = [
        f'<span class="badge warn">{html.symbol("warning")} flapping</span>' if a.flapping else "",
        f'<span class="dim">muted: {escape(a.muted)}</span>' if a.muted else "",
        '<span class="dim">works again, being confirmed</span>' if a.well_ms is not None else "",
        html.simulated() if a.simulated else "",
    ]
    head = (
        f'<div class="row">{html.badge(state, word=word)} <strong>{escape(_bare(a.title))}</strong> {"".join(notes)}'
        f'<span class="grow"></span><span class="dim">{escape(since)}</span></div>'
    )
    also = f'<div class="dim">Because of it: {escape(", ".join(a.also[:8]))}{_more(a.also)}</div>' if a.also else ""
    fix = f'<div class="fix dim">{escape(a.fix)}</div>' if a.fix else ""
    link = html.link("Open its page", a.page, **({"env": a.environment} if a.environment else {})) if a.page else ""
    link += (
        " · " + html.link("Its traces", "traces", env=a.environment, status="error", days="1") if a.environment else ""
    )
    return html.tile(
        head, f"<p>{escape(a.what)}</p>", fix, also, _taken(a, where), _told(item), _notes(item, where), link
    )


def _bare(title: str) -> str:
    """A title without the mark that it carries in messages: here a badge says it."""
    return title.removesuffix(" (simulated)")


def _more(names: tuple[str, ...]) -> str:
    return f" and {len(names) - 8} more" if len(names) > 8 else ""


def _taken(a: Alert, where: tzinfo) -> str:
    if a.acknowledged_ms is None:
        return '<div class="dim">Nobody has taken it yet.</div>'
    when = present.moment(a.acknowledged_ms, where, short=True)
    return f"<div>Taken by <strong>{escape(a.acknowledged_by)}</strong>, {when}.</div>"


def _told(item: Incident) -> str:
    told = "; ".join(f"{t.channel} after {t.after_s:.1f} s" for t in item.told if t.kind != "resolved")
    waiting = [m.channel for m in item.pending if m.state == outbox.WAITING]
    text = f"Told: {told}." if told else "Nobody was told."
    text += f" Waiting: {', '.join(dict.fromkeys(waiting))}." if waiting else ""
    return f'<div class="dim">{escape(text)}</div>'


def _notes(item: Incident, where: tzinfo) -> str:
    rows = [
        (escape(present.moment(h.at_ms, where, short=True)), escape(KINDS.get(h.kind, h.kind)), escape(h.by),
         escape(h.note))
        for h in item.happened if h.by or h.note or h.kind in {"worse", "cause", "flapping"}
    ]  # fmt: skip
    return html.table(("When", "What", "By", "Note"), rows) if rows else ""


def _channels(found: AlertsView, where: tzinfo, now: int) -> str:
    watch = "" if found.dead_man else (
        "<p class='dim'>Nobody is told when Greenlight itself is gone: set dead_man_url_variable under [alerts].</p>"
    )  # fmt: skip
    if not found.channels:
        return f"<p>{escape(NO_CHANNEL)}</p>{watch}"
    head = ("Channel", "Service", "Told of", "Quiet, digest", "State", "Newest test", "Proof")
    rows = [
        (f'<span class="key">{escape(c.channel.name)}</span>', escape(c.service), escape(_takes(c)), escape(_hours(c)),
         _state(c), escape(_test(c, where)), _proof(c, where, now))
        for c in found.channels
    ]  # fmt: skip
    return html.table(head, rows) + watch


def _takes(c: ChannelView) -> str:
    severities = ", ".join(s for s in ("page", "notify", "digest") if s in c.channel.severities)
    return f"{', '.join(sorted(c.channel.environments)) or 'no environment'}: {severities}"


def _hours(c: ChannelView) -> str:
    quiet = c.channel.quiet
    parts = [f"quiet {quiet[0]:%H:%M}–{quiet[1]:%H:%M}"] if quiet else []
    parts += [f"digest {c.channel.digest_at:%H:%M}"] if c.channel.digest_at else []
    return ", ".join(parts) + (f" ({c.channel.zone})" if parts else "none")


def _state(c: ChannelView) -> str:
    waiting = f' <span class="dim">{c.waiting} waiting, {c.dead} given up</span>' if c.waiting or c.dead else ""
    if c.works is None:
        return html.badge("unknown", word="nothing sent yet") + waiting
    if c.works:
        return html.badge("ok", word="accepts messages") + waiting
    fix = f'<div class="fix dim">{escape(c.advice.fix)}</div>'
    return html.badge("down", word="failing") + f"<div>{escape(c.advice.what)}</div>{fix}{waiting}"


def _test(c: ChannelView, where: tzinfo) -> str:
    """Sent, accepted by the service, seen by a person: three things."""
    t = c.test
    if t is None:
        return "none was sent"
    asked = f"asked for {present.moment(t.made_ms, where, short=True)}"
    if t.seen_ms is not None:
        return f"{asked}; accepted; seen by {t.seen_by}"
    if t.sent_ms is not None:
        return f"{asked}; accepted after {present.seconds((t.sent_ms - t.made_ms) / 1000)}; not seen yet"
    if t.state == outbox.DEAD:
        return f"{asked}; refused"
    return f"{asked}; {'being tried again' if t.tries else 'waiting to be sent'}"


def _proof(c: ChannelView, where: tzinfo, now: int) -> str:
    if c.seen is None or c.seen.seen_ms is None:
        return html.badge("unknown", word="not proven")
    when = f"seen by {c.seen.seen_by}, {present.moment(c.seen.seen_ms, where, short=True)}"
    state, word = ("ok", "proven") if c.proven(now) else ("degraded", "too old")
    return f'{html.badge(state, word=word)} <span class="dim">{escape(when)}</span>'


def _dead(found: AlertsView, where: tzinfo) -> str:
    if not found.dead:
        return ""
    rows = [
        (escape(present.moment(d.made_ms, where, short=True)), escape(d.channel), escape(d.body["title"]),
         escape(outcome.advice(d.code, d.channel, d.status).what), present.number(d.tries))
        for d in found.dead
    ]  # fmt: skip
    head = html.heading("Messages that were given up", "They are not sent again by themselves.")
    return head + html.table(("When", "Channel", "Message", "Why", "Tries"), rows)


def _past(found: AlertsView, where: tzinfo) -> str:
    if not found.past:
        return '<p class="dim">Nothing has ended in the last 30 days.</p>'
    rows = [
        (escape(present.moment(i.alert.opened_ms, where, short=True)), _title(i.alert), escape(i.alert.what),
         _lasted(i), escape(_cost(i.alert)), escape(i.alert.acknowledged_by or "nobody"),
         escape("; ".join(f"{t.channel} after {t.after_s:.1f} s" for t in i.told if t.kind != "resolved") or "nobody"))
        for i in found.past[:MOST_SHOWN]
    ]  # fmt: skip
    cut = f'<p class="dim">The newest {MOST_SHOWN}; the download has all.</p>' if len(found.past) > MOST_SHOWN else ""
    return html.table(("When", "What", "Cause", "Lasted", "Cost", "Taken by", "Told"), rows) + cut


def _title(a: Alert) -> str:
    mark = f" {html.simulated()}" if a.simulated else ""
    return escape(a.title) + mark


def _lasted(item: Incident) -> str:
    return "a moment" if not item.lasted_s else present.seconds(item.lasted_s)


def _cost(a: Alert) -> str:
    """What it cost of which budget, as its record says."""
    if not a.record:
        return "being computed"
    parts = [_spent(item) for item in a.record.get("spent", ())]
    return "; ".join(parts) or "no budget"


def _spent(item: Mapping[str, Any]) -> str:
    of = item.get("spent")
    part = f"{share(of)} of the budget" if isinstance(of, (int, float)) else f"{item['bad']} bad events"
    return f"{slo_words.title(str(item['sli']))}: {part}"


def choices(found: AlertsView) -> tuple[object, ...]:
    """What there is to act on: a page that offers something else must be drawn again."""
    waiting = tuple(i.alert.id for i in found.open if i.alert.acknowledged_ms is None)
    return tuple(i.alert.id for i in found.open), waiting, tuple(d.id for d in found.dead)


def messages_given_up(found: AlertsView) -> dict[int, str]:
    """By number, in words: for the choice of one to send again."""
    return {d.id: _words(d) for d in found.dead}


def _words(d: Delivery) -> str:
    return f"{d.body['title']} → {d.channel}"


def overview(found: tuple[Alert, ...], where: tzinfo) -> str:
    """What is open, for the Overview; "" where nothing is."""
    if not found:
        return ""
    items = "".join(
        f"<li>{html.badge(SEVERITIES[a.severity][0], word=SEVERITIES[a.severity][1])} {escape(_bare(a.title))} "
        f"{html.simulated() + ' ' if a.simulated else ''}"
        f'<span class="dim">since {present.moment(a.opened_ms, where, short=True)}, '
        f"{escape('taken by ' + a.acknowledged_by if a.acknowledged_by else 'nobody has taken it')}</span></li>"
        for a in found[:5]
    )
    more = f'<li class="dim">and {len(found) - 5} more</li>' if len(found) > 5 else ""
    return html.heading("Open alerts") + f"<ul>{items}{more}</ul>" + html.link("Open Alerts", "alerts")


def bell() -> None:
    """In the side bar: how many alerts are open."""
    count = cached.open_alerts()
    words = "No open alert" if not count else "1 open alert" if count == 1 else f"{count} open alerts"
    tone = "bad" if count else "dim"
    html.show(html.block(f'<div class="{tone}">{html.symbol("notifications")} {html.link(words, "alerts")}</div>'))


def downloads(only: str | None) -> None:
    """What was open, when, and who was told, as files."""
    row = st.container(horizontal=True)
    row.download_button(
        "CSV", lambda: export.csv_text(alert_view.COLUMNS, [alert_view.row(item) for item in _all(only)]),
        file_name="greenlight-alerts.csv", mime="text/csv", on_click="ignore", icon=":material/download:",
        key="alerts-csv",
    )  # fmt: skip
    row.download_button(
        "JSON", lambda: json.dumps([alert_view.document(item) for item in _all(only)], indent=2),
        file_name="greenlight-alerts.json", mime="application/json", on_click="ignore",
        icon=":material/download:", key="alerts-json",
    )  # fmt: skip


def _all(only: str | None) -> tuple[Incident, ...]:
    found = chosen(alert_view.view(cached.store(), cached.settings(), clock.now_ms()), only)
    return (*found.open, *found.past)


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def cached_view(only: str | None) -> AlertsView:
    """The view-model, a moment old at most."""
    return chosen(alert_view.view(cached.store(), cached.settings(), clock.now_ms()), only)


@st.cache_data(ttl=cached.FRESH_S, max_entries=50, show_spinner=False)
def markup(only: str | None, zone_name: str) -> tuple[str, str]:
    """The page as markup, in a time zone: the answer with what is open, and the rest."""
    return render(cached_view(only), present.zone(zone_name), clock.now_ms())


def forget() -> None:
    """Read again at the next question: somebody did something just now."""
    for clear in (cached_view.clear, markup.clear, cached.open_alerts.clear):
        clear()


def service_of(name: str, found: AlertsView) -> str:
    """What kind of channel it is, in words."""
    return next((TITLES[c.channel.service] for c in found.channels if c.channel.name == name), name)
