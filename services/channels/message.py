"""One message, whatever service takes it: what, state, cause, next step, link. Its texts come in part from outside."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from services.redact import scrub

Event = Literal["opened", "worse", "resolved", "reminder", "flapping", "acknowledged", "digest", "test", "several"]
Severity = Literal["page", "notify", "digest"]
MOST_TITLE, MOST_TEXT = 200, 1500
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is sent. `key` stays the same when it is sent again; `thread` is that of all messages of one alert."""

    key: str
    thread: str
    event: Event
    severity: Severity
    environment: str
    cause: str
    title: str
    what: str
    fix: str = ""
    also: tuple[str, ...] = ()  # what is down with it, or the lines of a digest
    link: str = ""
    at_ms: int = 0
    simulated: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The body in lines of plain text: cause, what is affected, next step."""
        found = [self.what] if self.what else []
        found += [f"• {line}" for line in self.also] if self.event in {"digest", "several"} else []
        if self.also and self.event not in {"digest", "several"}:
            found.append(f"With it: {listed(self.also)}.")
        found += [f"What to do: {self.fix}"] if self.fix and self.event != "resolved" else []
        return tuple(found)

    @property
    def ends(self) -> bool:
        """Whether it says that something is over."""
        return self.event == "resolved"


def listed(names: tuple[str, ...], most: int = 5) -> str:
    """Names in a row, the first few of many: `readiness, email queue and 12 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def plain(text: str, most: int = MOST_TEXT) -> str:
    """A text on one line: no controls, nothing that turns the direction of writing, no known form of a credential."""
    kinds = {sign: unicodedata.category(sign) for sign in set(text)}
    kept = (" " if kinds[s] in {"Cc", "Zl", "Zp"} else s for s in text if kinds[s] not in {"Cf", "Cs"} or s in _JOINERS)
    one_line = " ".join(scrub("".join(kept)).split())
    return one_line if len(one_line) <= most else one_line[: most - 1].rstrip() + "…"


# No service makes a link or mention of a text with a zero-width joiner inside; people see no difference.
_LIVE = re.compile(r"(?i)(https?|ftp)://|@(?=\w)|www\.")


def inert(text: str) -> str:
    """A text in which no service finds an address to link or a person to mention: it may come from outside."""
    return _LIVE.sub(lambda match: match.group()[0] + "\u2060" + match.group()[1:], text)
