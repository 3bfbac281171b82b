"""One step as it is done. Why, how, what proves it, the Verify button, and what to do if it doesn't hold."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from services import clock
from services.checklist.view import Checklist, StepView, hand_over
from services.evidence.decisions import Decision
from services.soak.evaluate import CHECK as SOAK
from services.soak.evaluate import Soak
from services.verdict import words
from services.verdict.model import CheckResult
from ui import cached, checklist, checklist_decisions, html, present, signin, widgets

HANDED_OVER = ("failed", "open")  # the states in which there is something to do
NOT_YOURS = "Not yours to fix? The last box here makes a message of it, with a link to this step."


def show(environment: str) -> None:
    """The step that is open."""
    found = cached.checklist(environment)
    view = checklist.opened_step(found)
    if view is None:
        return
    title = html.heading(f"Step {view.number}: {view.title}")
    where = "" if view.named else f'<span class="dim">{escape(view.environment)}</span>'
    head = f'<div class="row">{title}{where}</div>'
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
        with st.expander("Request message", icon=":material/mail:"):
            st.code(view.message, language=None, wrap_lines=True)
    _proof(found, view)
    _decisions(found, view)


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
    """What proves the step, now; and the button that measures it again."""
    fresh, now = _now(found, view)
    whys = html.glossed([_why(check, fresh.soak) for check in now.checks])
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
        return "This step was done, and is no longer met: see below what changed."
    if view.waits_for:
        return f"Not yet: this step waits for {' and '.join(view.waits_for)}. Do that first."
    return f"Already true; {view.out_of_order} is still open." if view.out_of_order else ""


@widgets.live
def _decisions(found: Checklist, view: StepView) -> None:
    """What only a person can do here."""
    checklist_decisions.open_if_pressed()
    fresh, now = _now(found, view)
    confirm = now.step.confirm or now.step.confirm_optional
    if confirm and now.decision is not None:
        checklist_decisions.take_back(now.decision, key=f"b-{now.key}")
    elif confirm == "sign_off":
        _go(fresh, now)
    elif confirm:
        checklist_decisions.button(confirm, now.environment, key=f"c-{now.key}", words=now.confirm_words)
    if now.step.id == "soak" and fresh.soak is not None:
        _waiver(fresh, fresh.soak, now)
    if now.state in HANDED_OVER:
        with st.expander("Delegate this step", icon=":material/forward_to_inbox:"):
            address = f"{st.context.url}?{urlencode({'env': found.environment, 'step': now.key})}"
            st.code(hand_over(now, address, simulated=found.simulated), language=None, wrap_lines=True)


def _waiver(found: Checklist, soak: Soak, view: StepView) -> None:
    given = next((d for d in found.decisions if d.kind == "waive_canaries" and d.environment == view.environment), None)
    if soak.waived and given is not None:
        checklist_decisions.take_back(given, key=f"b-{view.key}")
    elif soak.passed_ms is None and soak.canaries < soak.canaries_wanted:
        checklist_decisions.button("waive_canaries", view.environment, key=f"m-{view.key}")


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
            checklist_decisions.button("go_request", view.environment, key=f"m-{view.key}")
            return
        when = present.moment(found.asked.at_ms, widgets.zone())
        said = f"{found.asked.who} asked for the Go, {when}: {found.asked.note}"
        mine = found.asked.detail.get("key") == signin.person().key
        then = " Somebody else has to give it: send them the link to this page." if mine else ""
        html.show(html.block(f"<p>{escape(said)}{then}</p>"))
        if mine:
            return
    checklist_decisions.button("sign_off", view.environment, key=f"c-{view.key}", words=view.confirm_words)


def _why(check: CheckResult, soak: Soak | None) -> str:
    """When it was measured; or what is the matter, and what to do here."""
    if check.outcome == "pass" and check.measured_ms is not None:
        at_ms = check.measured_ms
        return f"Measured {present.age(at_ms, clock.now_ms())}, {present.moment(at_ms, widgets.zone())}"
    if check.check == SOAK and check.outcome == "unknown" and soak is not None and not check.stale:
        return checklist.soak_words(soak, widgets.zone())  # as of now, not as it was last written down
    return str(check.advice)


def _said(said: Decision | None) -> str:
    if said is None:
        return "Not confirmed yet."
    return f"{said.who}, {present.moment(said.at_ms, widgets.zone())}: {said.note}"
