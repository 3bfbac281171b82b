"""Shares and quantiles of what was counted. Exact arithmetic, no dependency."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import NormalDist


def wilson(passed: float, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion; (0, 1) for no cases. Source: Wilson 1927, Brown, Cai, DasGupta 2001."""
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = passed / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low = 0.0 if passed == 0 else middle - half
    high = 1.0 if passed == total else middle + half
    return max(0.0, low), min(1.0, high)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of these values, in order, that at least that share does not exceed: no interpolation."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
