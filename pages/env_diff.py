"""Env diff: are environments alike where they should be, different where they must be, and written safely?"""

from ui import env_diff, env_validate, env_write, html, state, widgets

QUESTION = "Are the environments alike where they should be, and different where they must be?"
VIEWS = {"compare": env_diff.page, "validate": env_validate.page, "write": env_write.page}

html.show(html.title("Env diff", QUESTION))
titles = {"compare": "Compare", "validate": "Validate", "write": "Write"}
VIEWS[widgets.choose(state.VIEW, titles, label="Part of the page")]()
