"""States, numbers and times as they read on screen. The only module that rounds, formats and names colours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services import clock, units
from services.dependencies.messages import MESSAGES, brief
from services.dependencies.registry import KINDS, STRICT_TITLES
from services.slo.objectives import WORDS

milliseconds, seconds, share, quantity = units.milliseconds, units.seconds, units.share, units.quantity
size, number = units.size, units.number


@dataclass(frozen=True, kw_only=True, slots=True)
class Appearance:
    """A state's word, its CSS tone and its symbol; all three always stand together."""

    word: str
    tone: str
    symbol: str


APPEARANCES: Mapping[str, Appearance] = {
    "ok": Appearance(word="ok", tone="good", symbol="check_circle"),
    "ready": Appearance(word="ready", tone="good", symbol="check_circle"),
    "slow": Appearance(word="slow", tone="warn", symbol="warning"),
    "degraded": Appearance(word="degraded", tone="warn", symbol="warning"),
    "down": Appearance(word="down", tone="bad", symbol="cancel"),
    "not_ready": Appearance(word="not ready", tone="bad", symbol="cancel"),
    "unknown": Appearance(word="unknown", tone="none", symbol="help"),
    "unasked": Appearance(word="no Go asked", tone="none", symbol="radio_button_unchecked"),
    "strict": Appearance(word="strict", tone="plain", symbol=""),
    "fail": Appearance(word="failed", tone="bad", symbol="cancel"),
    "warning": Appearance(word="warning", tone="warn", symbol="warning"),
    "info": Appearance(word="note", tone="none", symbol="help"),
    "GO": Appearance(word="Go", tone="good", symbol="check_circle"),
    "NO_GO": Appearance(word="No-Go", tone="bad", symbol="cancel"),
    "pass": Appearance(word="met", tone="good", symbol="check_circle"),
    "done": Appearance(word="done", tone="good", symbol="check_circle"),
    "open": Appearance(word="to do", tone="none", symbol="radio_button_unchecked"),
    "soaking": Appearance(word="running", tone="none", symbol="schedule"),
    "waiting": Appearance(word="blocked", tone="none", symbol="schedule"),
    "failed": Appearance(word="not done", tone="bad", symbol="cancel"),
    "PASS": Appearance(word="passed", tone="good", symbol="check_circle"),
    "FAIL": Appearance(word="failed", tone="bad", symbol="cancel"),
    "BLOCK": Appearance(word="blocked", tone="bad", symbol="cancel"),
    "RELAXED": Appearance(word="relaxed: nothing enforced", tone="warn", symbol="warning"),
    "at_risk": Appearance(word="at risk", tone="warn", symbol="warning"),
    "broken": Appearance(word="broken", tone="bad", symbol="cancel"),
    "no_data": Appearance(word="no data yet", tone="none", symbol="help"),
    "INCONCLUSIVE": Appearance(word="not enough evidence", tone="none", symbol="help"),
    "relaxed": Appearance(word="relaxed", tone="warn", symbol="warning"),
    "mixed": Appearance(word="partly strict", tone="warn", symbol="warning"),
}

JUST_NOW_MS = 2000
EITHER, BOTH = " or ".join(STRICT_TITLES), " and ".join(STRICT_TITLES)

GLOSSES: Mapping[str, str] = {kind.name: kind.gloss for kind in KINDS.values()} | {
    name: words for kind in KINDS.values() for name, words in kind.glosses.items()
}

# Words that somebody who is no engineer may meet for the first time, in lower case and in the singular.
TERMS: Mapping[str, str] = {
    "strict": f"Strict: the application itself refuses to work while {EITHER} is not healthy.",
    "relaxed": f"Relaxed: the application works on without {EITHER}, so that an outage of them goes unnoticed.",
    "hosting platform": "Hosting platform: where the application runs and its variables are kept, as Railway.",
    "redeploy": "Redeploy: restart the application on its hosting platform, so that saved variables count.",
    "variable": "Variable: a setting with a name and a value that the application reads when it starts.",
    "soak": "Soak: a long run in which nothing fails and nothing is changed.",
    "canary run": "Canary run: a few golden cases, replayed on a schedule.",
    "golden case": "Golden cases: questions whose right answers are known.",
    "replay gate": "Replay gate: whether the agent still answers the golden cases rightly.",
    "campaign": "Campaign: one way from relaxed to strict, under a name of its own.",
    "worker": "Worker: the part of Greenlight that measures; it runs beside these pages.",
    **{kind.name: kind.gloss for kind in KINDS.values() if kind.strict},
    **{word: words for kind in KINDS.values() for word, words in kind.terms.items()},
}

TITLES: Mapping[str, str] = {name: words for kind in KINDS.values() for name, words in kind.titles.items()}

# Findings that stand for the state "slow" without anything being slow, in their own word.
FINDING_WORDS: Mapping[str, str] = {"prober.stale": "stale", "prober.never": "not measured yet"} | {
    code: word for kind in KINDS.values() for code, word in kind.states.items()
}

POLICIES: Mapping[str, str] = {
    "strict": f"Strict: without {BOTH} the application reports not ready.",
    "relaxed": f"Relaxed: an outage of {EITHER} goes unnoticed. Nothing is enforced.",
    "mixed": f"Partly strict: only one of {BOTH} is enforced.",
    "unknown": "Policy unknown: the application's own report could not be read.",
}

SLI_TITLES: Mapping[str, tuple[str, str]] = {name: (words.short, words.unit) for name, words in WORDS.items()}


def appearance(state: str) -> Appearance:
    """How a state looks; anything unheard of checks unknown."""
    return APPEARANCES.get(state, APPEARANCES["unknown"])


def finding_word(code: str, state: str) -> str:
    """The word for a state, or its finding's own where that says it better."""
    return FINDING_WORDS.get(code, appearance(state).word) if state in {"slow", "unknown"} else appearance(state).word


def title(name: str) -> str:
    """A dependency's or probe's name for people."""
    first, _, instance = name.partition(":")
    if instance and first in KINDS:
        return f"{KINDS[first].title} {instance}"
    return TITLES.get(name, name)


def cause(code: str) -> str:
    """What a span's cause adds to its state: the probe that was worst, or the finding, in words."""
    if not code:
        return ""
    return f": {brief(code) if code in MESSAGES else title(code)}"


def gloss(name: str) -> str:
    """One line on what a dependency is."""
    return GLOSSES.get(name.split(":", 1)[0].split(".", 1)[0], "")


def age(at_ms: int | None, now_ms: int) -> str:
    """`12 s ago`, `just now` within two seconds; `never` for None."""
    if at_ms is None:
        return "never"
    return "just now" if now_ms - at_ms < JUST_NOW_MS else f"{seconds((now_ms - at_ms) / 1000)} ago"


def zone(name: str | None) -> tzinfo:
    """The viewer's time zone; UTC where the browser doesn't say."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def moment(at_ms: int, where: tzinfo, *, short: bool = False) -> str:
    """`21 Nov 2026, 14:03:12 CET`; short: `21 Nov 14:03`."""
    local: datetime = clock.from_ms(at_ms).astimezone(where)
    return f"{local:%d %b %H:%M}" if short else f"{local:%d %b %Y, %H:%M:%S %Z}"


def times(value: float | None) -> str:
    """`14.4 ×`; `–` for None, `without end` for the infinite."""
    if value is None:
        return "–"
    return f"{value:.3g}\u00a0×" if math.isfinite(value) else "without end"
