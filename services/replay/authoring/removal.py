"""Takes credentials and personal data out of what becomes a case, and says what it took out where, never what it was.

The same value gets the same stand-in everywhere, so that what belonged together still does. Known forms only: e-mail
addresses, telephone numbers, IBANs, card numbers. Names have no form; a person reads the preview for those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.redact import REMOVED, scrub

_MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")
_PHONE = re.compile(r"(?<![\w.])(?:\+|00)\d{1,3}[ /().-]{0,2}\d(?:[ /().-]{0,2}\d){5,12}(?!\w)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What was taken out at one place: how many of which kind, and what stands there now."""

    path: str
    what: str
    number: int
    stand_in: str


@dataclass(slots=True)
class Remover:
    """Takes things out of one draft's values; keeps which stand-in each has."""

    removed: list[Removed] = field(default_factory=list)
    _stand_ins: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, value: Any, path: str) -> Any:
        """The value without them; `path` is where it stands, such as `input.text`."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, Mapping):
            return {self._key(str(name), path): self._named(str(name), inner, f"{path}.{name}")
                    for name, inner in value.items()}  # fmt: skip
        if isinstance(value, (list, tuple)):
            return [self.of(inner, f"{path}[{number}]") for number, inner in enumerate(value)]
        return value

    def _key(self, name: str, path: str) -> str:
        return self._text(name, f"{path}, a name")

    def _named(self, name: str, value: Any, path: str) -> Any:
        """A text under a name such as `password` is one whatever it looks like."""
        if isinstance(value, str) and value and scrub(f"{name}={value}") != f"{name}={value}":
            self.removed.append(Removed(path=path, what="credential", number=1, stand_in=REMOVED))
            return REMOVED
        return self.of(value, path)

    def _text(self, text: str, path: str) -> str:
        found = scrub(text)
        if found != text:
            number = max(1, found.count(REMOVED) - text.count(REMOVED))
            self.removed.append(Removed(path=path, what="credential", number=number, stand_in=REMOVED))
        for what, pattern, is_one, make in _KINDS:
            found = self._replaced(found, path, what, pattern, is_one, make)
        return found

    def _replaced(
        self, text: str, path: str, what: str, pattern: re.Pattern[str], is_one: Callable[[str], bool],
        make: Callable[[int], str],
    ) -> str:  # fmt: skip
        used: list[str] = []

        def stand_in(found: re.Match[str]) -> str:
            value = found[0]
            if not is_one(value):
                return value
            key = (what, re.sub(r"[\s-]", "", value).casefold())
            if key not in self._stand_ins:
                self._stand_ins[key] = make(1 + sum(known == what for known, _ in self._stand_ins))
            used.append(self._stand_ins[key])
            return used[-1]

        changed = pattern.sub(stand_in, text)
        for each in dict.fromkeys(used):
            self.removed.append(Removed(path=path, what=what, number=used.count(each), stand_in=each))
        return changed


def _is_mail(text: str) -> bool:
    return not text.lower().endswith(("@example.com", "@example.org", ".example", ".test"))


def _is_card(text: str) -> bool:
    """Luhn's check, ISO/IEC 7812-1."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = (d if n % 2 == 0 else sum(divmod(2 * d, 10)) for n, d in enumerate(reversed(digits)))
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """The check of ISO 13616: its letters as numbers, the first four characters last, modulo 97 is 1."""
    plain = re.sub(r"\s", "", text)
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= sum(c.isdigit() for c in text) <= 15


_Kind = tuple[str, re.Pattern[str], Callable[[str], bool], Callable[[int], str]]
_KINDS: tuple[_Kind, ...] = (
    ("e-mail address", _MAIL, _is_mail, lambda n: f"person{n}@example.com"),
    ("IBAN", _IBAN, _is_iban, lambda n: f"IBAN-{n}"),
    ("card number", _CARD, _is_card, lambda n: f"CARD-{n}"),
    ("telephone number", _PHONE, _is_phone, lambda n: f"+1 555 01{n % 100:02}"),  # 555 01xx is kept for fiction
)
