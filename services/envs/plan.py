"""What writing would change. Pure: a document and the wanted values in, a plan of names and actions out.

The plan's text is the new file, byte for byte the old one but for the values that the plan names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from services.env_files.document import BOM, Document, Piece, from_text
from services.envs import kinds
from services.envs.catalogue import FLAGS, Catalogue, Key
from services.envs.findings import Mode
from services.errors import GreenlightError

Act = Literal["add", "change", "keep"]
_ASSIGNMENT = re.compile(r"(\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*)(=[^\S\r\n]*)?")
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_.:/@%+,;=~^*!?&|()\[\]{}<>-]+")


class RefusedPlan(GreenlightError):
    """A wanted value that can't be written; the message is a sentence without the value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """What happens to one key, and why; never a value."""

    key: str
    act: Act
    why: str
    insistable: bool = False  # kept only because nobody insisted


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Actions by key, and the text to write; `text` is None where nothing changes."""

    actions: tuple[Action, ...]
    text: str | None = field(repr=False)

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something."""
        return tuple(action for action in self.actions if action.act != "keep")


def wanted_values(
    document: Document, catalogue: Catalogue, mode: Mode, given: Mapping[str, str], *, enforce: bool
) -> dict[str, str]:
    """What bootstrap wants to be there: what was given, strict flags if asked, the usual value of the rest."""
    role = mode.role if mode.guarded else None
    wanted: dict[str, str] = {}
    for key in catalogue.keys.values():
        value = key.first_value(mode.name, role)
        if value is not None and key.need != "optional" and not key.secret:
            wanted[key.name] = value
    webhook = given.get("INNGEST_WEBHOOK_URL") or document.filled("INNGEST_WEBHOOK_URL")
    found = kinds.split_url(webhook)
    if found is not None and not kinds.is_placeholder(webhook):
        wanted["INNGEST_SERVE_ORIGIN"] = f"{found.scheme}://{found.netloc.rpartition('@')[2]}"
    wanted |= dict.fromkeys(FLAGS, "true") if enforce else {}
    return wanted | dict(given)


def make(
    document: Document,
    catalogue: Catalogue,
    wanted: Mapping[str, str],
    *,
    insist: frozenset[str] = frozenset(),
    explicit: frozenset[str] = frozenset(),
) -> Plan:
    """The plan that brings `wanted` about. `explicit` keys were asked for by a person and replace a non-secret value;
    a filled secret is replaced only where `insist` names it, and never by nothing. Raises RefusedPlan."""
    if document.encoding:
        raise RefusedPlan(
            f"{document.name} is saved as {document.encoding}; save it as UTF-8 first. Nothing was written."
        )
    actions, values = [], {}
    for name, value in wanted.items():
        action = _action(catalogue.key(name), document, value, name in explicit, name in insist)
        actions.append(action)
        if action.act != "keep":
            values[name] = _written(name, value)
    untouched = [
        Action(key=name, act="keep", why="not part of this plan") for name in document.values if name not in wanted
    ]
    order = {name: number for number, name in enumerate(catalogue.keys)}
    actions.sort(key=lambda action: order.get(action.key, len(order)))
    added = [action.key for action in actions if action.act == "add"]
    text = _render(document, catalogue, values, added) if values else None
    return Plan(actions=(*actions, *untouched), text=text)


def _action(key: Key, document: Document, value: str, is_explicit: bool, insists: bool) -> Action:
    current = document.filled(key.name)
    if key.name not in document.values:
        if not value:
            return Action(key=key.name, act="keep", why="absent, and no value was given")
        return Action(key=key.name, act="add", why="was missing")
    if current == value or (not is_explicit and not insists and kinds.alike(key, current, value)):
        return Action(key=key.name, act="keep", why="already so")
    if not value:
        return Action(key=key.name, act="keep", why="no value was given, and nothing is emptied")
    if not current:
        return Action(key=key.name, act="change", why="was empty")
    if kinds.is_placeholder(current):
        return Action(key=key.name, act="change", why="was a placeholder")
    if insists:
        return Action(key=key.name, act="change", why="replaced, as asked")
    if key.secret:
        return Action(key=key.name, act="keep", why="already has a value", insistable=True)
    if is_explicit:
        return Action(key=key.name, act="change", why="differs")
    return Action(key=key.name, act="keep", why="differs from the usual value", insistable=True)


def _written(name: str, value: str) -> str:
    """The value as it stands in a file, so that python-dotenv reads it back unchanged."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        raise RefusedPlan(f"{name[:80]!r} is no name of a variable; use letters, digits and underscores.")
    if any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in value):
        raise RefusedPlan(f"The value for {name} holds a line break or another invisible character; remove it.")
    if "${" in value:
        raise RefusedPlan(f"The value for {name} holds ${{, which env files take for a reference; it can't be written.")
    if value != value.strip():
        raise RefusedPlan(f"The value for {name} begins or ends with white space; remove it.")
    if _BARE.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _render(document: Document, catalogue: Catalogue, values: Mapping[str, str], added: Sequence[str]) -> str:
    last: dict[str, int] = {
        piece.key: number for number, piece in enumerate(document.pieces) if piece.key is not None and not piece.error
    }
    newline = document.newline
    pieces = [
        _changed(piece, values[piece.key])
        if piece.key is not None and piece.key in values and last.get(piece.key) == number
        else piece.text
        for number, piece in enumerate(document.pieces)
    ]
    text = "".join(pieces)
    if added:
        if text and text != BOM and not text.endswith(("\n", "\r")):
            text += newline
        text += _added(document, catalogue, values, added, newline)
    _prove(document, text, values)
    return text


def _changed(piece: Piece, value: str) -> str:
    """The assignment with another value; blanks, `export`, spacing, comment and line end as they were."""
    head = _ASSIGNMENT.match(piece.text)
    assert head is not None  # noqa: S101 - the parser has read this piece as an assignment
    rest = piece.text[head.end() :]
    if head.group(2) is None:
        return f"{head.group(1).rstrip(' ')}={value}{rest}"
    if len(head.group(2)) > 1 and rest.startswith("#"):
        return f"{head.group(1)}={value} {rest}"
    quoted = _QUOTED.match(rest)
    if quoted is not None:
        return head.group(0) + value + _apart(rest[quoted.end() :])
    line_end = re.search(r"[\r\n]", rest)
    line, end = (rest, "") if line_end is None else (rest[: line_end.start()], rest[line_end.start() :])
    comment = re.search(r"\s+#.*", line)
    return head.group(0) + value + (comment.group(0) if comment else "") + end


def _apart(rest: str) -> str:
    """A comment may stand right behind a quoted value, but not behind a bare one."""
    return f" {rest}" if rest.startswith("#") else rest


def _added(
    document: Document, catalogue: Catalogue, values: Mapping[str, str], added: Sequence[str], newline: str
) -> str:
    """New keys: at the end, or for a new file by groups with their headings."""
    if document.entries:
        return "".join(f"{name}={values[name]}{newline}" for name in added)
    parts: list[str] = []
    group = ""
    for name in added:
        key = catalogue.key(name)
        if key.group != group:
            group = key.group
            parts.append(f"{newline if parts or document.pieces else ''}# {catalogue.group_title(group)}{newline}")
        parts.append(f"{name}={values[name]}{newline}")
    return "".join(parts)


def _prove(document: Document, text: str, values: Mapping[str, str]) -> None:
    """Read the new text back: the planned keys hold the planned values, and every other key what it held."""
    after = from_text(text, document.name)
    for name in values:
        if after.values.get(name) != _meant(values[name]):
            raise RefusedPlan(f"{name} can't be changed where it stands; correct that line by hand first.")
    if any("${" in piece.text for piece in document.pieces):
        return  # where values refer to others, a change of one may rightly change another
    for name, value in document.values.items():
        if name not in values and after.values.get(name) != value:
            raise RefusedPlan(f"Writing would change {name}, too; correct the lines around it by hand first.")


def _meant(written: str) -> str:
    return from_text(f"X={written}", "").values["X"] or ""
