"""The table of what can be expected of an answer, and what is made from it: the set's schema and the documentation.

`python -m services.replay.kinds --schema` prints golden/golden_set.schema.json, `--docs` the table in golden/README.md.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.paths import ROOT

COMMON = frozenset({"criterion", "kind", "weight", "turn"})
BASE = ROOT / "golden" / "golden_set.schema.json"
_TABLE: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """An expectation of a kind with an answer that meets it and one that doesn't; an answer is an agent's line."""

    expectation: Mapping[str, Any]
    meets: Mapping[str, Any]
    misses: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of expectation. `needs` are sets of fields, one of which must be there; `schema` is of its fields."""

    name: str
    what: str
    fields: frozenset[str]
    needs: tuple[tuple[str, ...], ...]
    schema: Mapping[str, Any]
    examples: tuple[Example, ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)


def _kind(row: Mapping[str, Any]) -> Kind:
    names = [*row["fields"], *(name for group in row.get("groups", ()) for name in _TABLE["groups"][group])]
    numbers = row.get("numbers", ())
    schema = {name: _NUMBERS if name in numbers else _TABLE["fields"][name] for name in dict.fromkeys(names)}
    examples = tuple(
        Example(expectation={"kind": row["name"], **each["expectation"]}, meets=_line(each["meets"]),
                misses=_line(each["misses"]))
        for each in row["examples"]
    )  # fmt: skip
    return Kind(name=row["name"], what=row["what"], fields=frozenset(schema), schema=schema, examples=examples,
                needs=tuple(tuple(names) for names in row["needs"]), context=row.get("context", {}),
                code=row.get("code", {}))  # fmt: skip


def _line(answer: Any) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {"output": answer}


_NUMBERS = {"type": "array", "minItems": 1, "items": {"type": "number"}}
KINDS: Mapping[str, Kind] = {row["name"]: _kind(row) for row in _TABLE["kinds"]}


def expectation_schema() -> dict[str, Any]:
    """The schema of one expectation: what all have, and for each kind its own fields and what it needs."""
    return {
        "type": "object",
        "required": ["criterion", "kind"],
        "properties": {
            "criterion": {"type": "string"}, "kind": {"enum": list(KINDS)},
            "weight": {"type": "number", "exclusiveMinimum": 0},
            "turn": {"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["last", "any", "every"]}]},
        },
        "allOf": [{"$ref": "#/$defs/by_kind"}],
    }  # fmt: skip


def by_kind_schema() -> dict[str, Any]:
    """What each kind asks of its fields, wherever it stands."""
    return {"allOf": [
        {"if": {"required": ["kind"], "properties": {"kind": {"const": kind.name}}},
         "then": {"description": kind.what, "properties": dict(kind.schema), **_needs(kind),
                  "examples": [dict(example.expectation) for example in kind.examples]}}
        for kind in KINDS.values()
    ]}  # fmt: skip


def _needs(kind: Kind) -> dict[str, Any]:
    sets = [list(names) for names in kind.needs if names]
    if not sets:
        return {}
    return {"required": sets[0]} if len(sets) == 1 else {"anyOf": [{"required": names} for names in sets]}


def call_schema() -> dict[str, Any]:
    """The schema of a call that must be made, as `final_writes` lists them."""
    names = ("tool", "arguments", "match", *_TABLE["groups"]["compare"])
    return {"type": "object", "additionalProperties": False, "required": ["tool"],
            "properties": {name: _TABLE["fields"][name] for name in names}}  # fmt: skip


def set_schema() -> dict[str, Any]:
    """The golden set's schema, with the parts that follow from this table."""
    found: dict[str, Any] = json.loads(BASE.read_text(encoding="utf-8"))
    found["$defs"] |= {"expectation": expectation_schema(), "by_kind": by_kind_schema(), "call": call_schema()}
    found["$defs"]["case"]["properties"]["expectations"]["items"] = {"$ref": "#/$defs/expectation"}
    return found


def docs() -> str:
    """The kinds as a table in Markdown."""
    lines = ["| kind | met when | example |", "|---|---|---|"]
    for kind in KINDS.values():
        example = {name: value for name, value in kind.examples[0].expectation.items() if name != "kind"}
        text = json.dumps(example, ensure_ascii=False).replace("|", "\\|")
        lines.append(f"| `{kind.name}` | {kind.what.replace('|', chr(92) + '|')} | `{text}` |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Print what is asked for."""
    if arguments == ["--docs"]:
        print(docs(), end="")
    elif arguments == ["--schema"]:
        print(json.dumps(set_schema(), indent=2, ensure_ascii=False))
    else:
        print("Write --schema or --docs.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
