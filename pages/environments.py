"""Environments: what is configured, from which file, what is wrong with it, and how is one added?"""

from ui import environments, html

html.show(html.title("Environments", "What is configured, where does it come from, and how is one added?"))
environments.configured()
environments.add()
environments.history()
