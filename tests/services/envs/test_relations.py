"""Environments side by side: what must differ, what must match, what follows a template."""

import csv
import io
import json

import pytest

from services.env_files.document import from_text
from services.envs import catalogue as catalogues
from services.envs import table
from services.envs.relations import Comparison, Side, compare

FLAGS = "REDIS_REQUIRED=false\nINNGEST_REQUIRED=false\n"


def compared(
    first: str, second: str, *more: str, names: tuple[str, ...] = ("staging", "production", "third")
) -> Comparison:
    sides = [
        Side(
            name=name,
            role=name if name in {"staging", "production"} else "other",
            document=from_text(FLAGS + text, name),
        )
        for name, text in zip(names, (first, second, *more), strict=False)
    ]
    return compare(sides, catalogues.load())


def status(comparison: Comparison, key: str) -> tuple[str, str]:
    row = next(row for row in comparison.rows if row.key == key)
    return row.status, row.severity


@pytest.mark.parametrize(
    ("key", "first", "second", "expected"),
    [
        ("INNGEST_EVENT_KEY", "a", "b", ("ok", "none")),
        ("INNGEST_EVENT_KEY", "a", "a", ("same_but_must_differ", "error")),
        ("INNGEST_EVENT_KEY", "<key>", "<key>", ("placeholder", "error")),
        ("MY_SECRET_TOKEN", "a", "a", ("same_but_must_differ", "warning")),
        ("COLOUR", "a", "a", ("ok", "none")),
        ("COLOUR", "a", "b", ("ok", "none")),
        ("TRACE_RETENTION_DAYS", "30", "31", ("differs_but_must_match", "warning")),
        ("TRACE_CLEANUP_ENABLED", "true", "1", ("ok", "none")),
        ("CONTEXT_REDIS_PREFIX", "caio:staging:context", "caio:production:context", ("ok", "none")),
        ("CONTEXT_REDIS_PREFIX", "caio:staging:context", "caio:staging:context", ("template_mismatch", "error")),
        ("CONTEXT_REDIS_PREFIX", "caio:staging:context", "other", ("template_mismatch", "warning")),
        ("CONTEXT_STATE_TTL_SECONDS", "3600", "7200", ("ok", "none")),
        ("CONTEXT_STATE_TTL_SECONDS", "3600", "3600", ("template_mismatch", "warning")),
        ("REDIS_MAX_CONNECTIONS", "x", "50", ("wrong_kind", "error")),
        ("INNGEST_APP_NAME", "", "x", ("empty", "warning")),
        ("ENVIRONMENT", "staging", "production", ("ok", "none")),
    ],
)
def test_a_keys_relation_decides(key: str, first: str, second: str, expected: tuple[str, str]) -> None:
    assert status(compared(f"{key}={first}\n", f"{key}={second}\n"), key) == expected


def test_a_key_that_is_missing_somewhere() -> None:
    found = compared("INNGEST_APP_NAME=x\nMINE=1\n", "")
    assert status(found, "INNGEST_APP_NAME") == ("missing", "warning")
    assert status(found, "MINE") == ("missing", "info")
    assert status(found, "REDIS_URL") == ("missing", "warning")


def test_a_required_key_missing_under_strict_is_an_error_even_where_nobody_has_it() -> None:
    found = compared("REDIS_REQUIRED=true\n", "REDIS_REQUIRED=true\n")
    assert status(found, "REDIS_URL") == ("missing", "error")


def test_two_of_three_with_one_secret_are_named() -> None:
    found = compared("REDIS_URL=rediss://a\n", "REDIS_URL=rediss://b\n", "REDIS_URL=rediss://a\n")
    row = found.rows[0]
    assert (row.key, row.status) == ("REDIS_URL", "same_but_must_differ")
    assert "staging and third" in row.advice.what
    assert "production" not in row.advice.what
    assert row.marks == ("equal", "different", "equal")


def test_one_redis_behind_two_addresses() -> None:
    sides = [Side(name=n, role=n, document=from_text(f"{FLAGS}REDIS_URL=rediss://{n}.io\n", n)) for n in ("a", "b")]
    found = compare(sides, catalogues.load(), same_redis=[("a", "b")])
    assert status(found, "REDIS_URL") == ("same_server", "error")


def test_worst_comes_first_then_the_catalogues_order() -> None:
    found = compared("A=1\nINNGEST_EVENT_KEY=x\nREDIS_URL=rediss://x\n", "INNGEST_EVENT_KEY=x\nREDIS_URL=rediss://x\n")
    assert [row.key for row in found.rows][:2] == ["REDIS_URL", "INNGEST_EVENT_KEY"]


HOSTILE = '=HYPERLINK("http://x")|<b>`[x](y)'


def test_exports_carry_no_value_formula_or_markup() -> None:
    text = f"'{HOSTILE}'=planted-secret-value\n"
    found = compared(text, text)
    rows = table.rows_of(found)
    documents = {
        "json": table.as_json(found, rows),
        "md": table.as_markdown(found, rows),
        "csv": table.as_csv(found, rows),
        "text": table.as_table(found, rows),
    }
    assert json.loads(documents["json"]) == table.as_document(found, rows)
    assert json.loads(table.as_json(found, []))["keys"] == []
    assert all("planted-secret-value" not in document for document in documents.values())
    cells = [cell for line in csv.reader(io.StringIO(documents["csv"])) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert not any("HYPERLINK" in document for document in documents.values()), "what is no name is never shown"
    assert "<b>" not in documents["md"]
    assert [line.count(" | ") for line in documents["md"].splitlines()[2:]].count(5) == len(rows) + 2
