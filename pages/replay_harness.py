"""Replay harness: does the agent still do its work as the golden cases ask, and how sure is that?"""

from ui import html, replay_draft, replay_drafts, replay_flaky, replay_labels, replay_list, replay_run, state, widgets

TITLES = {"runs": "Runs", "cases": "Cases over time", "labels": "Label answers", "drafts": "Draft cases"}
SECTIONS = {"runs": replay_list.page, "cases": replay_flaky.page, "labels": replay_labels.page,
            "drafts": replay_drafts.page}  # fmt: skip

html.show(
    html.title("Replay harness", "Does the agent still do its work as the golden cases ask, and how sure is that?")
)
run, draft = state.text(state.RUN), state.text(state.DRAFT)
if run is not None:
    replay_run.page(run)
elif draft is not None:
    replay_draft.page(draft)
else:
    SECTIONS[widgets.choose(state.VIEW, TITLES, label="Section")]()
