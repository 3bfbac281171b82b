"""The same pieces as Markdown, plain text, and values for the templates. Texts from outside stay texts in each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from services.report.blocks import Block, Heading, Table, Words, details, front

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")
SHORT, WIDEST = 20, 60  # of a column, in letters: one this short is as wide as its text


def markdown(found: Sequence[Block]) -> str:
    """As Markdown."""
    parts = []
    for block in found:
        if isinstance(block, Heading):
            parts.append(f"{'#' * block.level} {_plain(block.text)}")
        elif isinstance(block, Words):
            parts.append(f"**{_plain(block.text)}**" if block.strong else _plain(block.text))
        elif isinstance(block, Table):
            rows = [block.head, ("---",) * len(block.head)]
            lines = [*("| " + " | ".join(row) + " |" for row in (tuple(_plain(c) for c in rows[0]), rows[1]))]
            lines += ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in block.rows]
            parts.append("\n".join(lines))
        elif block.bars:
            parts.append(
                "\n".join([f"{_plain(block.title)}:", "", *(f"- {_plain(t)}: {_plain(w)}" for t, _, w in block.bars)])
            )
    return "\n\n".join(parts) + "\n"


def text(found: Sequence[Block]) -> str:
    """As plain text, for an e-mail or a chat."""
    parts = []
    for block in found:
        if isinstance(block, Heading):
            parts.append(block.text.upper() if block.level == 1 else f"\n{block.text}")
        elif isinstance(block, Words):
            parts.append(block.text)
        elif isinstance(block, Table):
            parts += ["- " + ": ".join(filter(None, (cell.strip() for cell in row))) for row in block.rows]
        else:
            parts += [f"- {title}: {said}" for title, _, said in block.bars]
    return "\n".join(parts) + "\n"


def values(found: Mapping[str, Any], title: str) -> dict[str, Any]:
    """What the templates of page and PDF are filled with: texts, shares between 0 and 1, widths of columns."""
    return {
        "title": title,
        "simulated": found["simulated"],
        "date": found["made_at"][:10],
        "front": asdict(front(found)),
        "details": [_piece(block) for block in details(found, "")],
    }


def _piece(block: Block) -> dict[str, Any]:
    if isinstance(block, Heading):
        return {"is": "heading", "text": block.text}
    if isinstance(block, Words):
        return {"is": "words", "text": block.text}
    if isinstance(block, Table):
        head = list(block.head) if any(block.head) else []
        return {"is": "table", "head": head, "rows": block.rows, "widths": _widths(block)}
    return {"is": "bars", "title": block.title, "bars": block.bars}


def _widths(table: Table) -> tuple[int, ...]:
    """How wide its columns stand to each other, as their longest texts; 0 for one that is as wide as its text, which
    the last never is."""
    columns = list(zip(*([table.head] if any(table.head) else []), *table.rows, strict=True))
    longest = [max(len(cell) for cell in column) for column in columns]
    return tuple(0 if n <= SHORT and number < len(longest) - 1 else min(WIDEST, n) for number, n in enumerate(longest))


def _plain(text_: str) -> str:
    """A text that is no markup, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text_.split()))
