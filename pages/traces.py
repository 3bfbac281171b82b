"""Traces: what agents called, how it ended, what it took, before and after the last deploy."""

from ui import cached, state, traces, widgets

QUESTION = "What do agents call, how does it end, what does it take, and what was paid for twice?"
chosen = state.text(state.TRACE)
if chosen is not None:
    traces.one(chosen)
else:
    only = widgets.head_of_all("Traces", QUESTION, cached.settings().names)
    widgets.tab("Traces")
    traces.page(only)
