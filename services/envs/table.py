"""A comparison as text, Markdown, CSV or JSON. Names and states only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from services.envs.relations import Comparison, Row

STATUS_WORDS = {
    "ok": "ok",
    "missing": "missing",
    "empty": "empty",
    "same_but_must_differ": "same, but must differ",
    "differs_but_must_match": "differs, but must match",
    "template_mismatch": "unusual value",
    "wrong_kind": "wrong kind of value",
    "placeholder": "placeholder",
    "same_server": "same server",
}
MARK_WORDS = {"absent": "–", "empty": "empty", "equal": "equal", "different": "differs", "present": "present"}


def rows_of(comparison: Comparison, *, only_problems: bool = False) -> tuple[Row, ...]:
    """The rows to show."""
    return tuple(row for row in comparison.rows if not only_problems or row.severity in {"error", "warning"})


def summary(comparison: Comparison) -> str:
    """One sentence on the whole comparison."""
    errors, warnings = comparison.count("error"), comparison.count("warning")
    names = " and ".join(comparison.names) if len(comparison.names) < 4 else f"{len(comparison.names)} environments"
    total = len(comparison.rows)
    if not errors and not warnings:
        return f"{names}: all {total} keys are as they should be."
    parts = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return f"{names}: {' and '.join(parts)} in {total} keys."


def as_document(comparison: Comparison, rows: Sequence[Row]) -> dict[str, Any]:
    """The comparison as JSON."""
    return {
        "environments": list(comparison.names),
        "summary": summary(comparison),
        "keys": [
            {
                "key": row.key,
                "relation": row.relation,
                "status": row.status,
                "severity": row.severity,
                "present_in": list(row.present_in),
                "group": row.group,
                "listed": row.listed,
                "marks": dict(zip(comparison.names, row.marks, strict=True)),
                "message": row.advice.what,
                "fix": row.advice.fix,
            }
            for row in rows
        ],
    }


def as_json(comparison: Comparison, rows: Sequence[Row]) -> str:
    """The same as text, a key a line: indented by the library, 10,000 keys would take three times as long."""
    document = as_document(comparison, rows)
    encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make one for each key
    keys = ",\n".join("    " + encode(key) for key in document.pop("keys"))
    head = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in document.items())
    return "{\n" + head + ',\n  "keys": [' + (f"\n{keys}\n  " if keys else "") + "]\n}"


def as_table(comparison: Comparison, rows: Sequence[Row]) -> str:
    """For a terminal."""
    head = ("severity", "key", *comparison.names, "status")
    body = [(row.severity, row.key, *(MARK_WORDS[m] for m in row.marks), STATUS_WORDS[row.status]) for row in rows]
    widths = [max(len(str(line[i])) for line in (head, *body)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *body)
    ]
    notes = [
        f"{row.key}: {row.advice.what}\n  → {row.advice.fix}" for row in rows if row.severity in {"error", "warning"}
    ]
    return "\n".join([*lines, "", *notes, summary(comparison)])


def as_markdown(comparison: Comparison, rows: Sequence[Row]) -> str:
    """For a ticket or a chat."""
    head = ["Key", *comparison.names, "Status", "Severity", "What to do"]
    lines = [f"**{_cell(summary(comparison))}**", "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        todo = f"{row.advice.what} {row.advice.fix}" if row.severity != "none" else ""
        lines.append(
            _line([row.key, *(MARK_WORDS[m] for m in row.marks), STATUS_WORDS[row.status], row.severity, todo])
        )
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Outside text in a table cell: no bar, line break or markup of its own."""
    safe = text.replace("\\", "\\\\").replace("|", "\\|").replace("\r", " ").replace("\n", " ")
    return safe.replace("<", "&lt;").replace("`", "'").replace("[", "\\[")


def as_csv(comparison: Comparison, rows: Sequence[Row]) -> str:
    """For a spreadsheet, in which no cell can run as a formula."""
    from services.export import csv_text

    columns = [
        "key",
        "group",
        "relation",
        "status",
        "severity",
        *(f"in {n}" for n in comparison.names),
        "message",
        "fix",
    ]
    return csv_text(
        columns,
        (
            {
                "key": row.key, "group": row.group, "relation": row.relation, "status": row.status,
                "severity": row.severity, "message": row.advice.what, "fix": row.advice.fix,
            }
            | {f"in {n}": mark for n, mark in zip(comparison.names, row.marks, strict=True)}
            for row in rows
        ),
    )  # fmt: skip
