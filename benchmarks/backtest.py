"""`python -m benchmarks.backtest`: a simulated year of deploys, each forecast from the 30 days before it; the plot.

Steps of eight kinds begin at random and last as a log-normal distribution says, some of which drift over the year.
Forty deploys a day come at moments that nobody chose, each with the overlap and draining of its environment. What was
forecast stands beside what the simulation cut. Seeded: the same year each time. Simulated, and said so in the plot.
"""

from __future__ import annotations

import random
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from pathlib import Path

from services.clock import DAY_MS
from services.deploys.forecast import SINCE_MS, Forecast, forecast
from services.store import durations
from services.store.durations import Durations

PLOT = Path(__file__).parents[1] / "docs" / "images" / "deploy-forecast.svg"
DAYS, DEPLOYS_A_DAY = 365, 40  # more than anybody deploys, so that rare cuts show
# Name, begins a day, median seconds, spread (sigma of the logarithm), drift of the median over the year.
KINDS = (
    ("fetch", 400, 1.5, 0.5, 1.0), ("embed", 300, 6, 0.4, 1.0), ("draft", 120, 40, 0.5, 1.6),
    ("judge", 120, 25, 0.6, 1.0), ("report", 24, 200, 0.5, 1.0), ("crawl", 12, 420, 0.7, 0.8),
    ("mail", 250, 0.8, 0.3, 1.0), ("plan", 150, 70, 0.35, 1.3),
)  # fmt: skip
GRANTS_S = (3, 30, 120, 480)  # of four environments
BINS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step: when it began, and how long it took, both in seconds."""

    begun_s: float
    took_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A kind of step at one deploy: what was forecast, how many were in progress, how many were cut."""

    forecast: Forecast
    in_progress: int
    cut: int


def year(seed: int = 1, *, days: int = DAYS, busy: float = 1.0) -> Iterator[Outcome]:
    """Every kind of step at every deploy of the year, from the second month on. `busy`: times as many steps."""
    generator = random.Random(seed)
    steps = {kind[0]: _steps(generator, kind, days, busy) for kind in KINDS}
    begins = {name: [step.begun_s for step in made] for name, made in steps.items()}
    longest = {name: max(step.took_s for step in made) for name, made in steps.items()}
    for day in range(30, days):
        known = tuple(_measured(name, made, begins[name], day) for name, made in steps.items())
        runs = tuple(_run(item) for item in known)
        deploys = [(day + generator.random()) * 86_400 for _ in range(DEPLOYS_A_DAY)]
        for grant in GRANTS_S:
            made = forecast(known, runs, runs, grant, day * DAY_MS)
            for at_s in deploys:
                for item in made:
                    yield _at(item, steps[item.step], begins[item.step], at_s, grant, longest[item.step])


def _steps(generator: random.Random, kind: tuple[str, int, float, float, float], days: int, busy: float) -> list[Step]:
    _, a_day, median, spread, drift = kind
    begun = sorted(generator.random() * days * 86_400 for _ in range(round(a_day * days * busy)))
    return [
        Step(begun_s=at, took_s=median * drift ** (at / (days * 86_400)) * generator.lognormvariate(0, spread))
        for at in begun
    ]


def _measured(name: str, made: list[Step], begins: list[float], day: int) -> Durations:
    """What was measured of a kind in the 30 days before that day."""
    low, high = (bisect_left(begins, at * 86_400) for at in (day - SINCE_MS // DAY_MS, day))
    found = durations.of(name, (step.took_s for step in made[low:high]))
    return Durations(function=name, step=name, number=found.number, since_ms=(day - SINCE_MS // DAY_MS) * DAY_MS,
                     longest_s=found.longest_s, counts=found.counts)  # fmt: skip


def _run(item: Durations) -> Durations:
    """Runs of one step each."""
    return Durations(function=item.function, step="", number=item.number, since_ms=item.since_ms,
                     longest_s=item.longest_s, counts=item.counts)  # fmt: skip


def _at(
    item: Forecast, made: list[Step], begins: list[float], at_s: float, grant_s: float, longest_s: float
) -> Outcome:
    """What a deploy at that moment meets: steps that have begun and not ended, and those that outlast the grant."""
    near = made[bisect_left(begins, at_s - longest_s) : bisect_right(begins, at_s)]
    working = [step for step in near if step.begun_s + step.took_s > at_s]
    cut = sum(step.begun_s + step.took_s > at_s + grant_s for step in working)
    return Outcome(forecast=item, in_progress=len(working), cut=cut)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Forecasts of about one size: how many, their mean, and the mean of what was cut."""

    number: int
    forecast: float
    cut: float


def calibration(found: list[Outcome]) -> tuple[Bin, ...]:
    """Mean forecast beside mean outcome, by size of the forecast."""
    bins: dict[int, list[Outcome]] = {}
    for item in found:
        bins.setdefault(bisect_right(BINS, item.forecast.expected or 0.0), []).append(item)
    return tuple(
        Bin(
            number=len(items),
            forecast=sum(item.forecast.expected or 0.0 for item in items) / len(items),
            cut=sum(item.cut for item in items) / len(items),
        )
        for _, items in sorted(bins.items())
    )


def share_of_safe_cut(found: list[Outcome]) -> tuple[int, int]:
    """Of steps in progress whose kind was forecast as safe: how many were cut, and how many there were."""
    safe = [item for item in found if item.forecast.risk == "safe"]
    return sum(item.cut for item in safe), sum(item.in_progress for item in safe)


def plot(bins: tuple[Bin, ...]) -> str:
    """Forecast against outcome on logarithmic axes, as SVG; on the line they are the same."""
    shown = [item for item in bins if item.forecast >= 1e-4 and item.cut > 0]

    def place(value: float, length: float) -> float:
        return (log10(value) + 4) / 5 * length  # 0.0001 to 10

    dots = "".join(
        f'<circle cx="{60 + place(b.forecast, 400):.1f}" cy="{330 - place(b.cut, 300):.1f}" r="5">'
        f"<title>{b.number} forecasts, mean {b.forecast:.4f}, cut {b.cut:.4f}</title></circle>"
        for b in shown
    )
    ticks = "".join(
        f'<text x="{60 + place(v, 400):.0f}" y="350" text-anchor="middle">{v:g}</text>'
        f'<text x="52" y="{334 - place(v, 300):.0f}" text-anchor="end">{v:g}</text>'
        for v in (0.001, 0.01, 0.1, 1, 10)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 390" font-family="sans-serif" font-size="12" '
        'fill="#444"><title>Forecast of steps cut by a deploy, and what was cut, in a simulated year</title>'
        '<rect width="480" height="390" fill="#fff"/>'
        '<path d="M60 330H460M60 330V30" stroke="#888" fill="none"/><path d="M60 330L460 30" stroke="#bbb"/>'
        f'{ticks}<g fill="#1f6feb">{dots}</g><text x="260" y="375" text-anchor="middle">Forecast: steps of a kind cut '
        'by a deploy</text><text x="66" y="24">Cut (simulated year, seeded)</text></svg>\n'
    )


def main() -> int:
    """Print the table and write the plot."""
    found = list(year(busy=3))
    bins = calibration(found)
    cut, seen = share_of_safe_cut(found)
    print(f"{len(found):,} forecasts; of {seen:,} steps in progress that were forecast as safe, {cut} were cut")
    for item in bins:
        print(f"{item.number:>8,} forecasts  mean {item.forecast:.5f}  cut {item.cut:.5f}")
    PLOT.write_text(plot(bins), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
