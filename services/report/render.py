"""How do the same pieces become Markdown, HTML and plain text? Pure. Texts from outside stay texts in each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from services.report.blocks import Bars, Block, Heading, Table, Words

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")
_CSS = """
body{font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1f2328;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:1.6rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{text-align:left;vertical-align:top;padding:.25rem .7rem
.25rem 0;border-top:1px solid #dadce0;overflow-wrap:break-word}
th{color:#5f6368;font-weight:500}p{overflow-wrap:anywhere}
.strong{font-size:1.15rem;font-weight:600;border-left:4px solid #1f2328;padding-left:.7rem}
@media(max-width:600px){table{display:block;overflow-x:auto}td{min-width:6rem}}
@media print{body{margin:0;max-width:none;color:#000}}
"""


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
    return "\n".join(parts) + "\n"


def html(found: Sequence[Block], title: str) -> str:
    """As one HTML page that needs no network."""
    body = "\n".join(_html(block) for block in found)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width,initial-scale=1"><title>{escape(title)}</title><style>{_CSS}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Words):
        return f'<p class="strong">{escape(block.text)}</p>' if block.strong else f"<p>{escape(block.text)}</p>"
    if isinstance(block, Table):
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in block.head)
        rows = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in block.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return _chart(block)


def _chart(block: Bars) -> str:
    """Bars as one inline picture, with its numbers as words beside."""
    if not block.bars:
        return ""
    height = 26 * len(block.bars)
    drawn = "".join(
        f'<text x="0" y="{26 * n + 15}">{escape(title)}</text>'
        f'<rect x="340" y="{26 * n + 4}" width="300" height="14" fill="#e8eaed"/>'
        f'<rect x="340" y="{26 * n + 4}" width="{300 * left:.1f}" height="14" fill="#5f6368"/>'
        f'<text x="650" y="{26 * n + 15}">{escape(words)}</text>'
        for n, (title, left, words) in enumerate(block.bars)
    )
    label = escape(f"{block.title}: " + "; ".join(f"{t} {w}" for t, _, w in block.bars), quote=True)
    return (
        f'<p>{escape(block.title)}</p><svg role="img" aria-label="{label}" viewBox="0 0 760 {height}" width="100%" '
        f'style="max-width:760px;font:13px system-ui,sans-serif">{drawn}</svg>'
    )


def _plain(text_: str) -> str:
    """A text that is no markup, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text_.split()))
