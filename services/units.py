"""How amounts read. Text for pages, reports and command lines alike; the domain itself never rounds."""

from __future__ import annotations

import math


def milliseconds(value: float | None) -> str:
    """`0.42 ms`, `62 ms`, `1.3 s`; `not measured` for None."""
    if value is None:
        return "not measured"
    if value >= 10_000:
        return seconds(value / 1000)
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2g} ms" if value < 1 else f"{value:.1f} ms"


def seconds(value: float | None) -> str:
    """`12 s`, `3 min 5 s`, `3 h 12 min`, `2 d 4 h`; `not measured` for None."""
    if value is None:
        return "not measured"
    whole = max(0, int(value))
    for size, word, smaller, small_word in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {word}" + (f" {rest} {small_word}" if rest else "")
    return f"{whole} s"


def share(value: float | None, beside: float | None = None) -> str:
    """`99.97 %`: rounded down, so that 100 % means all; as many digits as tell it from what it stands beside."""
    if value is None:
        return "not measured"
    for digits in range(2, 7):
        scale = 10**digits
        text = math.floor(value * 100 * scale + 1e-7) / scale
        if beside is None or value == beside or text != beside * 100:
            return f"{text:.{digits}f}".rstrip("0").rstrip(".") + " %"
    return f"{value * 100:.6f} %"


def percent(value: float) -> str:
    """An estimate, to the nearest whole percent: `19 %`. What was measured goes by `share`."""
    return f"{value * 100:.0f} %"


def quantity(value: float | None, unit: str) -> str:
    """A measured value with its unit: milliseconds and seconds as times, anything else as a number."""
    if value is None:
        return "not measured"
    if unit == "ms":
        return milliseconds(value)
    if unit == "s":
        return seconds(value) if value >= 1 else f"{value:.2g} s"
    return f"{value:,.4g} {unit}".strip()


def part(fraction: float) -> str:
    """A part of a whole, small ones with a digit more: `0.4 %`, `63 %`."""
    return f"{fraction * 100:.0f} %" if fraction >= 0.1 else f"{fraction * 100:.1f} %"


def size(value: int) -> str:
    """`512 B`, `967 KiB`, `256 MiB`."""
    amount = float(value)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def number(value: int) -> str:
    """`224,640`."""
    return f"{value:,}"


def as_found(value: object) -> str:
    """What another program reports, as text: `224,640`, `ok`, `not reported` for None."""
    if value is None:
        return "not reported"
    return number(value) if isinstance(value, int) else str(value)
