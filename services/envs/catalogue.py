"""The keys that make up an environment's configuration. Data from `catalogue.toml`, extended by a team's own file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from services.advice import Advice
from services.errors import Problem, SettingsError
from services.paths import team_keys

Relation = Literal["must_differ", "must_match", "may_differ", "templated"]
Need = Literal["required", "recommended", "optional"]
Kind = Literal[
    "text", "boolean", "integer", "port", "http_url", "redis_url", "signing_key", "hex", "secret", "path"
]  # fmt: skip

OWN_FILE = Path(__file__).with_name("catalogue.toml")
PLACEHOLDER = "<env>"
FLAGS = ("REDIS_REQUIRED", "INNGEST_REQUIRED")
SECRET_NAME = re.compile(
    r"(SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|PRIVATE|SIGNING|DSN|(API|ACCESS|AUTH|EVENT|MASTER)_?KEY"
    r"|(DATABASE|POSTGRES|MONGO|AMQP|REDIS)\w*_UR[IL])",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key: what it is for and which values it may hold."""

    name: str
    group: str = "other"
    purpose: str = "Not in the catalogue: Greenlight doesn't know what it is for."
    where: str = "Ask the person who added it; describe it in greenlight.keys.toml."
    kind: Kind = "text"
    secret: bool = False
    need: Need = "optional"
    flag: str | None = None
    relation: Relation = "may_differ"
    template: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    initial: str | None = None
    min: int | None = None
    max: int | None = None
    refused_sha256: tuple[str, ...] = ()
    listed: bool = True

    def expected(self, environment: str, role: str | None = None) -> str | None:
        """The usual value in an environment; None where there is none."""
        if environment in self.values:
            return self.values[environment]
        if role is not None and role in self.values:
            return self.values[role]
        return None if self.template is None else self.template.replace(PLACEHOLDER, environment)

    def first_value(self, environment: str, role: str | None = None) -> str | None:
        """What a new env file begins with; None for what only a person can know."""
        usual = self.expected(environment, role)
        if usual is not None:
            return usual
        return None if self.initial is None else self.initial.replace(PLACEHOLDER, environment)


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """All keys by name, in the catalogue's order, and the titles of their groups."""

    keys: Mapping[str, Key]
    groups: Mapping[str, str]

    def key(self, name: str) -> Key:
        """The key's entry; for a name that nobody listed, one that guards what looks like a secret."""
        found = self.keys.get(name)
        if found is not None:
            return found
        if SECRET_NAME.search(name):
            return Key(name=name, kind="secret", secret=True, relation="must_differ", listed=False)
        return Key(name=name, listed=False)

    def group_title(self, group: str) -> str:
        """The group's heading."""
        return self.groups.get(group, "Other keys")


def load(team_file: Path | None = None) -> Catalogue:
    """The catalogue, with a team's own file over it. Raises SettingsError with all that is wrong in that file."""
    own = _merge(tomllib.loads(OWN_FILE.read_text(encoding="utf-8")), {}, OWN_FILE)
    if team_file is None or not team_file.is_file():
        return own
    try:
        raw = tomllib.loads(team_file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(team_file, "(syntax)", f"is not valid TOML: {error}.") from error
    except OSError as error:
        raise _wrong(team_file, "(file)", f"can't be read ({error.strerror}).") from error
    return _merge(raw, own.keys, team_file, groups=own.groups)


def chosen(named: Path | None) -> Catalogue:
    """The catalogue for a command line: with the file that was named, else the team's own where there is one."""
    if named is not None and not named.is_file():
        raise _wrong(named, "--catalogue", "does not exist.")
    return load(named or team_keys())


def _merge(
    raw: Mapping[str, Any], base: Mapping[str, Key], source: Path, *, groups: Mapping[str, str] | None = None
) -> Catalogue:
    problems: list[Problem] = []
    merged, titles = dict(base), dict(groups or {})
    unknown = raw.keys() - {"keys", "groups"}
    problems += [_problem(source, name, "is not known here; only `keys` and `groups` are.") for name in unknown]
    for group in _tables(raw.get("groups", []), "groups", source, problems):
        titles[str(group.get("id"))] = str(group.get("title") or group.get("id"))
    for table in _tables(raw.get("keys", []), "keys", source, problems):
        key = _key(table, merged, source, problems)
        if key is not None:
            merged[key.name] = key
    if problems:
        raise SettingsError(tuple(problems))
    return Catalogue(keys=merged, groups=titles)


def _tables(found: Any, name: str, source: Path, problems: list[Problem]) -> list[Mapping[str, Any]]:
    if isinstance(found, list) and all(isinstance(item, dict) for item in found):
        return found
    problems.append(_problem(source, name, "is not a list of tables."))
    return []


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "relation": get_args(Relation), "need": get_args(Need), "kind": get_args(Kind)
}  # fmt: skip
_TYPES: Mapping[str, type] = {
    "name": str, "group": str, "purpose": str, "where": str, "kind": str, "secret": bool, "need": str, "flag": str,
    "relation": str, "template": str, "values": dict, "initial": str, "min": int, "max": int, "refused_sha256": list,
}  # fmt: skip


def _key(table: Mapping[str, Any], known: Mapping[str, Key], source: Path, problems: list[Problem]) -> Key | None:
    name = table.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
        problems.append(_problem(source, "keys.name", "is missing or no name of a variable."))
        return None
    wrong = [_wrong_field(field_, value) for field_, value in table.items()]
    texts = [text for text in wrong if text is not None]
    problems += [_problem(source, f'keys "{name}"', text) for text in texts]
    if texts:
        return None
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return replace(known[name], **given) if name in known else Key(**given)


def _wrong_field(name: str, value: Any) -> str | None:
    expected: Any = _TYPES.get(name)
    if expected is None:
        names = ", ".join(f.name for f in fields(Key) if f.name != "listed")
        return f"has the unknown field {name!r}; known are: {names}."
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        return f"has a {name} of the wrong type ({expected.__name__} expected)."
    if name in _CHOICES and value not in _CHOICES[name]:
        return f"has the {name} {value!r}; choose one of: {', '.join(_CHOICES[name])}."
    if name == "values" and not all(isinstance(v, str) for v in value.values()):
        return "has values that are not text: write them in quotes."
    if name == "refused_sha256" and not all(isinstance(v, str) and re.fullmatch("[0-9a-f]{64}", v) for v in value):
        return "has a refused_sha256 that is not 64 lower-case hexadecimal digits."
    return None


def _problem(source: Path, key: str, message: str) -> Problem:
    return Problem(
        source=str(source), key=key, advice=Advice(what=message, fix="services/envs/catalogue.toml shows the form.")
    )


def _wrong(source: Path, key: str, message: str) -> SettingsError:
    return SettingsError((_problem(source, key, message),))
