"""One environment's validation as markup. The result in a sentence, findings gravest first, live checks beside."""

from __future__ import annotations

import json
from html import escape

import streamlit as st

from services import clock, export
from services.env_files.document import UnreadableSource
from services.envs import view
from services.envs.inspect import has_source
from services.envs.rules import RULES, Finding
from services.envs.validation import Validation, finding_fields
from services.envs.view import ValidationView
from ui import cached, env_drift, html, present, state, widgets

COLUMNS = ("severity", "key", "rule", "line", "message", "fix")
SEVERITY_WORDS = {"error": "error", "warning": "warning", "info": "note"}
TITLES = {"redis": "Redis answers and can write", "inngest_route": "Inngest route", "dependencies": "Dependency report"}


@widgets.guarded
def page() -> None:
    """Choose an environment, see its findings, check it live."""
    name = chosen_environment()
    if name is None:
        return
    _body(name)
    env_drift.section([name])


def chosen_environment() -> str | None:
    """The environment to work on; a sentence where none has a configuration."""
    names = [e.name for e in cached.settings().environments if has_source(e)]
    if not names:
        what = "No environment has a configuration that can be read."
        html.show(html.answer("unknown", what, "Set env_file for it in greenlight.toml, then start again."))
        return None
    named = state.environment_again(cached.settings().names)
    if named is not None and named not in names:
        what = f"{named} has no configuration that can be read."
        html.show(html.answer("unknown", what, "Set env_file for it in greenlight.toml, or choose another below."))
    return widgets.pick_environment(names, named if named in names else names[0])


@widgets.live
def _body(name: str) -> None:
    job = widgets.request_button(
        "Validate now", "validate", name, key="validate-now", icon=":material/rule:",
        help_="Reads the configuration, tries its values, and keeps the result as evidence.",
    )  # fmt: skip
    try:
        found = view.validate(cached.store(), cached.settings(), cached.catalogue(), name, clock.now_ms())
    except UnreadableSource as error:
        html.show(html.answer("unknown", f"The configuration of {name} can't be read.", str(error)))
        return
    html.show(answer(name, found))
    html.show(html.block(_connections(found, asked=job is not None), *_findings(found.validation)))
    _downloads(name, found.validation)


def answer(name: str, found: ValidationView) -> str:
    """The result, and the next step."""
    judged = found.validation
    what = {
        "PASS": f"The configuration of {name} passes.",
        "FAIL": f"The configuration of {name} fails.",
        "RELAXED": f"{name} is relaxed: nothing is enforced, so nothing was proven.",
        "INCONCLUSIVE": f"Not enough evidence about {name}.",
    }[judged.result]
    first = judged.findings[0] if judged.findings else None
    then = f"First: {first.advice}" if first and judged.result != "PASS" else _next(found)
    if judged.result == "RELAXED":
        then = RULES["relaxed_policy"].advice.fix
    return html.answer(judged.result, what, then, mark=judged.simulated)


def _next(found: ValidationView) -> str:
    if found.connections_ms is None:
        return "The file is right; whether the values work is not known yet. Press Validate now."
    bad = [c for c in found.connections.values() if c.get("state") != "ok"]
    if bad:
        return f"The file is right, but a live check is not: {bad[0].get('sentence')} {bad[0].get('fix')}"
    return f"Its values worked when they were last tried, {present.age(found.connections_ms, clock.now_ms())}."


def _connections(found: ValidationView, *, asked: bool) -> str:
    if found.connections_ms is None:
        text = "Not tried yet: press Validate now to see whether the values work." if not asked else "Being tried …"
        return html.heading("Do the values work?") + f'<p class="dim">{text}</p>'
    rows = []
    for name, item in found.connections.items():
        level = {"ok": "ok", "failed": "fail"}.get(str(item.get("state")), "unknown")
        latency = "" if item.get("latency_ms") is None else f", {present.milliseconds(item['latency_ms'])}"
        words = f"{escape(str(item.get('sentence')))} {escape(str(item.get('fix')))}"
        rows.append((escape(TITLES.get(name, name)), html.badge(level) + escape(latency), words))
    age = present.age(found.connections_ms, clock.now_ms())
    return (
        html.heading("Do the values work?")
        + f'<p class="dim">tried {age}</p>'
        + html.table(("What", "State", ""), rows)
    )


def _findings(judged: Validation) -> list[str]:
    tallies = [(judged.count(severity), word) for severity, word in SEVERITY_WORDS.items()]
    counts = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in tallies if n)
    policy = {"strict": "strict", "partly": "partly strict", "relaxed": "relaxed", "unstated": "not stated"}[
        judged.policy
    ]
    title = f"Findings: {counts or 'none'}"
    where = f'<p class="dim">Read from {escape(judged.env_file)}; policy in the file: {policy}.</p>'
    if not judged.findings:
        return [html.heading(title), where]
    items = "".join(_finding(item) for item in judged.findings)
    return [html.heading(title), where, f"<ul>{items}</ul>"]


def _finding(found: Finding) -> str:
    level = {"error": "fail", "warning": "warning", "info": "info"}[found.severity]
    line = f' <span class="dim">line {found.line}</span>' if found.line else ""
    return (
        f"<li>{html.badge(level, word=SEVERITY_WORDS[found.severity])} <span>{escape(found.advice.what)}</span>{line}"
        f'<div class="fix dim">{escape(found.advice.fix)}</div></li>'
    )


def _downloads(name: str, judged: Validation) -> None:
    row = st.container(horizontal=True)
    fields = [finding_fields(found) for found in judged.findings]
    rows = [{column: each[column] for column in COLUMNS} for each in fields]
    row.download_button(
        "CSV", lambda: export.csv_text(COLUMNS, rows), file_name=f"{name}-validation.csv", mime="text/csv",
        on_click="ignore", icon=":material/download:", key="validation-csv",
    )  # fmt: skip
    row.download_button(
        "JSON", lambda: json.dumps(judged.document(), indent=2, ensure_ascii=False),
        file_name=f"{name}-validation.json", mime="application/json", on_click="ignore", icon=":material/download:",
        key="validation-json",
    )  # fmt: skip
