"""Replay harness: does the agent still do its work as the golden cases ask, and how sure is that?"""

from ui import html, replay_list, replay_run, state

html.show(
    html.title("Replay harness", "Does the agent still do its work as the golden cases ask, and how sure is that?")
)
chosen = state.text(state.RUN)
if chosen is None:
    replay_list.page()
else:
    replay_run.page(chosen)
