"""One case of a run in depth: what was asked, said and done, how that was judged, what was different before."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import streamlit as st

from services.replay import tracing, view
from services.replay.model import Outcome
from ui import cached, html, present, state, widgets


def show(run_id: str, case_id: str, against: str | None) -> None:
    """Open the dialog; closing it takes the case out of the address."""

    @st.dialog(case_id[:80], width="large", on_dismiss=lambda: state.put(state.CASE, None))
    @widgets.guarded
    def detail() -> None:
        found = view.case_in_depth(cached.store(), run_id, case_id, against)
        st.markdown(f"**{plain(found.case.title)}**")
        st.caption(
            f"{found.case.category.replace('_', ' ')}; {found.case.provenance.get('source', 'source not named')}"
        )
        for outcome in found.outcomes:
            _outcome(outcome, many=len(found.outcomes) > 1)
        _traces(run_id, case_id, [outcome.repeat for outcome in found.outcomes])
        if not found.outcomes:
            st.caption("This case was not finished.")
        _earlier(found)
        with st.expander("What the agent was given"):
            st.json({"input": dict(found.case.input), "context": dict(found.case.context)}, expanded=2)
        with st.expander("What it is judged by"):
            st.json(
                {
                    c.id: {"title": c.title, "critical": c.critical, "anchors": dict(c.anchors)}
                    for c in found.case.criteria
                }
            )

    detail()


def _traces(run_id: str, case_id: str, repeats: list[int]) -> None:
    """Where what the agent did for this case is found, if it sends its traces here."""
    links = [html.link("its trace" if len(repeats) == 1 else f"trace of repeat {repeat}", "traces",
                       trace=tracing.trace_id(run_id, case_id, repeat)) for repeat in repeats]  # fmt: skip
    if links:
        html.show(html.block(f'<p class="dim">What the agent called, where it sends traces: {", ".join(links)}</p>'))


def plain(text: str) -> str:
    """Text from a file as text, not as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|<>:$~" else c for c in text)


def _outcome(outcome: Outcome, *, many: bool) -> None:
    level = {"passed": "ok", "failed": "fail", "error": "warning", "unscored": "unknown"}[outcome.state]
    head = f"Repeat {outcome.repeat}: " if many else ""
    took = (
        f"{present.milliseconds(outcome.duration_ms)}, {outcome.attempts} attempt{'s' if outcome.attempts > 1 else ''}"
    )
    html.show(
        html.block(f"<p>{escape(head)}{html.badge(level, word=outcome.state)} <span class='dim'>{took}</span></p>")
    )
    if outcome.trouble is not None:
        html.show(html.block(f"<p>{escape(outcome.trouble.code)}: {escape(outcome.trouble.detail)}</p>"))
    if outcome.judged is not None:
        rows = [
            (
                escape(c.id) + (" · critical" if c.critical else ""),
                html.badge({True: "ok", False: "fail", None: "unknown"}[c.passed], word=_score(c.score)),
                escape(c.reason),
            )
            for c in outcome.judged.criteria
        ]
        if outcome.judged.unscored:
            html.show(html.block(f"<p>{escape(outcome.judged.unscored)}</p>"))
        html.show(html.block(html.table(("Criterion", "Score", "Why"), rows)))
    if outcome.answer is not None:
        with st.expander("What the agent said and did", expanded=not many):
            st.code(_text(outcome.answer.output), language=None, wrap_lines=True)
            calls = [
                [c.tool, json.dumps(dict(c.arguments), ensure_ascii=False), c.status] for c in outcome.answer.tool_calls
            ]
            html.show(
                html.block(html.table(("Tool", "Arguments", "Status"), [[escape(x) for x in call] for call in calls]))
            )


def _score(score: float | None) -> str:
    return "unscored" if score is None else f"{score:.1f} of 5"


def _text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False)


def _earlier(found: view.CaseInDepth) -> None:
    if found.against is None:
        return
    st.markdown(f"**Compared with run {found.against}**")
    if not found.earlier:
        st.caption("That run did not finish this case.")
        return
    now = found.outcomes[0].answer if found.outcomes else None
    before = found.earlier[0]
    same = now is not None and before.answer is not None and now.output == before.answer.output
    st.caption(f"Then: {before.state}. " + ("The answer is the same." if same else "The answer differs:"))
    if not same and before.answer is not None:
        st.code(_text(before.answer.output), language=None, wrap_lines=True)
