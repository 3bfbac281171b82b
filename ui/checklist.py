"""The checklist as markup. The verdict, the progress in a sentence, and the steps as a task list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from html import escape

import streamlit as st

from services.checklist.view import Checklist, StepView
from services.health.view import WorkerLife
from services.report.blocks import Block, Heading, Table, Words
from services.soak import calendar
from services.soak import evaluate as computed
from services.soak import reading as soaks
from services.soak.evaluate import CHECK as SOAK
from services.soak.evaluate import Event, Soak
from services.units import share
from ui import cached, html, overview, present, state, verdicts

MOST = 6
MEANWHILE = (
    "Nothing to do: the soak and its canary runs happen automatically. Meanwhile prepare production's inputs; "
    "leave {name} unchanged."
)
CANARY = "A few golden cases, replayed on a schedule; so many must pass while it runs."


def state_words(environment: str) -> str:
    """Verdict and progress, in as few words as a browser tab has room for."""
    found = cached.checklist(environment)
    done = sum(view.state == "done" for view in found.steps)
    return f"{found.verdict.words}: {environment}, {done} of {len(found.steps)} steps"


def head(found: Checklist, worker: WorkerLife, where: tzinfo) -> str:
    """How fresh all of it is; the verdict, and how far the way is gone."""
    fresh = overview.as_of(found.measured_ms, worker, where, found.as_of_ms)
    progress = f'<p class="dim" style="margin:.2rem 0 0">{escape(found.progress)}</p>'
    return html.block(fresh, answer(found, where), verdicts.drift(found.go), progress)


def way(found: Checklist, where: tzinfo) -> str:
    """The list of steps, the one that is open marked; and the soak."""
    opened = opened_step(found)
    rows = "".join(_row(found, view, now=opened is not None and view.key == opened.key) for view in found.steps)
    return html.block(html.tile(html.heading("Steps"), rows), soak(found.soak, where) if found.soak else "")


def opened_step(found: Checklist) -> StepView | None:
    """The step that the address names, else the one to do next, else the last."""
    wanted = state.one_of(state.STEP, tuple(view.key for view in found.steps), "")
    chosen = next((view for view in found.steps if view.key == wanted), None)
    return chosen or found.current or (found.steps[-1] if found.steps else None)


def answer(found: Checklist, where: tzinfo) -> str:
    """The verdict as the page's one sentence, why, and what to do next."""
    if found.role == "other":
        what = f"No Go is asked of {found.environment}: its role is other. You may still do its steps."
        return html.answer("unasked", what, found.next_step, mark=found.simulated)
    if found.verdict.state != "GO":
        return verdicts.answer(found.verdict, found.next_step or found.verdict.next_step)
    signed = found.go.covering if found.go else None
    if signed is None:
        return verdicts.answer(found.verdict, "Sign it off in the last step, and export the report.")
    by = f"Signed by {signed.who}, {present.moment(signed.at_ms, where)}."
    return verdicts.answer(found.verdict, f"{by} The last step exports the report.")


def preview(block: Block) -> str:
    """A piece of a report, as the page shows it."""
    if isinstance(block, Heading):
        return html.heading(block.text) if block.level > 1 else f"<p><b>{escape(block.text)}</b></p>"
    if isinstance(block, Words):
        return f"<p>{'<b>' if block.strong else ''}{escape(block.text)}{'</b>' if block.strong else ''}</p>"
    if isinstance(block, Table):
        return html.table(block.head, [tuple(escape(cell) for cell in row) for row in block.rows])
    rows = "".join(f'<div class="dim">{escape(title)}: {escape(words)}</div>' for title, _, words in block.bars)
    return f"<p>{escape(block.title)}</p>{rows}" if rows else ""


def _row(found: Checklist, view: StepView, *, now: bool) -> str:
    link = html.link(view.title, "strict_mode_checklist", env=found.environment, step=view.key)
    notes = []
    if view.state == "waiting":
        notes.append(f"waits for {view.waits_for[0]}")
    if view.out_of_order:
        notes.append(f"already true; {view.out_of_order} still open")
    if view.reopened:
        notes.append("was done, and is no longer met")
    of = "" if view.named else f'<span class="dim">{escape(view.environment)}</span> '
    mark = of
    note = f'<div class="{"warn" if view.reopened else "dim"}">{escape("; ".join(notes))}</div>' if notes else ""
    return (
        f'<div class="step{" now" if now else ""}"><span class="n">{view.number}</span>'
        f"<div>{link} {mark}{note}</div><span>{html.badge(_state(found, view))}</span></div>"
    )


def _state(found: Checklist, view: StepView) -> str:
    """A step's state; a soak that runs is nothing that somebody has to do."""
    runs = view.step.id == SOAK and view.state == "open" and found.soak is not None and found.soak.state == "running"
    return "soaking" if runs else view.state


def soak(found: Soak, where: tzinfo) -> str:
    """The soak live: since when, what is left, what broke it last, what it certifies and what it can't."""
    head = html.heading("Soak", f"How long {found.environment} has stood strict, still and well.")
    parts = [head, f'<p style="margin:.2rem 0">{escape(soak_words(found, where))}</p>']
    ends = calendar.ends_ms(found)
    if ends is not None:
        parts.append(f'<p class="dim">{escape(MEANWHILE.format(name=found.environment))}</p>')
    if found.since_ms is not None:
        canaries = f"{found.canaries} of {found.canaries_wanted} passed" if found.canaries_wanted else "none needed"
        if found.waived:
            canaries = f"waived by {found.waived}"
        rows = [
            ("Since", escape(present.moment(found.since_ms, where))),
            *([("Left", escape(present.seconds(found.left_ms / 1000)))] if found.left_ms else []),
            *([("Ends", f"{escape(present.moment(ends, where))}, at the earliest")] if ends is not None else []),
            ("Observed", f"{share(found.coverage)} of the time, {present.number(found.checks)} checks"),
            (html.term("Canary runs", CANARY), escape(canaries)),
        ]
        parts.append(html.table(("", ""), rows))
    if found.certifies is not None:
        so_far = "So far: " if found.state == "running" else ""
        parts.append(
            f'<p class="dim">{so_far}{present.number(found.checks)} checks without a failure prove '
            f"{share(found.certifies)} availability with 95 % confidence, not more. They prove nothing of a load that "
            f"{escape(found.environment)} never saw.</p>"
        )
    return html.tile(*parts, *_broken(found, where))


def calendar_button(found: Checklist) -> None:
    """A running soak's end, to put into a calendar."""
    if found.soak is None or calendar.ends_ms(found.soak) is None:
        return
    address = f"{st.context.url}?env={found.environment}"
    st.download_button(
        "Put its end into a calendar", calendar.ics(found.soak, address), on_click="ignore",
        file_name=f"soak-{found.soak.environment}.ics", mime="text/calendar", icon=":material/event:",
    )  # fmt: skip


def _broken(found: Soak, where: tzinfo) -> list[str]:
    """What restarted it, alike things in a row as one; and what has happened since it passed."""
    made = []
    passed = found.passed_ms
    after = [e for e in found.events if passed is not None and e.at_ms > passed]
    for events, title in (
        (after, "Since then (it stands all the same)"),
        (found.events[len(after):], "What restarted it"),
    ):  # fmt: skip
        rows = [(_when(group, where), escape(group[0].why)) for group in computed.alike(events)[:MOST]]
        made += [html.table(("When", title), rows)] if rows else []
    return made


def _when(group: Sequence[Event], where: tzinfo) -> str:
    """When something happened; the last time and how often, where it did so several times in a row."""
    last = escape(present.moment(group[0].at_ms, where))
    return last if len(group) == 1 else f'{last}<div class="dim">{len(group)} times in a row</div>'


def soak_words(found: Soak, where: tzinfo) -> str:
    """Where it stands, in a sentence."""
    if found.passed_ms is not None:
        when = present.moment(found.passed_ms, where)
        stands = f"while {found.environment}'s variables and version stay as they are, and for a week"
        return f"Passed, {when}. That is production's evidence {stands}."
    if found.state == "passed":
        return "Passed just now; it is written down within seconds."
    if found.state == "running":
        return f"Running: {present.seconds(found.left_ms / 1000)} are left if nothing changes."
    if found.state == "waiting":
        return f"It ran long enough, but {soaks.why(found)}. {soaks.fix(found)}"
    return f"Not begun: {found.environment} has to be strict first, seen in the running application."
