"""Replay harness: does the agent still do its work as the golden cases ask, and how sure is that?"""

from ui import html, replay_draft, replay_drafts, replay_list, replay_run, state, widgets

PARTS = {"runs": replay_list.page, "drafts": replay_drafts.page}

html.show(
    html.title("Replay harness", "Does the agent still do its work as the golden cases ask, and how sure is that?")
)
run, draft = state.text(state.RUN), state.text(state.DRAFT)
if run is not None:
    replay_run.page(run)
elif draft is not None:
    replay_draft.page(draft)
else:
    PARTS[widgets.choose(state.VIEW, {"runs": "Runs", "drafts": "Draft cases"}, label="Part of the page")]()
