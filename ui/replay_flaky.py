"""What the golden cases did in 90 days, what is in quarantine, and how much flips although nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from services import access, clock, export
from services.clock import DAY_MS
from services.errors import GreenlightError
from services.replay import aa, golden, history, identity, quarantine, start
from services.replay.held import until
from services.replay.history import CaseHistory
from services.replay.model import GoldenSet
from services.replay.start import Wish
from services.store import quarantine as stored
from services.store import tries
from services.store.quarantine import Entry
from ui import cached, html, present, signin, state, widgets

_DONE = "quarantine-done"
NAMED = 12
ENDED_SHOWN_DAYS = 30


@widgets.guarded
def page() -> None:
    """The cases of the configured golden set, for one agent."""
    store = cached.store()
    set_ = golden.read(identity.golden_path(cached.settings()))
    with store.read() as connection:
        known = tries.agents(connection, set_.name)
        entries = stored.entries(connection, set_.name)
    if (said := st.session_state.pop(_DONE, None)) is not None:
        html.show(html.answer("ok", said, ""))
    configured = start.agent_names(cached.settings())
    agents = list(dict.fromkeys((*known, *configured)))
    agent = state.one_of(state.AGENT, agents, agents[0])
    follows = state.follow("flaky-agent", agent, lambda picked: state.put(state.AGENT, picked))
    st.selectbox("Agent", agents, index=agents.index(agent), **follows)
    found = history.histories(store, set_, agent, clock.now_ms())
    html.show(_answer(found, agent))
    _quarantine(entries, found, set_)
    _table(found, agent)
    _pairs(agent, agent in configured)


def _answer(found: Sequence[CaseHistory], agent: str) -> str:
    by_state: dict[str, list[str]] = {
        name: [_tried(item) for item in found if item.state == name] for name in history.STATES
    }
    if len(by_state["not run"]) == len(found):
        return html.answer("unknown", f"{agent} has no judged answer of the last {history.DAYS} days.",
                           "Run a replay: what its cases do will stand here.")  # fmt: skip
    flips = by_state["flips"]
    what = (
        f"{len(flips)} of {len(found)} cases flip, {len(by_state['never failed'])} never failed in {history.DAYS} days."
    )
    then = "A case that never fails may test too little; one that flips proves nothing either way."
    lists = [
        f"<p>{escape(title)}: {escape(_named(by_state[name]))}</p>"
        for name, title in (("flips", "They flip"), ("never failed", "Never failed"), ("not run", "Not run"))
        if by_state[name]
    ]
    return html.answer("degraded" if flips else "ok", what, then) + html.block(*lists)


def _tried(item: CaseHistory) -> str:
    """A case with its counts, as far as it has some."""
    if not item.judged:
        return item.case_id
    flips = f"{item.flips} flips, " if item.state == "flips" else ""
    return f"{item.case_id} ({flips}{item.failed} of {item.judged} failed)"


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more, below" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more


def _table(found: Sequence[CaseHistory], agent: str) -> None:
    st.subheader("Cases", anchor=False)
    rows = history.rows(found)
    titles = {name: st.column_config.Column(name.replace("_", " ").capitalize()) for name in history.COLUMNS}
    st.dataframe(rows, hide_index=True, height=320, column_order=history.COLUMNS, column_config=titles)
    st.download_button(
        "Cases as CSV", export.csv_text(history.COLUMNS, rows), file_name="cases.csv", mime="text/csv",
        on_click="ignore", icon=":material/download:",
    )  # fmt: skip
    st.caption(
        f"Runs of {agent} of the last {history.DAYS} days. A flip is a change from one judged try to the next; a case "
        "flips where it changed more than once, or where repeats of one run disagree. Errors are no tries."
    )


def _quarantine(entries: Sequence[Entry], found: Sequence[CaseHistory], set_: GoldenSet) -> None:
    now = clock.now_ms()
    in_force = [entry for entry in entries if entry.ended_ms is None and entry.until_ms > now]
    st.subheader("Quarantine", anchor=False)
    html.show(_entries(entries, now))
    row = st.container(horizontal=True)
    if row.button("Put a case into quarantine", icon=":material/shield:", **signin.may("quarantine")):
        _put(set_, [item.case_id for item in found if not item.critical and item.quarantine_id is None])
    if in_force and row.button("Lift a quarantine", icon=":material/lock_open:", **signin.may("quarantine")):
        _lift(in_force)


def _entries(entries: Sequence[Entry], now: int) -> str:
    rows = []
    for entry in entries:
        over = entry.ended_ms is not None or entry.until_ms <= now
        if over and now - (entry.ended_ms or entry.until_ms) > ENDED_SHOWN_DAYS * DAY_MS:
            continue
        if over:
            word = f"lifted by {entry.ended_by}" if entry.ended_by else "over: it counts again"
            badge = html.badge("info", word=word)
        else:
            badge = html.badge("degraded", word=f"ends in {present.seconds((entry.until_ms - now) / 1000)}")
        rows.append((escape(entry.case_id), badge, escape(until(entry)), escape(entry.owner), escape(entry.reason),
                     escape(entry.put_by)))  # fmt: skip
    if not rows:
        return html.block('<p class="dim">No case is in quarantine: each one counts.</p>')
    return html.block(html.table(("Case", "State", "Until", "Owner", "Reason", "Put by"), rows))


def _put(set_: GoldenSet, ids: Sequence[str]) -> None:
    @st.dialog("Put a case into quarantine")
    @widgets.guarded
    def ask() -> None:
        st.markdown("It still runs and is shown; its failure blocks nothing, and each verdict names it. A critical "
                    "case can't be put aside. More than 10 % of a run make it inconclusive.")  # fmt: skip
        with st.form("quarantine", border=False):
            case = st.selectbox("Case", ids)
            owner = st.text_input("Owner: who fixes it", max_chars=120)
            reason = st.text_input("Reason: why it is flaky", max_chars=500)
            days = st.number_input("Days", 1, quarantine.MOST_DAYS, 7, help="Then it counts again by itself.")
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button("Put into quarantine", type="primary", **signin.may("quarantine"))
        if not sent:
            return
        if not access.plain(person.name):
            html.show(html.answer("fail", "Enter your name.", "A quarantine is on record by name."))
            return
        try:
            entry = quarantine.put(cached.store(), set_, str(case), owner=owner, reason=reason, days=int(days),
                                   by=person, now_ms=clock.now_ms())  # fmt: skip
        except GreenlightError as error:
            html.show(html.answer("fail", "It was not put into quarantine.", str(error)))
            return
        st.session_state[_DONE] = f"{entry.case_id} is in quarantine until {until(entry)}; owner {entry.owner}."
        st.rerun()

    ask()


def _lift(entries: Sequence[Entry]) -> None:
    @st.dialog("Lift a quarantine")
    @widgets.guarded
    def ask() -> None:
        names = {entry.id: f"{entry.case_id}, owner {entry.owner}" for entry in entries}
        with st.form("quarantine-lift", border=False):
            picked = st.selectbox("Case", list(names), format_func=names.__getitem__)
            person = signin.ask_name(signin.person())
            sent = st.form_submit_button("Lift it", type="primary", **signin.may("quarantine"))
        if not sent:
            return
        try:
            quarantine.lift(cached.store(), int(picked or 0), by=person, now_ms=clock.now_ms())
        except GreenlightError as error:
            html.show(html.answer("fail", "It was not lifted.", str(error)))
            return
        st.session_state[_DONE] = "The quarantine was lifted: the case counts from the next run on."
        st.rerun()

    ask()


def _pairs(agent: str, can_ask: bool) -> None:
    st.subheader("The same agent twice (A/A)", anchor=False)
    found = aa.pairs(cached.store(), agent)
    rows = [
        (html.link(pair.runs[1], "replay_harness", run=pair.runs[1]), escape(" / ".join(pair.verdicts)),
         escape(aa.in_words(pair)), escape(_named(pair.flipped) or "none"))
        for pair in found
    ]  # fmt: skip
    if rows:
        html.show(html.block(html.table(("Second run", "Verdicts", "Measured beside stated", "Flipped"), rows)))
        st.caption(aa.verdicts_in_words(found))
    else:
        html.show(html.block(f'<p class="dim">No A/A pair of {escape(agent)} has finished yet. It measures how much '
                             "flips although nothing changed.</p>"))  # fmt: skip
    rhythm = cached.settings().replay.aa
    when = "Not on schedule" if rhythm == "never" else f"On schedule: {rhythm}, for agents with an environment"
    st.caption(f"{when} ([replay] aa).")
    allowed = signin.may("replay", "All cases twice, one run after the other.")
    if can_ask and st.button("Run twice", icon=":material/repeat:", **allowed):
        pair = start.ask_pair(cached.store(), cached.settings(), Wish(agent=agent), by=signin.person())
        state.put(state.RUN, pair[1].id)
        st.rerun()
