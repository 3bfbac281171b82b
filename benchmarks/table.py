"""Figures, and when one meets its goal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A measured value with its goal; `goal` None is told for comparison alone."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["less", "more"] = "less"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better == "less" else self.value >= self.goal


def markdown(figures: Iterable[Figure]) -> str:
    """The figures as a table, misses included."""
    rows = ["| figure | measured | goal | met | note |", "|---|---:|---:|---|---|"]
    for figure in figures:
        sign = "≤" if figure.better == "less" else "≥"
        goal = "–" if figure.goal is None else f"{sign} {_number(figure.goal)} {figure.unit}"
        met = {None: "–", True: "yes", False: "**no**"}[figure.met]
        rows.append(f"| {figure.what} | {_number(figure.value)} {figure.unit} | {goal} | {met} | {figure.note} |")
    return "\n".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
