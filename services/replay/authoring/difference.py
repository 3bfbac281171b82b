"""What changed between two versions of a golden set, case by case, and which changes make the gate easier to pass."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.redact import scrub

What = Literal["added", "removed", "changed"]
SHOWN = 120  # characters of a value
UNJUDGED = frozenset({"title", "category", "tags", "provenance"})  # they say nothing of what must hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One field of a case. `before` and `after` are JSON as text; None where it is not there."""

    path: str
    before: str | None
    after: str | None
    is_weaker: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseChange:
    """A case that was added, removed or changed. `is_weaker`: an answer that failed before may pass now."""

    id: str
    title: str
    what: What
    changes: tuple[Change, ...] = ()

    @property
    def is_weaker(self) -> bool:
        """Whether the gate asks for less of this case than before."""
        return self.what == "removed" or any(change.is_weaker for change in self.changes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Between two sets. `own` is what changed of the set itself: name, version, how criteria pass."""

    own: tuple[Change, ...]
    cases: tuple[CaseChange, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed but, perhaps, the version."""
        return not self.cases and all(change.path == "version" for change in self.own)


def between(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """From one set to another, both as their JSON values; cases are known by their ids."""
    before = {case["id"]: case for case in old.get("cases", ())}
    after = {case["id"]: case for case in new.get("cases", ())}
    found = []
    for id_, case in after.items():
        if id_ not in before:
            found.append(CaseChange(id=id_, title=case["title"], what="added"))
        elif changes := tuple(_within(before[id_], case)):
            found.append(CaseChange(id=id_, title=case["title"], what="changed", changes=changes))
    found += [
        CaseChange(id=id_, title=case["title"], what="removed") for id_, case in before.items() if id_ not in after
    ]
    own = tuple(_compared(_rest(old), _rest(new), ""))
    return Difference(own=own, cases=tuple(found))


def _rest(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name not in {"cases", "$schema"}}


def _within(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for change in _compared(old, new, ""):
        yield Change(path=change.path, before=change.before, after=change.after, is_weaker=_weaker(change))


def _weaker(change: Change) -> bool:
    """A removed expectation or criterion, one that is no longer critical, a lower mark that is enough."""
    top, _, rest = change.path.partition("[")
    if top in UNJUDGED or top.partition(".")[0] in UNJUDGED:
        return False
    is_whole = top in {"expectations", "criteria"} and rest.endswith("]")
    if is_whole:
        return change.after is None
    name = change.path.rpartition(".")[2]
    if name == "critical":
        return change.before == "true"
    if name == "passes":
        return change.before in {None, '"all"'} and change.after not in {None, '"all"'}
    if name == "pass_at":
        return _less(change.after, change.before)
    return False


def _less(after: str | None, before: str | None) -> bool:
    try:
        return float(after or 4) < float(before or 4)
    except ValueError:
        return False


def _compared(old: Any, new: Any, path: str) -> Iterator[Change]:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in (*old, *(name for name in new if name not in old)):
            where = f"{path}.{name}" if path else str(name)
            if name not in new:
                yield Change(path=where, before=_text(old[name]), after=None)
            elif name not in old:
                yield Change(path=where, before=None, after=_text(new[name]))
            else:
                yield from _compared(old[name], new[name], where)
    elif _is_list(old) and _is_list(new):
        yield from _lists(old, new, path)
    else:
        yield Change(path=path, before=_text(old), after=_text(new))


def _lists(old: Sequence[Any], new: Sequence[Any], path: str) -> Iterator[Change]:
    """Items that are in both stay out of it wherever they stand; the others are compared in their order."""
    gone = [(n, item) for n, item in enumerate(old) if item not in new]
    come = [(n, item) for n, item in enumerate(new) if item not in old]
    if not gone and not come and list(old) != list(new):
        yield Change(path=path, before=_text(old), after=_text(new))
    pairs = min(len(gone), len(come)) if len(gone) == len(come) else 0
    for (_, before), (n, after) in zip(gone[:pairs], come[:pairs], strict=True):
        yield from _compared(before, after, f"{path}[{n}]")
    for n, item in gone[pairs:]:
        yield Change(path=f"{path}[{n}]", before=_text(item), after=None)
    for n, item in come[pairs:]:
        yield Change(path=f"{path}[{n}]", before=None, after=_text(item))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def lines(found: Difference) -> Iterator[str]:
    """The difference as people read it, a line each."""
    for change in found.own:
        yield f"{change.path}: {_shown(change.before)} → {_shown(change.after)}"
    marks = {"added": "+", "removed": "-", "changed": "~"}
    for case in found.cases:
        weaker = "  (asks for less than before)" if case.is_weaker else ""
        yield f"{marks[case.what]} {case.id}: {scrub(case.title)}{weaker}"
        for change in case.changes:
            sign = " (asks for less)" if change.is_weaker else ""
            yield f"    {change.path}: {_shown(change.before)} → {_shown(change.after)}{sign}"


def _shown(value: str | None) -> str:
    if value is None:
        return "nothing"
    value = scrub(value)
    return value if len(value) <= SHOWN else value[:SHOWN] + "…"


def as_json(found: Difference) -> dict[str, Any]:
    """The difference for programs."""
    return {
        "own": [_change(change) for change in found.own],
        "cases": [{"id": c.id, "title": c.title, "what": c.what, "weaker": c.is_weaker,
                   "changes": [_change(change) for change in c.changes]} for c in found.cases],
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    return {"path": change.path, "before": change.before, "after": change.after, "weaker": change.is_weaker}
