"""The kinds of dependencies. A new one is a folder, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from services.dependencies.app.kind import APP
from services.dependencies.dns.kind import DNS
from services.dependencies.heartbeat.kind import HEARTBEAT
from services.dependencies.http.kind import HTTP
from services.dependencies.inngest.kind import INNGEST
from services.dependencies.kind import CheckWords, Kind, SliWords
from services.dependencies.model_api.kind import MODEL_API
from services.dependencies.postgres.kind import POSTGRES
from services.dependencies.queue.kind import QUEUE
from services.dependencies.redis.kind import REDIS
from services.dependencies.smtp.kind import SMTP
from services.dependencies.tcp.kind import TCP

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (APP, REDIS, INNGEST, QUEUE, HTTP, TCP, DNS, POSTGRES, MODEL_API, SMTP, HEARTBEAT)
}  # fmt: skip

CHECKS: Mapping[str, CheckWords] = {name: words for kind in KINDS.values() for name, words in kind.checks.items()}
SLIS: Mapping[str, SliWords] = {name: words for kind in KINDS.values() for name, words in kind.slis.items()}
# What strict mode is about by default, in words: the kinds that it rests on.
STRICT_TITLES = tuple(kind.title for kind in KINDS.values() if kind.strict)
MINOR = frozenset(code for kind in KINDS.values() for code in kind.minor)
BREAKS: Mapping[str, str] = {probe: words for kind in KINDS.values() for probe, words in kind.breaks.items()}


def checks_of(rule: str) -> tuple[str, ...]:
    """The checks of all kinds that feed a rule of the verdict."""
    return tuple(name for name, words in CHECKS.items() if words.rule == rule)


def strict_probes(dependency: str) -> tuple[str, ...]:
    """The probes on which strict mode rests where it is about this dependency: its kind's, or its own."""
    kind = KINDS.get(dependency)
    return kind.strict if kind is not None and kind.strict else (dependency,)
