"""What is wrong with a deployment's settings, and which values cure it. Pure. Source: railway.md, domain.md §6."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from services.advice import Advice
from services.deploys.asked import Asked
from services.deploys.forecast import Needed
from services.deploys.platform import SECONDS, TITLES, UNREAD_FROM, Field, Platform
from services.units import seconds

Severity = Literal["error", "warning"]
UNSURE = re.compile(r"^(?:unnamed|unread|no_service_named|no_token|api_\w+)$")  # then what holds is not known
MESSAGES: Mapping[str, Mapping[str, str]] = tomllib.loads(Path(__file__).with_name("messages.toml").read_text())
SHELL = re.compile(r"^\s*(?:npm|yarn|pnpm|npx|bun)\b|^\s*(?:\S*/)?(?:ba|da)?sh\s+-c\b(?!\s*['\"]?\s*exec\b)|&&|;|\|")
WORKER = re.compile(r"\bworker\b|\bcelery\b|\brq\b|\bdramatiq\b", re.IGNORECASE)
WEB = re.compile(r"\b(?:uvicorn|gunicorn|hypercorn|next|flask|streamlit)\b", re.IGNORECASE)
SEVERAL = re.compile(r"(?<![&>])&(?!&)|\b(?:honcho|foreman|supervisord|concurrently|overmind|pm2)\b")
EDGE_S = 300  # the edge closes a request after so long without data
MOST_COST = 1.9  # times the cost of one version; the goal is below 2, which is two versions all the time
# Overlap and draining, in seconds. Source: domain.md §6.
USUAL, WORKER_ALONE, WEB_ALONE = (300, 180), (600, 300), (20, 30)
OLD_FILE = "railway.json: for services that still read it. It has no effect from 1 December 2026 on."
NEW_FILE = ".railway/railway.ts: its reference names neither overlap nor draining, so the variables stay."
CONNECT = 'connect([(client, functions)], instance_id=os.environ["RAILWAY_REPLICA_ID"])'


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing to change; `field` where it is about one setting."""

    code: str
    severity: Severity
    advice: Advice
    field: Field | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way out: its name (A, B, C), when it is enough, and the lines to set. `files`: the same for each system of
    configuration, as (title, text to paste)."""

    name: str
    title: str
    when: str
    lines: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()


def findings(found: Platform, now: datetime, *, deploys_a_month: float | None) -> tuple[Finding, ...]:
    """Of the settings, errors first."""
    made = [*_unread(found), *_seconds(found, now), *_only_in_file(found, now), *_effects(found, now)]
    return ordered([*made, *_cost(found, now, deploys_a_month)])


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first."""
    return tuple(sorted(found, key=lambda finding: get_args(Severity).index(finding.severity)))


def edge(function: str, step: str, longest_s: float) -> Finding:
    """A step that lasts longer than the edge keeps a silent request open."""
    return _made("edge", function=function, step=step or "run", minutes=f"{longest_s / 60:.0f}")


def of_asking(
    told: Asked, found: Platform, *, why_not: str, variable: str, service: str, now_ms: int
) -> Iterator[Finding]:
    """What is wrong with asking the platform's API; and where it says otherwise than the variables."""
    if why_not in {"no_service_named", "no_token"}:
        yield _made(why_not, variable=variable)
    if why_not:
        return
    if told.part:
        yield _made("api_no_deploys", why=told.why or told.code)
    elif told.code:
        yield _made(f"api_{told.code}", variable=variable, service=service, why=told.why)
    if told.is_old(now_ms):
        yield _made("api_old", age=seconds((now_ms - (told.read_ms or 0)) / 1000))
    fields: tuple[Field, ...] = ("overlap", "draining")
    for field in fields:
        lasting = (v for v in found.values if v.field == field and v.ends is None and v.is_number)
        written = next((v for v in lasting if v.value != told.values.get(field)), None)
        if field in told.values and written is not None:
            yield _made("differs", field, field=TITLES[field], api=told.values[field], source=written.source,
                        written=written.value)  # fmt: skip


def too_short(granted_s: int, needed: Needed) -> Finding:
    """Measured steps outlast what a deploy grants."""
    return _made("too_short", granted=str(granted_s), needed=str(needed.seconds))


def unnamed() -> Finding:
    """Nothing says which platform deploys it."""
    return _made("unnamed")


def unconfirmed(version: str, missing: Iterable[str]) -> Finding:
    """A deploy of which something doesn't hold a quarter of an hour later."""
    return _made("unconfirmed", version=version, missing=", ".join(missing))


def _unread(found: Platform) -> Iterator[Finding]:
    for item in found.unread:
        yield _made("unread", source=item.source, why=item.why)


def _seconds(found: Platform, now: datetime) -> Iterator[Finding]:
    fields: tuple[Field, ...] = ("overlap", "draining")
    for field in fields:
        value = found.effective(field, now)
        if value is None:
            yield _made(f"{field}_unset", field)
        elif not value.is_number:
            yield _made(f"{field}_no_number", field, source=value.source)
    for value in found.values:
        if value.is_text and value.ends is not None and now < value.ends:
            yield _made("number_as_text", value.field, source=value.source, field=TITLES[value.field].lower())


def _only_in_file(found: Platform, now: datetime) -> Iterator[Finding]:
    """Settings that stand only in a file that stops being read."""
    lasting = {value.field for value in found.values if value.ends is None}
    only = [value for value in found.values if value.ends is not None and value.field not in lasting]
    if not only:
        return
    lost = [value.field for value in only if value.field in SECONDS]
    then = " Overlap and draining are then 0." if len(lost) > 1 else f" {lost[0].title()} is then 0." if lost else ""
    yield _made(
        "only_in_file_soon" if now < UNREAD_FROM else "only_in_file",
        source=" and ".join(sorted({value.source.partition(",")[0] for value in only})),
        fields=", ".join(sorted({TITLES[value.field].partition(",")[0].lower() for value in only})),
        days=str((UNREAD_FROM - now).days), then=then,
    )  # fmt: skip


def _effects(found: Platform, now: datetime) -> Iterator[Finding]:
    """Settings that undo each other."""
    start, restart, sleeps = (found.effective(field, now) for field in ("start", "restart", "sleeps"))
    command = start.value if start is not None else ""
    is_worker = bool(WORKER.search(command))
    if found.effective("volume", now) is not None:
        yield _made("volume", "volume")
    if command and SHELL.search(command) and not command.lstrip().startswith("exec "):
        yield _made("shell", "start")
    if is_worker and restart is not None and restart.value == "ON_FAILURE":
        yield _made("on_failure", "restart")
    if is_worker and sleeps is not None and sleeps.value.lower() == "true":
        yield _made("sleeps", "sleeps")
    if is_worker and SEVERAL.search(command) and WEB.search(command):
        yield _made("together", "start")


def _cost(found: Platform, now: datetime, deploys_a_month: float | None) -> Iterator[Finding]:
    if deploys_a_month is None:
        return
    factor = cost_factor(found.seconds("overlap", now), deploys_a_month)
    if factor >= MOST_COST:
        yield _made("cost", "overlap", deploys=f"{deploys_a_month:.0f}", factor=f"{factor:.1f}")


def cost_factor(overlap_s: int, deploys_a_month: float) -> float:
    """Cost of a month beside one without overlap: two versions run for `overlap_s` at each deploy, so it is 1 to 2."""
    return 1 + min(1.0, deploys_a_month * overlap_s / (30 * 86_400))


def ways(needed: Needed | None, now: datetime) -> tuple[Way, ...]:
    """The three ways, in order, with the seconds that the measured steps need; the usual ones where they are enough."""
    overlap, draining = USUAL
    if needed is not None and needed.seconds > overlap + draining:
        overlap = draining = math.ceil(needed.seconds / 60) * 30
    known = ""
    if needed is not None:
        known = f" Measured steps need {needed.seconds} s{'' if needed.sure else ', as far as few of them tell'}."
    enough = f"Enough for steps of up to {(overlap + draining) // 60} min.{known}"
    apart = f"Where web and worker share a service. The web keeps {WEB_ALONE[0]} and {WEB_ALONE[1]}."
    longer = "For longer runs: with a second worker connected, a deploy pauses nothing."
    return (
        Way(
            name="A",
            title="Two variables",
            when=enough,
            lines=_lines(overlap, draining),
            files=_files(overlap, draining, now),
        ),
        Way(
            name="B",
            title="A service for the worker alone",
            when=apart,
            lines=_lines(*WORKER_ALONE),
            files=_files(*WORKER_ALONE, now),
        ),
        Way(name="C", title="Inngest Connect, two workers", when=longer, lines=("# two replicas, each:", CONNECT)),
    )


def _files(overlap: int, draining: int, now: datetime) -> tuple[tuple[str, str], ...]:
    """For the file that is no longer read, and for the one that took its place, whose reference has no such field."""
    old = json.dumps({"deploy": {"overlapSeconds": overlap, "drainingSeconds": draining}}, indent=2)
    words = ("// Not confirmed by the platform: set these as variables of the service.", *_lines(overlap, draining))
    new = (NEW_FILE, "\n// ".join(words))
    return ((OLD_FILE, old), new) if now < UNREAD_FROM else (new,)


def _lines(overlap: int, draining: int) -> tuple[str, ...]:
    return (f"RAILWAY_DEPLOYMENT_OVERLAP_SECONDS={overlap}", f"RAILWAY_DEPLOYMENT_DRAINING_SECONDS={draining}")


def _made(code: str, about: Field | None = None, /, **words: str) -> Finding:
    row = MESSAGES[code]
    severity: Severity = "error" if row["severity"] == "error" else "warning"
    return Finding(code=code, severity=severity, field=about,
                   advice=Advice(what=row["what"].format_map(words), fix=row["fix"]))  # fmt: skip
