"""Replay harness: does the agent still do its work as the golden cases ask, and how sure is that?"""

from ui import html, replay_flaky, replay_labels, replay_list, replay_run, state, widgets

html.show(
    html.title("Replay harness", "Does the agent still do its work as the golden cases ask, and how sure is that?")
)
SECTIONS = {"runs": replay_list.page, "cases": replay_flaky.page, "labels": replay_labels.page}
chosen = state.text(state.RUN)
if chosen is None:
    titles = {"runs": "Runs", "cases": "Cases over time", "labels": "Label answers"}
    SECTIONS[widgets.choose(state.VIEW, titles, label="Section")]()
else:
    replay_run.page(chosen)
