"""Strict-mode checklist: from relaxed to strict in production, proven, one step at a time."""

from ui import cached, checklist, checklist_record, checklist_step, html, widgets

QUESTION = "What is the next step on the way to strict, and what proves the ones that are done?"
names = cached.settings().names
chosen = widgets.head("Strict-mode checklist", QUESTION, names, with_all=False) or names[0]


@widgets.live
def body() -> None:
    """Everything that refreshes: verdict, progress, steps."""
    html.show(checklist.render(cached.checklist(chosen), widgets.zone()))


body()
checklist_step.show(chosen)
checklist_record.show(cached.checklist(chosen))
