"""What people decided on the way to strict mode. Campaigns and decisions, as recorded; and how a campaign is begun."""

from __future__ import annotations

from datetime import tzinfo
from html import escape

import streamlit as st

from services import export
from services.checklist.view import Campaign, Checklist
from services.clock import iso
from services.evidence import decisions
from services.evidence.decisions import Decision
from ui import checklist_decisions, html, present, widgets

COLUMNS = ("at", "environment", "decision", "holds", "by", "verified", "note", "under_fingerprint", "record",
           "simulated")  # fmt: skip
MOST = 50


def show(found: Checklist) -> None:
    """Campaigns, decisions, and their download."""
    where = widgets.zone()
    with st.expander("Campaigns, and what people decided", icon=":material/history_edu:"):
        html.show(html.block(_campaigns(found.campaigns, where), _decisions(found.decisions[:MOST], where)))
        row = st.container(horizontal=True)
        with row:
            checklist_decisions.button("campaign", found.environment, key="begin-campaign")
        if found.decisions:
            row.download_button(
                "CSV", lambda: export.csv_text(COLUMNS, [_values(d, found.simulated) for d in found.decisions]),
                file_name=f"{found.environment}{'-simulated' if found.simulated else ''}-decisions.csv",
                mime="text/csv", on_click="ignore", icon=":material/download:", key="decisions-csv",
            )  # fmt: skip


def _campaigns(found: tuple[Campaign, ...], where: tzinfo) -> str:
    head = html.heading("Campaigns", "One way from relaxed to strict, or to strict again, under a name of its own.")
    if not found:
        return (
            head + '<p class="dim">No campaign started yet. Begin one, and steps that slip back later are marked.</p>'
        )
    rows = []
    for number, campaign in enumerate(found):
        signed = campaign.signed
        end = "running" if number == 0 else "the next one was begun without a Go"
        if signed is not None:
            end = f"Go, by {signed.who}, {present.moment(signed.at_ms, where)}"
        begun = campaign.begun
        rows.append((escape(present.moment(begun.at_ms, where)), escape(begun.who), escape(begun.note), escape(end)))
    return head + html.table(("Begun", "By", "For what", "How it ended"), rows)


def _decisions(found: tuple[Decision, ...], where: tzinfo) -> str:
    head = html.heading("Decisions", "Kept for ever, each with its name; taking one back is a further record.")
    if not found:
        return head + '<p class="dim">Nobody has decided anything yet.</p>'
    rows = [
        (escape(present.moment(d.at_ms, where)), escape(d.environment),
         escape(decisions.WORDS[d.kind]) + ("" if d.holds else ' <span class="warn">taken back</span>'),
         escape(d.who), escape(d.note))
        for d in found
    ]  # fmt: skip
    return head + html.table(("When", "Where", "What", "By", "Note"), rows)


def _values(decision: Decision, simulated: bool) -> dict[str, object]:
    return {
        "at": iso(decision.at_ms), "environment": decision.environment, "decision": decision.kind,
        "holds": decision.holds, "by": decision.by, "verified": decision.verified, "note": decision.note,
        "under_fingerprint": decision.detail.get("under_fingerprint"), "record": decision.number,
        "simulated": simulated,
    }  # fmt: skip
