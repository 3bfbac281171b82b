"""How does a report become a PDF? Black on white, complete, with letters of many scripts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from services.report.blocks import Bars, Block, Heading, Table, Words

FONT = "report"
SIZES = {1: 16, 2: 12}
ROOM_BELOW_HEADING = 30  # mm
NARROWEST, WIDEST = 12, 38  # of a column, in letters
UNICODES = (
    *range(0x20, 0x250), *range(0x370, 0x530), *range(0x2010, 0x2040), 0x20AC, 0x2190, 0x2192, 0x2264, 0x2265,
)  # fmt: skip


def pdf(found: Sequence[Block], title: str, *, made_at: datetime, data_dir: Path) -> bytes:
    """The PDF. Its font is prepared once for an installation (some seconds) and kept in the data folder."""
    from fpdf import FPDF
    from fpdf.enums import TableBordersLayout, TextEmphasis, VAlign
    from fpdf.fonts import FontFace

    made = FPDF(format="A4")
    made.set_creation_date(made_at)
    made.set_title(title)
    made.set_lang("en")
    made.set_margin(16)
    made.set_auto_page_break(auto=True, margin=16)
    made.add_font(FONT, "", _font(data_dir))
    made.add_page()
    for block in found:
        if isinstance(block, Heading):
            if made.will_page_break(ROOM_BELOW_HEADING):  # a heading stands with what it is of
                made.add_page()
            made.set_font(FONT, size=SIZES[block.level])
            made.ln(3)
            made.multi_cell(0, 7, block.text, new_x="LMARGIN", new_y="NEXT")
        elif isinstance(block, Words):
            made.set_font(FONT, size=12 if block.strong else 9.5)
            made.multi_cell(0, 5, block.text, new_x="LMARGIN", new_y="NEXT")
            made.ln(1)
        elif isinstance(block, Table) and block.rows:
            made.set_font(FONT, size=7.5)
            plain = FontFace(emphasis=TextEmphasis.NONE)
            head = any(block.head)
            with made.table(
                borders_layout=TableBordersLayout.HORIZONTAL_LINES, line_height=4.2, headings_style=plain,
                first_row_as_headings=head, text_align="LEFT", v_align=VAlign.T, padding=(0.8, 2, 0.8, 0),
                col_widths=_widths(block),
            ) as table:  # fmt: skip
                for row in ([block.head] if head else []) + list(block.rows):
                    cells = table.row()
                    for cell in row:
                        cells.cell(cell)
            made.ln(1)
        elif isinstance(block, Bars) and block.bars:
            made.set_font(FONT, size=9.5)
            made.multi_cell(0, 5, block.title, new_x="LMARGIN", new_y="NEXT")
            made.set_font(FONT, size=9)
            for name, left, words in block.bars:
                x, y = made.get_x(), made.get_y()
                made.cell(86, 5, name)
                made.set_fill_color(230)
                made.rect(x + 88, y + 1, 60, 3, style="F")
                made.set_fill_color(90)
                made.rect(x + 88, y + 1, max(0.1, 60 * left), 3, style="F")
                made.set_xy(x + 151, y)
                made.cell(0, 5, words, new_x="LMARGIN", new_y="NEXT")
            made.set_fill_color(255)  # a table fills its cells with whatever colour was set last
    return bytes(made.output())


def _widths(table: Table) -> tuple[int, ...]:
    """How wide its columns stand to each other: as their longest texts, within reason."""
    columns = zip(*([table.head] if any(table.head) else []), *table.rows, strict=True)
    return tuple(2 + min(WIDEST, max(NARROWEST, *(len(cell) for cell in column))) for column in columns)


def _font(data_dir: Path) -> Path:
    """Streamlit's own text font at its regular weight, with the scripts that names are written in."""
    kept = data_dir / "fonts" / "report.ttf"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".draft")
        draft.write_bytes(_made_font())
        draft.replace(kept)
    return kept


def _made_font() -> bytes:
    import streamlit
    from fontTools.ttLib import TTFont

    media = Path(streamlit.__file__).parent / "static" / "static" / "media"
    found = next(iter(sorted(media.glob("SourceSansVF-Upright*.woff2"))))
    with TTFont(io.BytesIO(found.read_bytes()), lazy=True) as font:
        return _instance(font)


def _instance(font: Any) -> bytes:
    from fontTools import subset
    from fontTools.varLib import instancer

    options = subset.Options()
    options.layout_features, options.hinting, options.notdef_outline = ["kern"], False, True
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=UNICODES)
    chosen.subset(font)
    instance = instancer.instantiateVariableFont(font, {"wght": 400})
    instance.flavor = None
    out = io.BytesIO()
    instance.save(out)
    return out.getvalue()
