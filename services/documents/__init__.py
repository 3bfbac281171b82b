"""Documents that leave the portal: pages by Jinja2, PDF by Typst. Whatever comes from outside enters as text.

Templates, the one stylesheet and the fonts are files in this folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
TEMPLATES, FONTS = FOLDER / "templates", FOLDER / "fonts"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 14 ms that a command line seldom needs

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def html(template: str, **values: Any) -> str:
    """A page from `templates/`, complete in itself: it fetches nothing from anywhere."""
    return _environment().get_template(template).render(**values)


def pdf(template: str, values: Mapping[str, Any], *, made_at: datetime) -> bytes:
    """A tagged PDF from `templates/`, the same bytes for the same values.

    PDF/UA-1 where every letter has a glyph in our fonts; else tagged just so, with a box for the letter that has none.
    """
    import typst

    arguments: dict[str, Any] = {
        "input": str(TEMPLATES / template), "root": str(FOLDER), "font_paths": [str(FONTS)],
        "ignore_system_fonts": True,
        "format": "pdf", "sys_inputs": {"values": json.dumps(values)}, "timestamp": int(made_at.timestamp()),
    }  # fmt: skip
    try:
        made = typst.compile(**arguments, pdf_standards="ua-1")
    except typst.TypstError as error:
        if "could not be displayed" not in str(error):
            raise
        made = typst.compile(**arguments)
    return bytes(made)
