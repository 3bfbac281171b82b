"""How far several judges agree. Krippendorff's alpha, and Cohen's kappa for two; exact arithmetic, no dependency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from services.counting import wilson

Metric = Callable[[float, float], float]


def nominal(one: float, other: float) -> float:
    """The squared difference of two categories."""
    return float(one != other)


def interval(one: float, other: float) -> float:
    """The squared difference of two scores."""
    return (one - other) ** 2


def alpha(units: Iterable[Sequence[float | None]], metric: Metric = nominal) -> float | None:
    """Krippendorff's alpha; a unit is what was judged, with each judge's value, None where one is missing.

    1 is agreement, 0 what chance gives. None where it is not known: no unit has two values, or all values are the same.
    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability; 2004, Content Analysis, chapter 11.
    """
    paired = [values for unit in units if len(values := [v for v in unit if v is not None]) > 1]
    number = sum(len(values) for values in paired)
    expected = _disagreement(Counter(v for values in paired for v in values), metric)
    if number < 2 or expected == 0:
        return None
    observed = sum(_disagreement(Counter(values), metric) / (len(values) - 1) for values in paired)
    return 1 - (number - 1) * observed / expected


def _disagreement(counts: Counter[float], metric: Metric) -> float:
    """The sum of the squared differences over all ordered pairs of values."""
    return sum(n * m * metric(one, other) for one, n in counts.items() for other, m in counts.items() if one != other)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kappa:
    """How far two agree beyond chance. `value` and `interval` are None where they are not known."""

    value: float | None
    interval: tuple[float, float] | None
    agreed: int
    total: int


def kappa(pairs: Iterable[tuple[bool, bool]], confidence: float = 0.95) -> Kappa:
    """Cohen's kappa over pairs of yes and no, with its large-sample interval.

    Not known without a pair, and where both always say the same one word. Source: Cohen 1960; the standard error of
    Fleiss, Cohen and Everitt 1969.
    """
    counts = Counter(pairs)
    total = sum(counts.values())
    agreed = counts[True, True] + counts[False, False]
    if not total:
        return Kappa(value=None, interval=None, agreed=0, total=0)
    share = {pair: n / total for pair, n in counts.items()}
    rows = {a: sum(p for (x, _), p in share.items() if x is a) for a in (True, False)}
    columns = {b: sum(p for (_, y), p in share.items() if y is b) for b in (True, False)}
    observed, chance = agreed / total, sum(rows[a] * columns[a] for a in (True, False))
    if chance >= 1:
        return Kappa(value=None, interval=None, agreed=agreed, total=total)
    value = (observed - chance) / (1 - chance)
    if agreed == total:  # the large-sample interval would be a point: that of the share agreed, by Wilson, instead
        low, _ = wilson(agreed, total, confidence)
        return Kappa(value=value, interval=((low - chance) / (1 - chance), 1.0), agreed=agreed, total=total)
    left = 1 - value
    same = sum(share.get((a, a), 0) * (1 - (rows[a] + columns[a]) * left) ** 2 for a in (True, False))
    other = left**2 * sum(share.get((a, b), 0) * (columns[a] + rows[b]) ** 2 for a, b in ((True, False), (False, True)))
    spread = same + other - (value - chance * left) ** 2
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(max(0.0, spread) / total) / (1 - chance)
    return Kappa(value=value, interval=(max(-1.0, value - half), min(1.0, value + half)), agreed=agreed, total=total)
