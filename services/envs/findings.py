"""What is wrong with one environment's configuration. Pure: a document, the catalogue, the mode; findings out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.dependencies.inngest import sdk as inngest_sdk
from services.env_files.document import Document, Entry
from services.envs import kinds
from services.envs.catalogue import FLAGS, Catalogue, Key
from services.envs.rules import SEVERITIES, Finding, finding

Policy = str  # strict, partly, relaxed, unstated
ROLES = ("staging", "production")
BASE_URLS = ("INNGEST_BASE_URL", "INNGEST_API_BASE_URL", "INNGEST_EVENT_API_BASE_URL")
LEGACY_KEY = "LEGACY_TOKEN_SHA256"  # the contract kit's own list of tokens that are refused
MOST_LINES = 200  # of one kind; a file that is none has no need of more
EXAMPLE_WORDS = ("example", "template", "sample", ".dist", "skeleton")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """Which environment the configuration is for. `role` decides staging's and production's rules."""

    name: str
    role: str = "other"
    simulated: bool = False
    inngest_mode: str = "cloud"

    @classmethod
    def of(cls, name: str) -> Mode:
        """The mode that a bare word on a command line means."""
        role = {"prod": "production", "live": "production", "stage": "staging"}.get(name, name)
        return cls(name=name, role=role if role in ROLES else "other")

    @property
    def guarded(self) -> bool:
        """Whether the rules for a deployed environment apply."""
        return self.role in ROLES


def policy_of(document: Document) -> Policy:
    """What the file asks for: `unstated` where a flag is absent, empty or unreadable."""
    flags = [document.filled(key) for key in FLAGS]
    if not all(kinds.is_true(text) or kinds.is_false(text) for text in flags):
        return "unstated"
    on = [kinds.is_true(text) for text in flags]
    return "strict" if all(on) else "partly" if any(on) else "relaxed"


def is_required(key: Key, document: Document) -> bool:
    """Whether the file's own policy requires the key: a flag that isn't plainly off counts as on."""
    if key.need != "required":
        return False
    return key.flag is None or not kinds.is_false(document.filled(key.flag))


def check_document(document: Document, catalogue: Catalogue, mode: Mode) -> tuple[Finding, ...]:
    """All findings about this configuration by itself, gravest first."""
    lines = _lines(document)
    if document.encoding:
        return (finding("wrong_encoding", encoding=document.encoding),)
    found = [
        *_text(document),
        *_missing(document, catalogue),
        *_values(document, catalogue, mode, lines),
        *_inngest(document, catalogue, mode, lines),
        *_policy(document),
    ]
    return ordered(found)


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Gravest first, then by line."""
    return tuple(sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.line or 0, f.key or "")))


def is_example(name: str) -> bool:
    """Whether a file's name says that it is a template for others to copy."""
    return any(word in name.lower() for word in EXAMPLE_WORDS)


def _lines(document: Document) -> Mapping[str, int]:
    return {} if document.origin != "file" else {entry.key: entry.line for entry in document.entries}


def _text(document: Document) -> Iterator[Finding]:
    if document.bom:
        yield finding("byte_order_mark", line=1)
    for line in document.bad_lines[:MOST_LINES]:
        yield finding("colon_line" if line in document.colon_lines else "bad_line", line=line)
    if document.bad_names:
        yield finding("bad_names", count=document.bad_names)
    for line in document.not_utf8_lines[:MOST_LINES]:
        yield finding("not_utf8", line=line)
    places: dict[str, list[int]] = defaultdict(list)
    for entry in document.entries:
        places[entry.key].append(entry.line)
        if entry.unresolved:
            yield finding("unresolved_reference", entry.key, line=entry.line, names=", ".join(entry.unresolved[:8]))
        if entry.platform and document.origin != "platform":
            yield finding("platform_reference", entry.key, line=_line(document, entry))
        if entry.too_long:
            yield finding("reference_too_long", entry.key, line=entry.line)
        if entry.opens_block:
            yield finding("unquoted_block", entry.key, line=entry.line)
    for key, lines in places.items():
        if len(lines) > 1:
            numbers = ", ".join(str(line) for line in lines[:8])
            yield finding("duplicate_key", key, line=lines[-1], count=len(lines), lines=numbers)


def _line(document: Document, entry: Entry) -> int | None:
    return entry.line if document.origin == "file" else None


def _missing(document: Document, catalogue: Catalogue) -> Iterator[Finding]:
    for key in catalogue.keys.values():
        if key.name in document.values or key.need == "optional":
            continue
        if key.need == "required":
            rule = "missing_required" if is_required(key, document) else "missing_for_strict"
        else:
            rule = "unset_platform_default" if key.group == "platform" else "missing_recommended"
        yield finding(rule, key.name, where=key.where)


def _values(document: Document, catalogue: Catalogue, mode: Mode, lines: Mapping[str, int]) -> Iterator[Finding]:
    refused = frozenset(document.filled(LEGACY_KEY).lower().split())
    example = is_example(document.name)
    filled_elsewhere = {entry.key for entry in document.entries if entry.platform or entry.too_long}
    for name, raw in document.values.items():
        if name in filled_elsewhere:
            continue
        key, line, text = catalogue.key(name), lines.get(name), (raw or "").strip()
        if not text:
            if raw is not None and key.listed and key.need != "optional":
                yield _empty(key, document, line)
            continue
        if kinds.is_placeholder(text):
            if not example and (key.listed or key.secret):
                yield finding("placeholder", name, line=line, where=key.where)
            continue
        if example and kinds.looks_like_secret(text, key):
            yield finding("secret_in_example", name, line=line)
        if kinds.is_refused(text, key, refused if key.secret else frozenset()):
            yield finding("refused_secret", name, line=line, where=key.where)
        odd = kinds.odd_character(key, text)
        if odd is not None:
            character, place = odd
            yield finding("odd_character", name, line=line, character=character, place=place, where=key.where)
            continue
        broken = kinds.check(key, text)
        if broken is not None:
            rule, words = broken
            yield finding(rule, name, line=line, **words)
            continue
        yield from _expected(key, text, mode, line)
        if key.kind == "redis_url" and not text.lower().startswith("rediss:") and not kinds.is_loopback(text):
            yield finding("redis_without_tls", name, line=line, severity="warning" if kinds.is_private(text) else None)


def _empty(key: Key, document: Document, line: int | None) -> Finding:
    if key.kind == "signing_key":
        return finding("empty_signing_key", key.name, line=line)
    rule = "empty_required" if is_required(key, document) else "empty"
    return finding(rule, key.name, line=line, where=key.where)


def _expected(key: Key, text: str, mode: Mode, line: int | None) -> Iterator[Finding]:
    usual = key.expected(mode.name, mode.role if mode.guarded else None)
    if usual is None or kinds.alike(key, text, usual):
        return
    if key.name == "ENVIRONMENT":
        role_said = mode.guarded and text.lower() == mode.role
        if not role_said:
            severity = None if mode.guarded or text.lower() in ROLES else "warning"
            yield finding("environment_contradicts", key.name, line=line, mode=mode.name, severity=severity)  # type: ignore[arg-type]
        return
    others = [key.expected(role) for role in (*ROLES, "development") if role not in {mode.name, mode.role}]
    names_other = key.template is not None and "<env>" in key.template and text in others
    yield finding(
        "other_environment" if names_other else "unusual_value", key.name, line=line, mode=mode.name, expected=usual
    )


def _inngest(document: Document, catalogue: Catalogue, mode: Mode, lines: Mapping[str, int]) -> Iterator[Finding]:
    dev = document.values.get("INNGEST_DEV")
    if mode.guarded and mode.inngest_mode != "dev" and dev is not None and inngest_sdk.is_dev(dev):
        rule = "dev_switch_looks_off" if kinds.looks_off(dev) else "dev_switch_on"
        yield finding(rule, "INNGEST_DEV", line=lines.get("INNGEST_DEV"))
    for name in BASE_URLS:
        text = document.filled(name)
        if text and inngest_sdk.ignores(text):
            yield finding("base_url_ignored", name, line=lines.get(name))
    if mode.guarded:
        yield from _keys_of_other_environments(document, catalogue, mode, lines)
    yield from _addresses(document, mode, lines)


def _keys_of_other_environments(
    document: Document, catalogue: Catalogue, mode: Mode, lines: Mapping[str, int]
) -> Iterator[Finding]:
    for name in document.values:
        key = catalogue.key(name)
        word = kinds.signing_word(document.filled(name)) if key.secret else None
        if word is None:
            continue
        is_production = word in {"prod", "production"}
        if mode.role == "staging" and is_production:
            yield finding("production_key_elsewhere", name, line=lines.get(name), mode=mode.name, where=key.where)
        if mode.role == "production" and not is_production:
            yield finding("other_key_in_production", name, line=lines.get(name), word=word, where=key.where)


def _addresses(document: Document, mode: Mode, lines: Mapping[str, int]) -> Iterator[Finding]:
    webhook, served = document.filled("INNGEST_WEBHOOK_URL"), document.filled("INNGEST_SERVE_ORIGIN")
    for name, text in (("INNGEST_WEBHOOK_URL", webhook), ("INNGEST_SERVE_ORIGIN", served)):
        if not text or kinds.origin(text) is None or kinds.is_placeholder(text):
            continue
        if kinds.is_loopback(text):
            if mode.guarded and mode.inngest_mode != "dev":
                severity = "info" if mode.simulated else None
                yield finding("loopback_address", name, line=lines.get(name), severity=severity)  # type: ignore[arg-type]
        elif not text.lower().startswith("https:"):
            yield finding("webhook_not_https", name, line=lines.get(name))
    parts = kinds.split_url(webhook)
    if parts is not None and not kinds.is_placeholder(webhook):
        if not parts.path.endswith("/inngest") or parts.query or parts.fragment:
            yield finding("webhook_path", "INNGEST_WEBHOOK_URL", line=lines.get("INNGEST_WEBHOOK_URL"))
        origins = kinds.origin(webhook), kinds.origin(served)
        if all(origins) and origins[0] != origins[1]:
            yield finding("origin_mismatch", "INNGEST_SERVE_ORIGIN", line=lines.get("INNGEST_SERVE_ORIGIN"))


def _policy(document: Document) -> Iterator[Finding]:
    policy = policy_of(document)
    if policy == "relaxed":
        yield finding("relaxed_policy")
    if policy == "partly":
        redis_on = kinds.is_true(document.filled("REDIS_REQUIRED"))
        on, off = ("Redis", "Inngest") if redis_on else ("Inngest", "Redis")
        yield finding("partly_relaxed", "INNGEST_REQUIRED" if redis_on else "REDIS_REQUIRED", on=on, off=off)


def digest(found: Iterable[Finding]) -> str:
    """A short name for a set of findings, to tell whether a validation says something new."""
    text = "\n".join(f"{f.key}|{f.rule}|{f.severity}|{f.line}" for f in found)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
