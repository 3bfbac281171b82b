"""The report in the last step. What is in the way, a preview, and the sealed files."""

from __future__ import annotations

import functools
from html import escape

import streamlit as st

from services.access import Person
from services.checklist.view import Checklist
from services.report import exports, make, seal
from services.report.document import Kind
from ui import cached, checklist, html, signin, state, widgets


def show(found: Checklist) -> None:
    """At the last step, over the page's whole width: what is in the way, and the report."""
    view = checklist.opened_step(found)
    if view is None or view.step.id != "go":
        return
    _blocking(found)
    kinds: dict[str, str] = {"completion": "Completion report", "leadership": "Leadership update"}
    html.show(html.block(html.heading("Report", "Sealed: its reader can check that nobody changed it.")))
    kind = widgets.choose(state.KIND, kinds, label="Report")
    made = cached.report(found.environment, "leadership" if kind == "leadership" else "completion")
    trouble = made.trouble()
    if trouble:
        html.show(html.answer("unknown", "No report can be sealed here, so none can be taken.", trouble))
    else:
        _downloads(made)
    with st.expander("As text, for e-mail or chat", icon=":material/content_copy:"):
        st.code(made.text(), language=None, wrap_lines=True)
    with st.expander("Preview", icon=":material/preview:", expanded=True):
        html.show(html.block(*(checklist.preview(block) for block in made.blocks())))


def _downloads(made: make.Report) -> None:
    me, row = signin.person(), st.container(horizontal=True)
    for format_ in seal.FORMATS:
        row.download_button(
            format_.upper(), functools.partial(_taken, made.found["environment"], made.kind, format_, me),
            file_name=made.file_name(format_), mime=make.MIME[format_], on_click="ignore",
            icon=":material/download:", key=f"report-{made.kind}-{format_}",
        )  # fmt: skip


def _taken(environment: str, kind: Kind, format_: seal.Format, person: Person) -> bytes:
    """The file, of the moment in which somebody asks for it (the preview is seconds older); noted in the chain."""
    store = cached.store()
    made = make.report(store, cached.settings(), environment, kind)
    content = made.file(format_)
    exports.note(store, made, format_, content, person)
    return content


def _blocking(found: Checklist) -> None:
    rows = [
        f'<div class="verdict"><div class="row"><span>{html.badge(f.outcome)}</span><b>{escape(f.title)}</b></div>'
        f'<div>{escape(f.advice.what)}</div><div class="dim">{escape(f.advice.fix)}</div></div>'
        for f in found.verdict.blocking
    ]
    if rows:
        html.show(html.block(html.heading("In the way"), *rows))
