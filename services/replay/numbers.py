"""Numbers in a text as people write them: thousands separators, money, percent, decimal comma. Pure.

A text such as `1,234` may be 1234 or 1.234; both readings count, as the person who reads it can't tell either. A number
within a longer one, a date, a version or a word is none: 12 is not in 312, 12.5, 2024-12-01 or A12.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SPACE = " \u00a0\u2009\u202f"  # blank, no-break, thin and narrow no-break space
_GROUPS = rf"\d{{1,3}}(?:[{_SPACE}]\d{{3}})+(?:[.,]\d+)?|\d{{1,3}}(?:['’]\d{{3}})+(?:\.\d+)?"
_INDIAN = r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?"
_PLAIN = r"\d+(?:[.,]\d+)*|[.]\d+"
_NUMBER = re.compile(
    rf"(?<![\w.,])(?P<open>\()?(?P<sign>[-−–+])?[{_SPACE}]?(?P<money>[$€£¥₹]|[A-Z]{{3}}[{_SPACE}]?)?(?P<sign2>[-−])?"
    rf"(?P<number>{_INDIAN}|{_GROUPS}|{_PLAIN})(?P<exp>[eE][+-]?\d{{1,3}})?(?=[A-Z]{{3}}\b|(?!\w))(?![.,]\d|[-–/:]\d)"
)
_BEFORE = re.compile(r"(?:\w[-–/]|\d:)$")


def numbers(text: str) -> Iterator[tuple[float, ...]]:
    """Each number of a text, as all its readings; a percentage also as a share."""
    for found in _NUMBER.finditer(text):
        start = found.start()
        if _BEFORE.search(text[max(0, start - 2) : start]) or _is_part(text, found):
            continue
        minus = (found["sign"] or found["sign2"] or "") in {"-", "−", "–"} or _in_brackets(text, found)
        exponent = found["exp"] or ""
        readings = {float(reading + exponent) * (-1 if minus else 1) for reading in _readings(found["number"])}
        if re.match(rf"[{_SPACE}]?(%|percent\b|per cent\b)", text[found.end() :]):
            readings |= {reading / 100 for reading in readings}
        yield tuple(sorted(readings))


def _in_brackets(text: str, found: re.Match[str]) -> bool:
    """Accountants write (1,234.50) for a negative number; a bare (3) is a list's number."""
    return found["open"] is not None and found["money"] is not None and text[found.end() : found.end() + 1] == ")"


def _is_part(text: str, found: re.Match[str]) -> bool:
    """A sign that joins a number to a word or number before it makes it no number of its own: `A-12`, `10-12`."""
    at = found.start("sign") if found["sign"] else -1
    return at > 0 and text[at - 1].isalnum()


def _readings(text: str) -> set[str]:
    """A number's digits with a decimal point, in each way that it can be read."""
    for mark in (*_SPACE, "'", "’"):
        text = text.replace(mark, "")
    points, commas = text.count("."), text.count(",")
    if points and commas:
        last = max(text.rfind("."), text.rfind(","))
        other = "," if text[last] == "." else "."
        return {text[:last].replace(other, "") + "." + text[last + 1 :]} if text.count(text[last]) == 1 else set()
    mark, count = (".", points) if points else (",", commas)
    if count > 1:
        groups = text.split(mark)
        whole = {text.replace(mark, "")}
        return whole if all(len(group) == 3 for group in groups[1:]) or _is_indian(groups) else set()
    if count == 1:
        head, tail = text.split(mark)
        readings = {f"{head or '0'}.{tail}"}
        if len(tail) == 3 and 1 <= len(head) <= 3 and head != "0":
            readings |= {head + tail}
        return readings
    return {text}


def _is_indian(groups: list[str]) -> bool:
    return len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[1:-1])


def holds(text: str, wanted: float, *, tolerance: float = 0.0) -> bool:
    """Whether a text names a number, within the tolerance."""
    margin = tolerance * (1 + 1e-9) + 1e-9 * max(1.0, abs(wanted)) * (1 if tolerance else 1e-3)
    return any(abs(reading - wanted) <= margin for readings in numbers(text) for reading in readings)
