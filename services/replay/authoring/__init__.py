"""How a team's own golden set comes about: a first example, imports, a diff between versions, publishing."""
