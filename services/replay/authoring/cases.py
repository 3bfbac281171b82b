"""A case as people write it, made from what an import found; and what could not be imported, by its place."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.advice import Advice
from services.redact import scrub

Case = dict[str, Any]
CRITERION = "expected"
MOST_TITLE = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Something that an import left out, or took over with a reservation. `place` is where it stands in the file."""

    place: str
    advice: Advice

    def __str__(self) -> str:
        return f"{self.place}: {self.advice.what} {self.advice.fix}".rstrip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import found: cases ready for a set, what was left out, and what a person should know of the rest."""

    cases: tuple[Case, ...] = ()
    left_out: tuple[Left, ...] = ()
    notes: tuple[Left, ...] = ()


@dataclass(slots=True)
class Collected:
    """An import while it is being made."""

    source: str
    added: str  # the day, as YYYY-MM-DD
    cases: list[Case] = field(default_factory=list)
    left_out: list[Left] = field(default_factory=list)
    notes: list[Left] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def leave(self, place: str, what: str, fix: str = "") -> None:
        """Leave something out, with the reason."""
        self.left_out.append(Left(place=place, advice=Advice(what=what, fix=fix)))

    def note(self, place: str, what: str, fix: str = "") -> None:
        """Take something over with a reservation."""
        self.notes.append(Left(place=place, advice=Advice(what=what, fix=fix)))

    def add(
        self, place: str, *, input_: Mapping[str, Any], expectations: Sequence[Mapping[str, Any]],
        criteria: Sequence[Mapping[str, Any]] = (), id_: str = "", title: str = "", category: str = "",
        tags: Sequence[str] = (), context: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Add a case; its id is made unique, its words are made to fit."""
        title = " ".join(title.split())[:MOST_TITLE] or _first_words(input_) or place
        found = unique(slug(id_ or title, "-") or f"case-{len(self.cases) + 1}", self.ids)
        self.ids.add(found)
        said = json.dumps([input_, context, expectations], ensure_ascii=False, default=str)
        if scrub(said) != said:
            self.note(place, "The case holds what looks like a credential.", "Put an invented one in its place.")
        self.cases.append({
            "id": found, "title": title, "category": slug(category, "_")[:40] or "imported",
            **({"tags": sorted({tag.strip()[:40] for tag in tags if tag.strip()})} if any(tags) else {}),
            "input": dict(input_), "context": dict(context or {}), "expectations": [dict(e) for e in expectations],
            "criteria": [dict(c) for c in (criteria or (criterion(),))],
            "provenance": {"source": f"{self.source}, {place}", "added": self.added},
        })  # fmt: skip

    def done(self) -> Imported:
        """The import, as a value."""
        left, notes = (tuple(dict.fromkeys(items)) for items in (self.left_out, self.notes))
        return Imported(cases=tuple(self.cases), left_out=left, notes=notes)


def criterion(
    id_: str = CRITERION, title: str = "The answer is as expected", *, good: str = "The answer is as expected.",
    bad: str = "The answer is not as expected.", critical: bool = False,
) -> Case:  # fmt: skip
    """A criterion with its two anchors."""
    made: Case = {"id": id_, "title": title, "anchors": {"0": bad, "5": good}}
    return made | ({"critical": True} if critical else {})


def slug(text: str, joint: str) -> str:
    """Lower-case letters, digits and `joint`, from any text; "" where nothing of it can be kept."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", joint, plain).strip(joint)[:60].strip(joint)


def unique(wanted: str, taken: set[str]) -> str:
    """The id, with a number where it is taken."""
    number, found = 2, wanted
    while found in taken:
        found, number = f"{wanted}-{number}", number + 1
    return found


def _first_words(input_: Mapping[str, Any]) -> str:
    text = next((value for value in input_.values() if isinstance(value, str) and value.strip()), "")
    return " ".join(text.split())[:80]
