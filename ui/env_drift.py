"""Changes in environments' configurations over time. By key; values are kept nowhere, so none can be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from html import escape

import streamlit as st

from services import clock
from services.clock import DAY_MS
from services.envs import view
from services.envs.view import DriftView
from services.fingerprint import Drift
from ui import cached, html, present, widgets

SINCE = ("yesterday", "7 days ago", "the last deploy", "the last Go", "a date")


def section(names: Sequence[str]) -> None:
    """Choose a moment; see what changed since, for each environment."""
    if not names:
        return
    st.subheader("What changed", anchor=False)
    since = st.segmented_control("Since", SINCE, default=SINCE[0], required=True, key="drift-since")
    picked = st.date_input("Date", key="drift-date") if since == "a date" else None
    for name in names:
        moment, missing = _moment(since or SINCE[0], name, picked)
        if moment is None:
            html.show(html.block(f'<p class="dim"><b>{escape(name)}</b>: {escape(missing)}</p>'))
        else:
            html.show(markup(view.drift_since(cached.store(), name, moment)))


def _moment(since: str, name: str, picked: object) -> tuple[int | None, str]:
    now = clock.now_ms()
    if since == "a date":
        day = datetime.combine(picked, time(), tzinfo=widgets.zone()) if picked else None  # type: ignore[arg-type]
        return (None if day is None else int(day.timestamp() * 1000)), "choose a date."
    finders: Mapping[str, Callable[[], int | None]] = {
        SINCE[0]: lambda: now - DAY_MS,
        SINCE[1]: lambda: now - 7 * DAY_MS,
        SINCE[2]: lambda: view.last_deploy_ms(cached.store(), name),
        SINCE[3]: lambda: view.last_go_ms(cached.store(), name),
    }
    missing = {
        SINCE[2]: "no deploy is known: its readiness answer names no version.",
        SINCE[3]: "it never had a Go yet.",
    }
    return finders[since](), missing.get(since, "")


def markup(found: DriftView) -> str:
    """One environment's changes."""
    where = widgets.zone()
    since = present.moment(found.since_ms, where, short=True)
    name = f"<b>{escape(found.environment)}</b>"
    if found.after is None:
        return html.block(f'<p class="dim">{name}: no snapshot yet. The worker takes one as soon as it runs.</p>')
    if found.before is None or found.drift is None:
        first = present.moment(found.after.first_ms, where, short=True)
        text = f"no record for {since}; current values first recorded {first}."
        return html.block(f'<p class="dim">{name}: {escape(text)}</p>')
    if not found.drift.comparable:
        return html.block(
            f"<p>{name}: {html.badge('unknown', word='not comparable')} The installation's fingerprint key was "
            f"replaced since, so only added and removed keys are known.{_parts(found.drift)}</p>"
        )
    if not found.drift.any:
        return html.block(f"<p>{name}: {html.badge('ok', word='unchanged')} since {escape(since)}.</p>")
    changed = present.moment(found.after.first_ms, where)
    return html.block(
        f"<p>{name}: {html.badge('warning', word='changed')} since {escape(since)}; last at {escape(changed)}. "
        f"{_parts(found.drift)} What was proven under the old configuration is stale: probe and validate again.</p>"
    )


def _parts(drift: Drift) -> str:
    parts = (
        ("added", drift.added), ("removed", drift.removed), ("changed", drift.changed), ("filled in", drift.filled),
        ("emptied", drift.emptied),
    )  # fmt: skip
    said = [f"{word}: {escape(', '.join(keys[:20]))}{' …' if len(keys) > 20 else ''}" for word, keys in parts if keys]
    return f" {'; '.join(said)}." if said else ""
