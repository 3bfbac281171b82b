"""What changed on an environment since a report on it was last taken, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from services.access import named
from services.evidence import chain, decisions, exports
from services.evidence.exports import Export
from services.store import deploys
from services.verdict.model import STATE_WORDS, RuleResult, State
from services.verdict.rules import RULES
from services.verdict.view import CHECK

MOST_READ = 1000  # verdicts: they are kept when they change, and hourly
MOST_SAID = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """`lines` is () where nothing changed; `since` is the report that was taken last."""

    since: Export
    lines: tuple[str, ...]


def since_last(
    connection: Connection, environment: str, kind: str, state: str, results: Sequence[RuleResult], now_ms: int
) -> Changes | None:
    """Changes since the last report of this kind; None where there was none."""
    last = exports.newest(connection, environment, kind)
    if last is None or last.at_ms > now_ms:
        return None
    lines = [f"The verdict was {_words(last.state)} and is {_words(state)}."] if last.state != state else []
    lines += _requirements(connection, environment, last.at_ms, results)
    lines += [
        f"Version {deploy.version} was deployed."
        for deploy in deploys.since(connection, environment, last.at_ms, now_ms + 1)
    ]
    lines += [
        f"{decisions.WORDS[d.kind]}{'' if d.holds else ' (taken back)'}, by {named(d.by, verified=d.verified)}."
        for kind_ in decisions.KINDS
        for d in decisions.history(connection, environment, kind_, limit=MOST_SAID)
        if last.at_ms < d.at_ms <= now_ms
    ]
    more = len(lines) - MOST_SAID
    return Changes(since=last, lines=(*lines[:MOST_SAID], *([f"And {more} more."] if more > 0 else [])))


def _words(state: str) -> str:
    known: State | None = next((name for name in STATE_WORDS if name == state), None)
    return "not known" if known is None else STATE_WORDS[known]


def _requirements(connection: Connection, environment: str, at_ms: int, results: Sequence[RuleResult]) -> list[str]:
    """Which requirements are met now and were not then, and the other way round."""
    kept = chain.history(connection, environment, check=CHECK, limit=MOST_READ)
    then = next((record for _, _, record in kept if record.at_ms <= at_ms), None)
    if then is None:
        return []
    before = {str(rule) for rule in then.detail.get("blocking", ())}
    titles = {rule.id: rule.title for rule in RULES}
    now = {result.rule for result in results if result.outcome != "pass"}
    lines = [f"Now met: {titles.get(rule, rule)}." for rule in sorted(before - now)]
    return lines + [f"No longer met: {titles.get(rule, rule)}." for rule in sorted(now - before)]
