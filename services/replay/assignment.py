"""One of its own for each: a matching in a bipartite graph by augmenting paths (Kuhn 1955). Pure."""

from __future__ import annotations

from collections.abc import Sequence


def assigned(fits: Sequence[Sequence[bool]]) -> tuple[dict[int, int], int | None]:
    """Which column each row takes, as {column: row}; and the first row that none is left for, None where all have one.

    A row that fits several columns leaves the only one to another row that needs it.
    """
    taken: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in taken or place(taken[column], tried):
                    taken[column] = row
                    return True
        return False

    for row in range(len(fits)):
        if not place(row, set()):
            return taken, row
    return taken, None
