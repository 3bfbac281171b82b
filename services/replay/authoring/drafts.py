"""Draft cases: proposed from what happened or typed, edited, agreed to, and published into the golden set.

A draft never counts. What an agent answered is kept as a help for the person who writes what must hold; it is no
expectation by itself.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from services import access, clock
from services.access import Person
from services.errors import GreenlightError, SettingsError
from services.replay import golden
from services.replay.authoring.cases import slug, unique
from services.replay.authoring.removal import Remover
from services.replay.authoring.suggestions import Call, suggestions
from services.replay.identity import golden_path
from services.settings.model import Settings
from services.store import Store, drafts
from services.store.drafts import DRAFT, DROPPED, DraftRow

MOST_BYTES = 256 << 10
EDITED = frozenset({"id", "title", "category", "tags", "input", "context", "expectations", "criteria"})


class NotDrafted(GreenlightError):
    """Why a draft was not changed; the message is a sentence with what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """What a case is made from, as it happened: nothing of it is scrubbed yet. `origin` says where it comes from."""

    title: str = ""
    category: str = ""
    input: Mapping[str, Any]
    context: Mapping[str, Any]
    answer: str = ""
    calls: tuple[Call, ...] = ()
    origin: Mapping[str, str]  # source, trace, run, incident
    simulated: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Somebody who stands behind a draft as it is."""

    by: str
    verified: bool
    key: str
    at_ms: int

    @property
    def who(self) -> str:
        """By name, marked where nobody vouches for it."""
        return access.named(self.by, verified=self.verified)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A draft as a page shows it. `missing` is how many people must still agree; `problems` why it is not sound yet."""

    id: str
    edition: int
    state: str
    changed_ms: int
    case: Mapping[str, Any]
    answer: str
    removed: tuple[Mapping[str, Any], ...]
    suggestions: tuple[Mapping[str, Any], ...]
    agreed: tuple[Agreement, ...]
    missing: int
    problems: tuple[str, ...]
    simulated: bool
    kept: str  # the file that holds the set as it was before this was published; "" where there is none

    @property
    def is_ready(self) -> bool:
        """Whether it can be published."""
        return self.state == DRAFT and not self.problems and self.missing == 0


def propose(
    store: Store, settings: Settings, material: Material, person: Person, *, why: str, incident: str = ""
) -> str:
    """Make a draft; returns its id. Raises Forbidden, NotDrafted, StoreError."""
    access.require(person, "draft")
    name, reason = access.plain(person.name), access.plain(why)
    if not name:
        raise NotDrafted("Enter your name.")
    if not reason:
        raise NotDrafted("Write why this should be a case: what went wrong, or must not go wrong.")
    body = _body(material, person, why=reason, incident=incident, taken=_ids(settings))
    if len(json.dumps(body).encode()) > MOST_BYTES:
        raise NotDrafted("What happened is larger than 256 KiB. Make a smaller case by hand.")
    now = clock.now_ms()
    id_ = secrets.token_hex(8)
    with store.write() as connection:
        drafts.add(connection, DraftRow(id=id_, created_ms=now, changed_ms=now, body=body))
    return id_


def _body(material: Material, person: Person, *, why: str, incident: str, taken: set[str]) -> dict[str, Any]:
    remover = Remover()
    given = {
        "input": remover.of(dict(material.input), "input"),
        "context": remover.of(dict(material.context), "context"),
    }
    answer = str(remover.of(material.answer, "answer"))
    calls = [Call(tool=str(remover.of(c.tool, "tool")), is_ok=c.is_ok,
                  arguments=remover.of(dict(c.arguments), f"{c.tool} arguments")) for c in material.calls]  # fmt: skip
    title = str(remover.of(" ".join(material.title.split())[:120], "title")) or "A case from what happened"
    origin = {name: value for name, value in material.origin.items() if value}
    provenance = {
        "source": str(origin.pop("source", "Written by hand")), "added": clock.now().date().isoformat(),
        "author": access.named(access.plain(person.name)[:120], verified=person.verified), "why": why[:1000], **origin,
        **({"incident": access.plain(incident)[:200]} if incident.strip() else {}),
    }  # fmt: skip
    case = {
        "id": unique(slug(title, "-") or "case", taken), "title": title,
        "category": slug(material.category, "_")[:40] or "from_production", **given,
        "expectations": [], "criteria": [_criterion()], "provenance": provenance,
    }  # fmt: skip
    offered = suggestions(calls, answer, given)
    return {
        "case": case, "answer": answer, "simulated": material.simulated, "agreed": [], "kept": "",
        "removed": [asdict(each) for each in remover.removed],
        "suggestions": [{"words": s.words, "expectation": dict(s.expectation)} for s in offered],
    }  # fmt: skip


def _criterion() -> dict[str, Any]:
    anchors = {"0": "It does something else.", "5": "It does exactly what must hold."}
    return {"id": "expected", "title": "What must hold", "critical": False, "anchors": anchors}


def listed(store: Store, settings: Settings, *, state: str = DRAFT) -> tuple[Draft, ...]:
    """Drafts of a state, the one changed last first. Raises StoreError."""
    with store.read() as connection:
        rows = drafts.newest(connection, state=state)
    return tuple(_draft(row, settings) for row in rows)


def get(store: Store, settings: Settings, id_: str) -> Draft | None:
    """One draft; None where there is none of that id."""
    with store.read() as connection:
        row = drafts.get(connection, id_)
    return None if row is None else _draft(row, settings)


def _draft(row: DraftRow, settings: Settings) -> Draft:
    body = row.body
    agreed = tuple(Agreement(**each) for each in body["agreed"])
    return Draft(
        id=row.id, edition=row.edition, state=row.state, changed_ms=row.changed_ms, case=body["case"],
        answer=body["answer"], removed=tuple(body["removed"]), suggestions=tuple(body["suggestions"]), agreed=agreed,
        missing=max(0, settings.replay.review - len({a.key or a.by.casefold() for a in agreed})),
        problems=_problems(body["case"]), simulated=body["simulated"], kept=body["kept"],
    )  # fmt: skip


def _problems(case: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the case, in words; () where it could be published."""
    if not case.get("expectations"):
        return ("Nothing is written yet that must hold. Choose a suggestion, or write an expectation.",)
    try:
        golden.parse({"name": "draft", "version": "v1", "cases": [dict(case)]}, "the draft")
    except SettingsError as error:
        return tuple(f"{p.key.removeprefix('$.cases[0].')}: {p.advice.what}" for p in error.problems)
    return ()


def edit(store: Store, settings: Settings, id_: str, edition: int, person: Person, *, case: Mapping[str, Any]) -> Draft:
    """Put another wording in place; the person who wrote it stands behind it, the others have to agree again.

    What is typed is scrubbed as well. Raises Forbidden, NotDrafted, StoreError.
    """
    access.require(person, "draft")
    row = _open(store, id_)
    changed = {name: value for name, value in case.items() if name in EDITED}
    remover = Remover()
    kept = {**row.body["case"], **{name: remover.of(value, name) for name, value in changed.items()}}
    if len(json.dumps(kept).encode()) > MOST_BYTES:
        raise NotDrafted("The case is larger than 256 KiB. Make it smaller.")
    removed = [*row.body["removed"], *(asdict(each) for each in remover.removed)]
    body = {**row.body, "case": kept, "removed": removed, "agreed": [_agreement(person)]}
    return _saved(store, settings, id_, edition, body)


def agree(store: Store, settings: Settings, id_: str, edition: int, person: Person) -> Draft:
    """Stand behind a draft as it is. Raises Forbidden, NotDrafted, StoreError."""
    access.require(person, "draft")
    row = _open(store, id_)
    if found := _problems(row.body["case"]):
        raise NotDrafted(f"There is nothing to agree to yet: {found[0]}")
    mine = _agreement(person)
    same = [a for a in row.body["agreed"] if (a["key"] or a["by"].casefold()) == (mine["key"] or mine["by"].casefold())]
    if same:
        raise NotDrafted("You stand behind this draft already. Another person has to agree.")
    return _saved(store, settings, id_, edition, {**row.body, "agreed": [*row.body["agreed"], mine]})


def drop(store: Store, settings: Settings, id_: str, edition: int, person: Person) -> Draft:
    """Put a draft away; it stays in the store. Raises Forbidden, NotDrafted, StoreError."""
    access.require(person, "draft")
    row = _open(store, id_)
    return _saved(store, settings, id_, edition, {**row.body}, state=DROPPED)


def _agreement(person: Person) -> dict[str, Any]:
    name = access.plain(person.name)[:120]
    if not name:
        raise NotDrafted("Enter your name.")
    return {"by": name, "verified": person.verified, "key": person.key, "at_ms": clock.now_ms()}


def _open(store: Store, id_: str) -> DraftRow:
    with store.read() as connection:
        row = drafts.get(connection, id_)
    if row is None or row.state != DRAFT:
        raise NotDrafted("This draft is no longer open. Reload the page.")
    return row


def _saved(
    store: Store, settings: Settings, id_: str, edition: int, body: Mapping[str, Any], *, state: str = DRAFT
) -> Draft:
    now = clock.now_ms()
    with store.write() as connection:
        if not drafts.change(connection, id_, edition, body=body, now_ms=now, state=state):
            raise NotDrafted("Somebody else has changed this draft meanwhile. Reload the page, then change it again.")
    return _draft(
        DraftRow(id=id_, state=state, created_ms=now, changed_ms=now, edition=edition + 1, body=body), settings
    )


def _ids(settings: Settings) -> set[str]:
    """The ids that the set has; none where it can't be read: publishing says so then."""
    try:
        return {case["id"] for case in golden.own(golden_path(settings)).get("cases", ())}
    except (SettingsError, AttributeError, KeyError, TypeError):
        return set()
