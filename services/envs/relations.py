"""Whether environments are alike where they must be, and different where they must be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.advice import Advice
from services.env_files.document import Document
from services.envs import kinds
from services.envs.catalogue import PLACEHOLDER, Catalogue, Key
from services.envs.findings import ROLES, is_required
from services.envs.rules import Finding, finding

Status = Literal[
    "ok", "missing", "empty", "same_but_must_differ", "differs_but_must_match", "template_mismatch", "wrong_kind",
    "placeholder", "same_server",
]  # fmt: skip
Mark = Literal["absent", "empty", "equal", "different", "present"]
Severity = Literal["error", "warning", "info", "none"]
_ORDER = {"error": 0, "warning": 1, "info": 2, "none": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One environment in a comparison."""

    name: str
    role: str
    document: Document


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One key over all sides. `marks` says of each side what may be said: absent, empty, equal, different."""

    key: str
    group: str
    relation: str
    status: Status
    severity: Severity
    present_in: tuple[str, ...]
    marks: tuple[Mark, ...]
    advice: Advice
    secret: bool
    listed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All rows, worst first, then in the catalogue's order."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]

    def count(self, severity: Severity) -> int:
        """How many rows are that grave."""
        return sum(row.severity == severity for row in self.rows)


def compare(sides: Sequence[Side], catalogue: Catalogue, *, same_redis: Iterable[tuple[str, str]] = ()) -> Comparison:
    """Every key that a side has, and every required one. `same_redis` names sides that were seen to share a Redis."""
    known = list(catalogue.keys)
    place = {name: number for number, name in enumerate(known)}
    names = {name for side in sides for name in side.document.values}
    names |= {key.name for key in catalogue.keys.values() if key.need == "required"}
    shared = tuple(same_redis)
    rows = [_row(catalogue.key(name), sides, shared if name == "REDIS_URL" else ()) for name in names]
    rows.sort(key=lambda row: (_ORDER[row.severity], place.get(row.key, len(known)), row.key))
    return Comparison(names=tuple(side.name for side in sides), rows=tuple(rows))


def _row(key: Key, sides: Sequence[Side], same_redis: tuple[tuple[str, str], ...]) -> Row:
    raw = [side.document.values.get(key.name) for side in sides]
    texts = [(value or "").strip() for value in raw]
    normal = [_normal(key, text, side) for text, side in zip(texts, sides, strict=True)]
    present = [key.name in side.document.values for side in sides]
    status, severity, sentence, fix = _judge(key, sides, texts, normal, present, same_redis)
    return Row(
        key=key.name,
        group=key.group,
        relation=key.relation,
        status=status,
        severity=severity,
        present_in=tuple(side.name for side, there in zip(sides, present, strict=True) if there),
        marks=_marks(present, texts, normal),
        advice=Advice(what=sentence, fix=fix),
        secret=key.secret,
        listed=key.listed,
    )


def _normal(key: Key, text: str, side: Side) -> str:
    """The value as it is compared: the environment's name put back into <env>, booleans alike."""
    if key.kind == "boolean":
        return "true" if kinds.is_true(text) else "false" if kinds.is_false(text) else text
    if key.relation != "templated" or not text:
        return text
    if key.values:
        return PLACEHOLDER if text == key.expected(side.name, side.role) else text
    if key.template is not None:
        for word in dict.fromkeys((side.name, side.role)):
            if word != "other" and kinds.alike(key, text, key.template.replace(PLACEHOLDER, word)):
                return key.template
    return text.replace(side.name, PLACEHOLDER) if side.name else text


def _marks(present: Sequence[bool], texts: Sequence[str], normal: Sequence[str]) -> tuple[Mark, ...]:
    first = next((value for value in normal if value), None)
    filled = sum(bool(text) for text in texts)
    marks: list[Mark] = []
    for there, text, value in zip(present, texts, normal, strict=True):
        if not there:
            marks.append("absent")
        elif not text:
            marks.append("empty")
        elif filled < 2:
            marks.append("present")
        else:
            marks.append("equal" if value == first else "different")
    return tuple(marks)


Judged = tuple[Status, Severity, str, str]


def _judge(
    key: Key,
    sides: Sequence[Side],
    texts: Sequence[str],
    normal: Sequence[str],
    present: Sequence[bool],
    same_redis: tuple[tuple[str, str], ...],
) -> Judged:
    names = [side.name for side in sides]
    same = _alike(names, texts) if key.relation == "must_differ" else []
    if same:
        secret = "is one secret in" if key.secret else "is the same in"
        severity: Severity = "error" if key.listed else "warning"
        fix = f"Give each environment its own. {key.where}"
        return "same_but_must_differ", severity, f"{key.name} {secret} {_and(same)}; each needs its own.", fix
    if same_redis:
        pair = " and ".join(same_redis[0])
        return (
            "same_server",
            "error",
            f"REDIS_URL of {pair} reaches one and the same Redis behind two addresses.",
            ("Give each environment a database of its own."),
        )
    bad = [name for name, text in zip(names, texts, strict=True) if text and kinds.check(key, text) is not None]
    if bad:
        return (
            "wrong_kind",
            "error",
            f"{key.name} in {_and(bad)} is not what it must be ({_KINDS[key.kind]}).",
            (f"Correct it. {key.where}"),
        )
    matters = key.listed or key.secret
    left = [n for n, text in zip(names, texts, strict=True) if matters and text and kinds.is_placeholder(text)]
    if left:
        return "placeholder", "error", f"{key.name} in {_and(left)} is still a placeholder.", f"Replace it. {key.where}"
    absent = [side for side, there in zip(sides, present, strict=True) if not there]
    if absent:
        return _absent(key, absent, names)
    empty = [side for side, text in zip(sides, texts, strict=True) if not text]
    if empty:
        severity = "error" if any(is_required(key, side.document) for side in empty) else "warning"
        where = _and([side.name for side in empty])
        return "empty", severity, f"{key.name} is there but empty in {where}.", f"Fill it in. {key.where}"
    return _compared(key, sides, texts, normal)


def _compared(key: Key, sides: Sequence[Side], texts: Sequence[str], normal: Sequence[str]) -> Judged:
    names = [side.name for side in sides]
    if key.relation == "must_match" and len(set(normal)) > 1:
        return (
            "differs_but_must_match",
            "warning",
            f"{key.name} differs between {_and(names)}, but must be alike.",
            ("Make them alike. " + (f"The usual value is {key.template}." if key.template else key.where)),
        )
    if key.relation == "templated":
        odd = _off_template(key, sides, texts)
        if odd:
            usual = "; ".join(f"{s.name}: {key.expected(s.name, s.role)}" for s in sides)
            if _names_another(key, sides, texts):
                return (
                    "template_mismatch",
                    "error",
                    f"{key.name} in {_and(odd)} names another environment.",
                    (f"Write {usual}."),
                )
            return (
                "template_mismatch",
                "warning",
                f"{key.name} in {_and(odd)} is not the usual value.",
                (f"Write {usual}, unless intentional."),
            )
    return "ok", "none", _fine(key), ""


def _off_template(key: Key, sides: Sequence[Side], texts: Sequence[str]) -> list[str]:
    odd = []
    for side, text in zip(sides, texts, strict=True):
        usual = {key.expected(side.name, side.role), key.expected(side.role) if side.role in ROLES else None} - {None}
        if usual and not any(expected is not None and kinds.alike(key, text, expected) for expected in usual):
            odd.append(side.name)
    return odd


def _names_another(key: Key, sides: Sequence[Side], texts: Sequence[str]) -> bool:
    """Whether a side holds the value of another environment: staging's prefix inside production."""
    if key.template is None or PLACEHOLDER not in key.template:
        return False
    words = {*ROLES, *(side.name for side in sides)}
    return any(
        text == key.expected(word)
        for side, text in zip(sides, texts, strict=True)
        for word in words - {side.name, side.role}
    )


def _absent(key: Key, absent: Sequence[Side], names: Sequence[str]) -> Judged:
    where = _and([side.name for side in absent])
    everywhere = len(absent) == len(names)
    if key.need == "required":
        severity: Severity = "error" if any(is_required(key, side.document) for side in absent) else "warning"
    elif key.need == "recommended":
        severity = "info" if key.group == "platform" else "warning"
    else:
        severity = "info"
    text = f"{key.name} is missing in {'every environment' if everywhere else where}."
    return "missing", severity, text, f"Add it there, or remove it elsewhere if it isn't needed. {key.where}"


def _alike(names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """The sides that hold one and the same value; placeholders don't count."""
    seen: dict[str, list[str]] = {}
    for name, text in zip(names, texts, strict=True):
        if text and not kinds.is_placeholder(text):
            seen.setdefault(text, []).append(name)
    return next((held for held in seen.values() if len(held) > 1), [])


_KINDS: Mapping[str, str] = {
    "text": "text", "boolean": "true or false", "integer": "a whole number in its range", "port": "a port number",
    "http_url": "an http or https URL", "redis_url": "a redis:// or rediss:// URL", "signing_key": "a hexadecimal key",
    "hex": "hexadecimal", "secret": "a secret", "path": "a path",
}  # fmt: skip


def _fine(key: Key) -> str:
    return {
        "must_differ": "Each environment has its own, as it must.",
        "must_match": "Alike everywhere, as it must be.",
        "templated": "Follows each environment's name.",
        "may_differ": "May differ.",
    }[key.relation]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def against_others(
    side: Side, others: Sequence[Side], catalogue: Catalogue, same_redis: Iterable[str] = ()
) -> Iterator[Finding]:
    """What one environment's validation says about the others: what is shared and must not be."""
    lines = {entry.key: entry.line for entry in side.document.entries} if side.document.origin == "file" else {}
    for name in side.document.values:
        key, text = catalogue.key(name), side.document.filled(name)
        if key.relation != "must_differ" or not text or kinds.is_placeholder(text):
            continue
        shared = [other.name for other in others if other.document.filled(name) == text]
        if shared:
            yield finding(
                "same_secret" if key.secret else "same_value", name, line=lines.get(name), others=_and(shared),
                where=key.where, severity=None if key.listed else "warning",
            )  # fmt: skip
    for other in same_redis:
        yield finding("same_redis_server", "REDIS_URL", line=lines.get("REDIS_URL"), others=other)
