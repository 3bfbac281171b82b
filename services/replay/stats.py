"""Whether a drop is real, and how often the gate errs. Exact arithmetic, no dependency."""

from __future__ import annotations

from math import comb, exp, lgamma, log, log1p


def mcnemar_exact(worse: int, better: int) -> float:
    """Two-sided p-value of McNemar's exact test over the cases that flipped. Source: McNemar 1947. 1 for no flips."""
    flips = worse + better
    if flips == 0:
        return 1.0
    tail = sum(comb(flips, k) for k in range(min(worse, better) + 1)) / (1 << flips)
    return min(1.0, 2 * tail)


def pass_hat_k(passed: int, tries: int, k: int) -> float:
    """pass^k: the chance that k of the tries made all pass. Source: tau-bench, Yao et al. 2024."""
    if not 0 < k <= tries:
        raise ValueError(f"k must lie between 1 and the {tries} tries made")
    return comb(passed, k) / comb(tries, k)


def needed_passes(total: int, rate: float) -> int:
    """How many of `total` must pass so that the share is at least `rate`, free of rounding of floats."""
    return next((n for n in range(total + 1) if n / total >= rate - 1e-12), total) if total else 0


def gate_passes(true_rate: float, total: int, gate: float) -> float:
    """How often an agent that passes each case with `true_rate` gets through the gate (independent single shots)."""
    needed = needed_passes(total, gate)
    if true_rate in {0.0, 1.0} or needed == 0:
        return 1.0 if true_rate == 1.0 or needed == 0 else 0.0
    return min(1.0, sum(_binomial(n, total, true_rate) for n in range(needed, total + 1)))


def _binomial(n: int, total: int, rate: float) -> float:
    """The chance of exactly n of total; by logarithms, as thousands of cases overflow a float."""
    ways = lgamma(total + 1) - lgamma(n + 1) - lgamma(total - n + 1)
    return exp(ways + n * log(rate) + (total - n) * log1p(-rate))


def repeated_rate(true_rate: float, repeats: int, needed: int) -> float:
    """A case's chance to pass where at least `needed` of `repeats` tries must (independent: a best case)."""
    return sum(comb(repeats, n) * true_rate**n * (1 - true_rate) ** (repeats - n) for n in range(needed, repeats + 1))
