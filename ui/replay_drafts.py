"""Draft cases: what waits, a form for a new one, and publishing what is ready into the golden set."""

from __future__ import annotations

import json
from html import escape

import streamlit as st

from services import clock
from services.errors import GreenlightError
from services.replay.authoring import difference, drafts, publish, release
from services.replay.authoring.drafts import Draft, Material
from ui import cached, html, present, signin, state, widgets

DONE = "draft-done"
SHOWN = 200


@widgets.guarded
def page() -> None:
    """What waits first, then publishing, then a new one."""
    store, settings = cached.store(), cached.settings()
    found = drafts.listed(store, settings)
    if said := st.session_state.pop(DONE, None):
        html.show(html.answer("ok", *said))
    ready = [draft for draft in found if draft.is_ready]
    if not found:
        then = "Draft a case from a trace, or write one below. It counts once it is published into the golden set."
        html.show(html.answer("unknown", "No draft case waits.", then))
    else:
        what = f"{_counted(len(found), 'draft')}: {len(ready)} ready to be published."
        html.show(html.answer("ok" if ready else "unknown", what, "Drafts don't count until they are published."))
        html.show(_table(found))
    if ready:
        _publish(ready)
    _published()
    _new()


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _table(found: tuple[Draft, ...]) -> str:
    where = widgets.zone()
    rows = [
        (
            f'<span class="tile-link">{html.link(str(draft.case["title"]), "replay_harness", draft=draft.id)}</span>'
            + (f" {html.simulated()}" if draft.simulated else ""),
            badge(draft),
            escape(str(draft.case["provenance"]["source"])),
            escape(str(draft.case["provenance"].get("author", ""))),
            escape(present.moment(draft.changed_ms, where, short=True)),
        )
        for draft in found[:SHOWN]
    ]
    return html.block(html.table(("Case", "State", "From", "By", "Changed"), rows))


def badge(draft: Draft) -> str:
    """How far a draft is, in a word."""
    if draft.is_ready:
        return html.badge("ok", word="ready")
    if draft.problems:
        return html.badge("unknown", word="to be written")
    more = "1 more person has" if draft.missing == 1 else f"{draft.missing} more people have"
    return html.badge("unknown", word=f"{more} to agree")


def _publish(ready: list[Draft]) -> None:
    st.subheader("Publish", anchor=False)
    names = {draft.id: str(draft.case["title"]) for draft in ready}
    picked = st.multiselect("Cases to publish", list(names), default=list(names), format_func=names.__getitem__)
    chosen = [draft for draft in ready if draft.id in picked]
    if not chosen:
        st.caption("Choose a case.")
        return
    try:
        plan = release.plan(cached.settings(), chosen, today=clock.now().date())
    except GreenlightError as error:
        html.show(html.answer("unknown", "These can't be published together.", str(error)))
        return
    st.caption(f"The golden set becomes version {plan.version}. The version before is kept beside it.")
    st.code("\n".join(difference.lines(plan.difference)), language=None, wrap_lines=True)
    row = st.container(horizontal=True)
    if row.button("Publish …", type="primary", icon=":material/publish:", **signin.may("publish")):
        _confirm(chosen, plan)
    row.download_button("Download this version", publish.text(plan.body), plan.file.name, "application/json",
                        help="Where the file is kept elsewhere: commit it there.")  # fmt: skip


def _confirm(chosen: list[Draft], plan: publish.Plan) -> None:
    @st.dialog(f"Publish version {plan.version}"[:80])
    def confirm() -> None:
        st.caption(f"{_counted(len(chosen), 'case')} will count in every run from now on. Results of version "
                   "before and after are not compared without a warning.")  # fmt: skip
        with st.form("draft-publish", border=False):
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button("Publish", type="primary")
        if not sent:
            return
        try:
            kept = release.write(cached.store(), chosen, plan, person)
        except GreenlightError as error:
            html.show(html.answer("fail", "Nothing was published.", str(error)))
            return
        old = f" The version before is kept as {kept}." if kept else ""
        st.session_state[DONE] = (f"The golden set is version {plan.version} now.", f"Commit {plan.file.name}.{old}")
        st.rerun()

    confirm()


def _published() -> None:
    """The newest publishing, while it can be taken back."""
    store, settings = cached.store(), cached.settings()
    newest = next((d for d in drafts.listed(store, settings, state="published") if d.kept), None)
    if newest is None:
        return
    st.caption(f"Published last: {newest.case['title']}, {present.age(newest.changed_ms, clock.now_ms())}.")
    if not st.button("Take it back", icon=":material/undo:", key="draft-take-back", **signin.may("publish")):
        return
    try:
        version = release.take_back(store, settings, newest.id, signin.person())
    except GreenlightError as error:
        html.show(html.answer("unknown", "It was not taken back.", str(error)))
        return
    st.session_state[DONE] = (f"The golden set is version {version} again.", "Its cases are drafts again.")
    st.rerun()


def _new() -> None:
    with st.expander("Write a draft by hand"), st.form("draft-new", border=False):
        title = st.text_input("Title", max_chars=120, placeholder="A refund is made once")
        text = st.text_area("What the agent is asked", placeholder="Please refund order 1001.")
        context = st.text_area("What it knows, as JSON", value="{}")
        why = st.text_input("Why this should be a case", max_chars=1000, placeholder="It refunded twice on 1 December")
        person = signin.ask_name(signin.person())
        sent = st.form_submit_button("Make the draft", **signin.may("draft"))
    if not sent:
        return
    known = parsed(context)
    if not isinstance(known, dict):
        html.show(
            html.answer("unknown", "No draft was made.", 'What it knows is no JSON object, such as {"order": 1}.')
        )
        return
    if not title.strip() or not text.strip():
        html.show(html.answer("unknown", "No draft was made.", "Write a title, and what the agent is asked."))
        return
    material = Material(title=title, input={"text": text}, context=known, origin={"source": "Written by hand"})
    try:
        made = drafts.propose(cached.store(), cached.settings(), material, person, why=why)
    except GreenlightError as error:
        html.show(html.answer("unknown", "No draft was made.", str(error)))
        return
    state.put(state.DRAFT, made)
    st.rerun()


def parsed(text: str) -> object:
    """The JSON value of a text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
