"""Answers of past runs, labelled by people who don't know whose they are; and what that came to."""

from __future__ import annotations

import json
from dataclasses import replace
from html import escape

import streamlit as st

from services import access, clock
from services.access import Person
from services.clock import DAY_MS
from services.replay import labels
from services.replay.agreement import Kappa
from services.replay.labels import Question, Queue
from ui import cached, html, replay_case, signin, state, widgets

_NAME = "label-name"
BUTTONS = (("Pass", "pass", "p", ":material/check:"), ("Fail", "fail", "f", ":material/close:"),
           ("Can't tell", "unknown", "u", ":material/question_mark:"))  # fmt: skip


@widgets.guarded
def page() -> None:
    """The next question of the batch; before there is one, what this is for; below, the result so far."""
    begun_ms, person = _begun_ms(), _person()
    if begun_ms is None or not access.plain(person.name):
        _start(begun_ms)
    else:
        found = labels.queue(cached.store(), begun_ms, person)
        if found.next_one is None:
            _done(found)
        else:
            _ask(found, found.next_one, begun_ms, person)
            return  # what the judge said would speak to the person who labels
    _result()


def _begun_ms() -> int | None:
    """When the batch in the address was begun; None without one, and for one of long ago."""
    text, now = state.text(state.BATCH) or "", clock.now_ms()
    return int(text) if text.isdecimal() and now - DAY_MS < int(text) <= now else None


def _person() -> Person:
    """Who labels: who signed in, else by the name that was entered."""
    me = signin.person()
    return me if me.verified else replace(me, name=st.session_state.get(_NAME, ""))


def _start(begun_ms: int | None) -> None:
    what = "Label answers: say whether a past answer is good, without knowing whose it is."
    then = f"{labels.BATCH} questions, about ten minutes. What you say checks the judge, and can become its labels."
    html.show(html.answer("unknown", what, then))
    with st.form("label-start", border=False):
        me = signin.ask_name(signin.person())
        if st.form_submit_button(
            "Start labelling", type="primary", icon=":material/play_arrow:", **signin.may("label")
        ):
            if not access.plain(me.name):
                st.warning("Enter your name: labels are kept by name.")
                return
            st.session_state[_NAME] = me.name
            state.put(state.BATCH, str(begun_ms or clock.now_ms()))
            st.rerun()


def _ask(found: Queue, question: Question, begun_ms: int, person: Person) -> None:
    left = max(1, round(found.left_ms / 60_000))
    minutes = f"about {left} minute{'s' if left > 1 else ''} left"
    st.progress(found.done / found.total, text=f"{found.done} of {found.total}, {minutes}")
    criterion = question.criterion
    st.markdown(f"**{replay_case.plain(question.case.title)}**")
    asked = question.asked["input"]
    st.caption("What the agent was asked")
    st.code(_text(asked.get("text", asked) if isinstance(asked, dict) else asked), language=None, wrap_lines=True)
    with st.expander("What the agent knew"):
        st.json(question.asked["context"], expanded=2)
    st.caption("What it answered")
    st.code(_text(question.output), language=None, wrap_lines=True)
    if question.tool_calls:
        rows = [(escape(str(call["tool"])), escape(json.dumps(call["arguments"], ensure_ascii=False)),
                 escape(str(call["status"]))) for call in question.tool_calls]  # fmt: skip
        html.show(html.block(html.table(("Tool", "Arguments", "Status"), rows)))
    else:
        st.caption("It called no tool.")
    anchors = [(escape(f"{mark} of 5"), escape(text)) for mark, text in criterion.anchors.items()]
    head = html.heading(criterion.title, f"It passes from {criterion.pass_at:g} of 5 on. Judge this alone.")
    html.show(html.block(head, html.table(("Mark", "Means"), anchors)))
    _buttons(question, begun_ms, person, can_undo=found.done > 0)


def _buttons(question: Question, begun_ms: int, person: Person, *, can_undo: bool) -> None:
    """A press belongs to the question that was shown: each has buttons of its own."""
    mark = f"{question.run_id}-{question.position}-{question.criterion.id}"
    allowed = signin.may("label")
    row = st.container(horizontal=True)
    for title, word, key, icon in BUTTONS:
        if row.button(title, icon=icon, shortcut=key, key=f"label-{word}-{mark}", **allowed):
            labels.say(cached.store(), question, word, by=person, now_ms=clock.now_ms())
            st.rerun()
    undo = allowed | {"disabled": allowed["disabled"] or not can_undo}
    if row.button("Undo the last", icon=":material/undo:", shortcut="z", key=f"label-undo-{mark}", **undo):
        labels.undo(cached.store(), begun_ms, by=person)
        st.rerun()
    st.caption("Keys: P, F, U; Z takes back the last. You may stop at any time: what you said is kept.")


def _done(found: Queue) -> None:
    if found.total:
        html.show(html.answer("ok", f"Done: {found.done} of {found.total}.", "Label more, or go back to Runs."))
    else:
        what = "There is no answer to label."
        html.show(html.answer("unknown", what, "Answers of runs of the last 30 days appear here, each once a person."))
    if st.button("Label more", icon=":material/replay:", **signin.may("label")):
        state.put(state.BATCH, str(clock.now_ms()))
        st.rerun()


def _result() -> None:
    found = labels.labelled(cached.store())
    if not found.people:
        return
    rows = [(f"People and judge {escape(name)}", escape(kappa_words(kappa))) for name, kappa in found.judges.items()]
    alike = "not known" if found.alpha is None else f"alpha {found.alpha:.2f}"
    rows.append(("People with each other", f"{alike}; {found.shared} questions answered by two or more"))
    rows.append(("Labels", escape(", ".join(f"{name}: {number}" for name, number in found.people.items()))
                 + f"; {found.unknown} can't tell"))  # fmt: skip
    head = html.heading("What the labels say", "Kappa 1 is full agreement, 0 what chance gives.")
    html.show(html.block(head, html.table(("Between", "Agreement"), rows)))
    document, split = labels.calibration(cached.store())
    st.download_button(
        f"Labels as a calibration file ({len(document['answers'])} answers)",
        json.dumps(document, indent=2, ensure_ascii=False), file_name="labels.json", mime="application/json",
        on_click="ignore", icon=":material/download:", disabled=not document["answers"],
        help="Name it in greenlight.toml as [replay] calibration: model judges are then held to your labels.",
    )  # fmt: skip
    if split:
        st.caption(f"{split} questions are left out, as people are split on them.")


def kappa_words(found: Kappa) -> str:
    """Agreement of two in words."""
    agreed = f"agree on {found.agreed} of {found.total}"
    if found.value is None or found.interval is None:
        return f"kappa not known; {agreed}"
    low, high = found.interval
    return f"kappa {found.value:.2f}, 95 % interval {low:.2f} to {high:.2f}; {agreed}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
