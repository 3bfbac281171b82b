"""How is one step done? Why, how, what proves it, the Verify button, and what to do if it doesn't hold."""

from __future__ import annotations

import functools
from dataclasses import replace
from html import escape
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from services import clock, decisions
from services.access import Person, local_operator
from services.checklist.view import Checklist, StepView, hand_over
from services.decisions import Decision
from services.errors import GreenlightError
from services.report import exports, make, seal
from services.report.document import Kind
from services.soak.reckon import CHECK as SOAK
from services.soak.reckon import Soak
from services.verdict import signing, words
from services.verdict.model import Standing
from ui import cached, checklist, html, present, signin, state, widgets

ASKED_FOR, PRESSED = "decision-asked-for", "decision-just-pressed"
CONFIRM = {
    "policy": "Confirm the decision",
    "saved": "Note that it was saved",
    "sign_off": "Sign off the Go",
    "go_request": "Ask for the Go",
    "waive_canaries": "Waive the canary runs",
    "campaign": "Begin a campaign",
}
HANDED_OVER = ("failed", "open")  # the states in which there is something to do
NOT_YOURS = "Not yours to mend? The last box here makes a message of it, with a link to this step."
WORDS = {
    "go_request": "Somebody else looks at the evidence and gives the Go; nobody approves their own request.",
    "waive_canaries": "The soak may then pass without its canary runs. Give the reason; it stands in every report.",
    "campaign": "From now on a step that held and holds no more is shown as reopened. Say what this campaign is for.",
}


def show(environment: str) -> None:
    """The step that is open."""
    found = cached.checklist(environment)
    view = checklist.opened_step(found)
    if view is None:
        return
    mark = html.simulated() if found.simulated else ""
    title = html.heading(f"Step {view.number}: {view.title}")
    where = "" if view.named else f'<span class="dim">{escape(view.environment)}</span>'
    head = f'<div class="row">{title}{where}{mark}</div>'
    kind = "ol" if len(view.how) > 1 else "ul"
    why, *how = html.glossed((view.why, *view.how))
    lines = "".join(f"<li>{text}</li>" for text in how)
    links = " · ".join(_link(title, place, view.environment) for title, place in view.step.links)
    ways = f'<p class="dim">Open: {links}</p>' if links else ""
    html.show(html.block(head, f"<p>{why}</p>"))
    _notice(found, view)
    html.show(html.block(f"<{kind}>{lines}</{kind}>", ways))
    _commands(view)
    if view.step.id == "inputs":
        with st.expander("Message that asks for the inputs", icon=":material/mail:"):
            st.code(found.message, language=None, wrap_lines=True)
    _proof(found, view)
    _decisions(found, view)


def dialog() -> None:
    """Where somebody asked to decide something: until it is decided, or put away, or another page is looked at.

    It is the page's, not that of the piece in which the button stands: what is pressed in a dialog of a piece that
    refreshes is lost where both reach a busy server together.
    """
    asked = st.session_state.get(ASKED_FOR)
    if asked is None:
        return
    if state.has_arrived() or asked[0] != _place():
        _put_away()
        return
    _confirm(*asked[1:])


def _place() -> tuple[str | None, str | None]:
    return state.text(state.ENVIRONMENT), state.text(state.STEP)


def _put_away() -> None:
    st.session_state.pop(ASKED_FOR, None)


def _link(title: str, place: str, environment: str) -> str:
    page, _, query = place.partition("?")
    return html.link(title, page, **dict(parse_qsl(query)), env=environment)


def _commands(view: StepView) -> None:
    if not view.bash:
        return
    with st.expander("The same by command line", icon=":material/terminal:"):
        bash, powershell = st.tabs(["bash", "PowerShell"])
        bash.code(view.bash, language="bash", wrap_lines=True)
        powershell.code(view.powershell, language="powershell", wrap_lines=True)


@widgets.live
def _proof(found: Checklist, view: StepView) -> None:
    """What proves the step, now; and the button that measures it anew."""
    fresh, now = _now(found, view)
    whys = html.glossed([_why(check, now, fresh.soak) for check in now.checks])
    rows = [(html.badge(check.outcome), escape(words.title(check.check)), why)
            for check, why in zip(now.checks, whys, strict=True)]  # fmt: skip
    if now.step.confirm:
        said = now.decision
        rows.append((html.badge("pass" if said else "unknown"), "Confirmed by a person", escape(_said(said))))
    elif now.step.confirm_optional and now.decision is not None:
        rows.append((html.badge("pass"), "Noted by a person", escape(_said(now.decision))))
    parts = [html.heading("What proves it"), html.table(("", "Check", "Why"), rows)] if rows else []
    if any(check.outcome == "fail" for check in now.checks):
        parts.append(f'<p class="dim">{escape(now.if_not)} {NOT_YOURS if now.state in HANDED_OVER else ""}</p>')
    html.show(html.block(*parts))
    kind = now.step.verify
    if kind:
        widgets.request_button(
            "Verify", kind, now.environment, key=f"verify-{now.key}", icon=":material/verified:",
            help_="Measures it for real, now; the result is kept as evidence.",
        )  # fmt: skip


@widgets.live
def _notice(found: Checklist, view: StepView) -> None:
    """What is to be known before anything is done here: nothing, where it is the step's turn."""
    said = _out_of_turn(_now(found, view)[1])
    if said:
        html.show(html.block(f'<p class="warn">{html.symbol("warning")} {escape(said)}</p>'))


def _out_of_turn(view: StepView) -> str:
    if view.reopened:
        return "This step was done, and no longer holds: see below what changed."
    if view.waits_for:
        return f"Not yet: this step waits for {' and '.join(view.waits_for)}. Do that first."
    return f"This holds already, before its turn: {view.out_of_order} is still missing." if view.out_of_order else ""


@widgets.live
def _decisions(found: Checklist, view: StepView) -> None:
    """What only a person can do here."""
    if st.session_state.pop(PRESSED, False):
        st.rerun()  # with the dialog
    fresh, now = _now(found, view)
    confirm = now.step.confirm or now.step.confirm_optional
    if confirm and now.decision is not None:
        take_back(now.decision, key=f"b-{now.key}")
    elif confirm == "sign_off":
        _go(fresh, now)
    elif confirm:
        button(confirm, now.environment, key=f"c-{now.key}", words=now.confirm_words)
    if now.step.id == "soak" and fresh.soak is not None:
        _waiver(fresh, fresh.soak, now)
    if now.state in HANDED_OVER:
        with st.expander("Hand this step to somebody else", icon=":material/forward_to_inbox:"):
            address = f"{st.context.url}?{urlencode({'env': found.environment, 'step': now.key})}"
            st.code(hand_over(now, address, simulated=found.simulated), language=None, wrap_lines=True)


def _waiver(found: Checklist, soak: Soak, view: StepView) -> None:
    given = next((d for d in found.decisions if d.kind == "waive_canaries" and d.environment == view.environment), None)
    if soak.waived and given is not None:
        take_back(given, key=f"b-{view.key}")
    elif soak.passed_ms is None and soak.canaries < soak.canaries_wanted:
        button("waive_canaries", view.environment, key=f"m-{view.key}")


def _now(found: Checklist, view: StepView) -> tuple[Checklist, StepView]:
    """The checklist and the step as they stand by now."""
    fresh = cached.checklist(found.environment)
    return fresh, next((item for item in fresh.steps if item.key == view.key), view)


def _go(found: Checklist, view: StepView) -> None:
    """The final Go; where people sign in, asked for by one and given by another."""
    if found.verdict.state != "GO":
        html.show(html.block('<p class="dim">It can be signed once the verdict is Go.</p>'))
        return
    if signin.configured():
        if found.asked is None:
            button("go_request", view.environment, key=f"m-{view.key}")
            return
        when = present.moment(found.asked.at_ms, widgets.zone())
        said = f"{found.asked.who} asked for the Go, {when}: {found.asked.note}"
        mine = found.asked.detail.get("key") == signin.person().key
        then = " Somebody else has to give it: send them the link to this page." if mine else ""
        html.show(html.block(f"<p>{escape(said)}{then}</p>"))
        if mine:
            return
    button("sign_off", view.environment, key=f"c-{view.key}", words=view.confirm_words)


def button(kind: str, environment: str, *, key: str, words: str = "") -> None:
    """A button behind which somebody decides something, by name."""
    allowed = signin.may(decisions.ACTIONS.get(kind, "confirm"))
    asked = (kind, environment, words or WORDS[kind], True)
    st.button(CONFIRM[kind], icon=":material/person_check:", key=key, on_click=_ask_for, args=(asked,), **allowed)


def take_back(said: Decision, *, key: str) -> None:
    """A quiet button that takes back what was decided; both stay on record."""
    allowed = signin.may(decisions.ACTIONS.get(said.kind, "confirm"))
    asked = (said.kind, said.environment, f"What {said.by} said will no longer stand. Say why.", False)
    st.button(
        "Take it back", icon=":material/undo:", type="tertiary", key=key, on_click=_ask_for, args=(asked,), **allowed
    )


def _ask_for(asked: tuple[str, str, str, bool]) -> None:
    """Kept beyond this run: a refresh that comes between the press and the dialog must not lose it."""
    st.session_state[ASKED_FOR] = (_place(), *asked)
    st.session_state[PRESSED] = True


def _why(check: Standing, view: StepView, soak: Soak | None) -> str:
    """When it was measured; or what is the matter, and what to do here."""
    if check.outcome == "pass" and check.record is not None:
        at_ms = check.record.at_ms
        return f"Measured {present.age(at_ms, clock.now_ms())}, {present.moment(at_ms, widgets.zone())}"
    if check.check == SOAK and check.outcome == "unknown" and soak is not None and not check.stale:
        return checklist.soak_words(soak, widgets.zone())  # as of now, not as it was last written down
    fix = check.fix.replace("press Probe now.", "press Verify.") if view.step.verify else check.fix
    return f"{check.why[:1].upper()}{check.why[1:].rstrip('.')}. {fix}".rstrip()


def _said(said: Decision | None) -> str:
    if said is None:
        return "Not confirmed yet."
    return f"{said.who}, {present.moment(said.at_ms, widgets.zone())}: {said.note}"


@st.dialog("Confirm by name", on_dismiss=_put_away)
def _confirm(kind: str, name: str, words: str, holds: bool) -> None:
    """A confirmation holds name, time and note, and is shown as what it is: a person's word."""
    environment, me = cached.settings().environment(name), signin.person()
    html.show(html.block(f"<p>{escape(words)}</p>"))  # a name in it is no markup
    with st.form("confirm", border=False):
        own = me.name if me.verified else st.text_input("Your name", max_chars=120)
        note = st.text_area(
            "Note", max_chars=1000, placeholder="Decided in the meeting of 20 November; see the minutes."
        )
        days = st.number_input("For how many days", 1, 30, 7) if kind == "waive_canaries" and holds else 1
        sent = st.form_submit_button("Confirm", type="primary")
    if not sent:
        return
    person = me if me.verified else local_operator(own) if own.strip() else replace(me, name="")
    try:
        if not holds:
            decisions.decide(cached.store(), environment, kind, person, note=note, holds=False)
        elif kind == "waive_canaries":
            decisions.waive_canaries(cached.store(), environment, person, note=note, days=int(days))
        elif kind == "campaign":
            decisions.begin_campaign(cached.store(), environment, person, note=note)
        elif kind == "go_request":
            signing.ask(cached.store(), cached.settings(), name, person, note=note)
        elif kind == "sign_off":
            signing.give(cached.store(), cached.settings(), name, person, note=note)
        else:
            decisions.decide(cached.store(), environment, kind, person, note=note)
    except GreenlightError as error:
        html.show(html.answer("unknown", "Nothing was confirmed.", str(error)))
        return
    cached.forget_decisions()
    _put_away()
    st.rerun()


def report(found: Checklist) -> None:
    """At the last step, over the page's whole width: what is in the way, and the report."""
    view = checklist.opened_step(found)
    if view is None or view.step.id != "go":
        return
    _blocking(found)
    kinds: dict[str, str] = {"completion": "Completion report", "leadership": "Leadership update"}
    html.show(html.block(html.heading("Report", "Sealed: whoever gets it can check that nobody changed it.")))
    kind = widgets.choose(state.KIND, kinds, label="Report")
    made = cached.report(found.environment, "leadership" if kind == "leadership" else "completion")
    me = signin.person()
    row = st.container(horizontal=True)
    for format_ in seal.FORMATS:
        row.download_button(
            format_.upper(), functools.partial(_taken, found.environment, made.kind, format_, me),
            file_name=made.file_name(format_), mime=make.MIME[format_], on_click="ignore",
            icon=":material/download:", key=f"report-{kind}-{format_}",
        )  # fmt: skip
    with st.expander("As text, for e-mail or chat", icon=":material/content_copy:"):
        st.code(made.text(), language=None, wrap_lines=True)
    with st.expander("Preview", icon=":material/preview:", expanded=True):
        html.show(html.block(*(checklist.preview(block) for block in made.blocks())))


def _taken(environment: str, kind: Kind, format_: seal.Format, person: Person) -> bytes:
    """The file, of the moment in which somebody asks for it (the preview is seconds older); noted in the chain."""
    store = cached.store()
    made = make.report(store, cached.settings(), environment, kind)
    content = made.file(format_)
    exports.note(store, made, format_, content, person)
    return content


def _blocking(found: Checklist) -> None:
    blocking = found.verdict.blocking
    if blocking:
        html.show(html.block(html.heading("In the way"), html.table(
            ("", "Rule", "Why", "What to do"),
            [(html.badge(f.outcome), escape(f.title), escape(f.why), escape(f.fix)) for f in blocking],
        )))  # fmt: skip
