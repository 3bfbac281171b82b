"""The comparison of environments as markup. Problems first; each row opens to what it is for and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from services.env_files import document
from services.env_files.document import Document, UnreadableSource
from services.envs import table, view
from services.envs.catalogue import Catalogue
from services.envs.inspect import has_source
from services.envs.relations import Comparison, Row
from ui import cached, env_drift, html, present, state, widgets

SHOWN = 300
TEXT_KEY = "pasted"
FILTERS = {"problems": "Problems", "error": "Errors", "warning": "Warnings", "all": "All keys"}
RELATIONS: Mapping[str, str] = {
    "must_differ": "must differ",
    "must_match": "must be alike",
    "may_differ": "may differ",
    "templated": "follows the environment's name",
}


@widgets.guarded
def page() -> None:
    """Choose, compare, filter, download, and what changed over time."""
    settings, catalogue = cached.settings(), cached.catalogue()
    readable = [e.name for e in settings.environments if has_source(e)]
    chosen = _choose(readable)
    uploads = _uploads()
    if len(chosen) + len(uploads) < 2:
        what = "Two environments are needed for a comparison."
        then = "Choose another one above, or add a file." if readable else (
            "No environment has an env file yet: set env_file in greenlight.toml, or add two files below."
        )  # fmt: skip
        html.show(html.answer("unknown", what, then))
        return
    found = view.compare(settings, catalogue, chosen, uploads)
    for sentence in found.unreadable:
        html.show(html.answer("unknown", "One side is left out.", sentence))
    if len(found.comparison.names) < 2:
        return
    html.show(answer(found.comparison, mark=found.simulated))
    rows = _filtered(found.comparison, catalogue)
    html.show(rows_markup(found.comparison, rows, catalogue))
    _downloads(found.comparison, rows)
    env_drift.section(chosen)


def _choose(readable: Sequence[str]) -> list[str]:
    given = [name for name in state.several(state.SIDES) if name in readable]
    default = given or list(readable[:4])
    if not readable:
        return []
    st.pills(
        "Environments", readable, selection_mode="multi", default=default,
        **state.follow(state.SIDES, default, lambda picked: state.put(state.SIDES, ",".join(picked))),
    )  # fmt: skip
    return default


def _uploads() -> dict[str, Document]:
    """Files and pasted text: read in memory for this view alone, never stored."""
    found: dict[str, Document] = {}
    with st.expander("Add a file or pasted text", icon=":material/upload_file:"):
        st.caption(
            "An env file, or your hosting platform's variables as JSON. Read for this view alone, and kept nowhere."
        )
        files = st.file_uploader("Files", accept_multiple_files=True, label_visibility="collapsed", key="env-files")
        text = st.text_area("Pasted text", height=100, key=TEXT_KEY, placeholder="REDIS_URL=…")
        sources = [(file.name, file.getvalue()) for file in files]
        sources += [("pasted", text.encode("utf-8", "replace"))] if text.strip() else []
        for name, data in sources:
            label = _label(name, found)
            try:
                found[label] = document.read_any(data, name)
            except UnreadableSource as error:
                st.warning(str(error), icon=":material/warning:")
    return found


def _label(name: str, taken: Mapping[str, Document]) -> str:
    words = [word for word in name.split(".") if word and word not in {"env", "json", "txt"}]
    label = (words[0] if words else name)[:40]
    number, wanted = 2, label
    while label in taken:
        label, number = f"{wanted}-{number}", number + 1
    return label


def answer(comparison: Comparison, *, mark: bool) -> str:
    """The page's sentence, and what to do first."""
    errors, warnings = comparison.count("error"), comparison.count("warning")
    level = "fail" if errors else "warning" if warnings else "ok"
    worst = next((row for row in comparison.rows if row.severity in {"error", "warning"}), None)
    then = f"First: {worst.advice}" if worst else "Nothing to do here."
    return html.answer(level, table.summary(comparison), then, mark=mark)


def _filtered(comparison: Comparison, catalogue: Catalogue) -> tuple[Row, ...]:
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    show = state.one_of("show", tuple(FILTERS), "problems")
    left.segmented_control(
        "Show", list(FILTERS), default=show, format_func=lambda name: FILTERS[name], required=True,
        **state.follow("show", show, lambda picked: state.put("show", picked if picked != "problems" else None)),
    )  # fmt: skip
    known = list(catalogue.groups)
    groups = sorted({row.group for row in comparison.rows}, key=lambda g: known.index(g) if g in known else len(known))
    group = middle.selectbox(
        "Group", [None, *groups], format_func=lambda g: catalogue.group_title(g) if g else "All groups"
    )
    text = right.text_input("Search", placeholder="Part of a key's name", key="env-search").strip().lower()
    wanted = {"problems": {"error", "warning"}, "all": {"error", "warning", "info", "none"}}.get(show, {show})
    return tuple(
        row
        for row in comparison.rows
        if row.severity in wanted and (group is None or row.group == group) and text in row.key.lower()
    )


def rows_markup(comparison: Comparison, rows: Sequence[Row], catalogue: Catalogue) -> str:
    """The matrix: a line a key, grouped where all are shown, each opening to its explanation."""
    if not rows:
        return html.block('<p class="dim">No key matches. Choose “All keys”, or empty the search.</p>')
    head = "".join(f"<span>{escape(name)}</span>" for name in comparison.names)
    style = f"--sides:{len(comparison.names)}"
    parts = [f'<div class="envrow head" style="{style}"><span>Key</span>{head}<span>Status</span></div>']
    parts += [_row(row, comparison, catalogue, style) for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        more = f"{SHOWN} of {present.number(len(rows))} keys are shown. Filter them, or download all."
        parts.append(f'<p class="dim">{more}</p>')
    return html.block(f'<div class="envtable">{"".join(parts)}</div>')


def _row(row: Row, comparison: Comparison, catalogue: Catalogue, style: str) -> str:
    marks = "".join(
        f'<span class="{"dim" if mark in {"absent", "present", "equal"} else ""}">'
        f'<span class="side">{escape(name)}: </span>{table.MARK_WORDS[mark]}</span>'
        for name, mark in zip(comparison.names, row.marks, strict=True)
    )
    level = {"error": "fail", "warning": "warning", "info": "info", "none": "ok"}[row.severity]
    badge = html.badge(level, word=table.STATUS_WORDS[row.status])
    key = catalogue.key(row.key)
    secret = "A secret." if row.secret else "Not a secret."
    relation = f"Between environments: {RELATIONS[row.relation]}."
    body = (
        f"<p>{escape(row.advice.what)}</p>"
        + (f'<p class="fix">{escape(row.advice.fix)}</p>' if row.advice.fix else "")
        + f'<p class="dim">{escape(key.purpose)} {escape(key.where if row.listed else "")} {secret} {relation} '
        f"{escape(catalogue.group_title(row.group))}.</p>"
    )
    return (
        f'<details><summary class="envrow" style="{style}"><span class="key">{escape(row.key)}</span>{marks}'
        f"<span>{badge}</span></summary><div class='more'>{body}</div></details>"
    )


def _downloads(comparison: Comparison, rows: Sequence[Row]) -> None:
    row = st.container(horizontal=True)
    for label, extension, mime, make in (
        ("Markdown", "md", "text/markdown", lambda: table.as_markdown(comparison, rows)),
        ("CSV", "csv", "text/csv", lambda: table.as_csv(comparison, rows)),
        ("JSON", "json", "application/json", lambda: table.as_json(comparison, rows)),
    ):
        row.download_button(
            label, make, file_name=f"env-diff-{'-'.join(comparison.names)[:60]}.{extension}", mime=mime,
            on_click="ignore", icon=":material/download:", key=f"env-{extension}",
        )  # fmt: skip
