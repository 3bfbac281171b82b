"""How each SLO of an environment stands. The same answer for page, API, metrics and command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from services.clock import DAY_MS, HOUR_MS, MINUTE_MS
from services.evidence import chain
from services.settings.model import Environment
from services.slo import burn, window
from services.slo.budget import ObjectiveStatus, stand
from services.slo.burn import Tally
from services.slo.objectives import TrackedSlo, slos_of
from services.slo.reading import History, Sums, Wanted
from services.slo.window import Range
from services.store import Store, deploys, rollups
from services.store.deploys import Maintenance
from services.store.parts import Part

WORST = {"broken": 0, "at_risk": 1, "no_data": 2, "ok": 3}
POINTS = 90


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One SLO. `window_days` is what it was computed over, `burn_down` (time in ms, share of the budget left)."""

    slo: TrackedSlo
    window_days: int
    from_ms: int
    status: ObjectiveStatus
    sums: Sums
    burn_down: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Slos:
    """All SLOs of an environment, worst first, as of the last full minute."""

    environment: str
    simulated: bool
    as_of_ms: int
    rows: tuple[Row, ...]
    maintenance: tuple[Maintenance, ...]
    verdict: str | None = None  # of the environment, as it was last kept; None where none was


def slos(
    store: Store, environment: Environment, now_ms: int, *, days: int | None = None, minute_days: int = 30
) -> Slos:
    """Compute every SLO over its own window, or over `days`."""
    with store.read() as connection:
        found = computed(connection, environment, now_ms, days=days, minute_days=minute_days)
        kept = chain.newest(connection, environment.name, "verdict")
    return replace(found, verdict=None if kept is None else str(kept.value))


def computed(
    connection: Connection, environment: Environment, as_of_ms: int, *, days: int | None, minute_days: int = 30
) -> Slos:
    """The same inside a transaction. Beyond the minutes that are kept, `as_of` is taken back to the full hour."""
    made = slos_of(environment)
    end = window.end_of(as_of_ms)
    known = rollups.closed_until(connection, environment.name)
    newest = max((closed for _, closed in known.values() if closed is not None), default=0)
    if newest - end > (minute_days - 4) * DAY_MS:
        end -= end % HOUR_MS
    begins = {p.sli: window.days_before(end, days or p.days) for p in made}
    holes = deploys.declared(connection, environment.name, min(begins.values(), default=end), end)
    closed_by_sli = {p.sli: known[environment.name, p.sli] for p in made if (environment.name, p.sli) in known}
    counted = _counted(holes)
    spans = {sli: window.without(begin, end, counted) for sli, begin in begins.items()}
    short = {seconds: window.without(end - seconds * 1000, end, counted) for seconds in burn.WINDOWS_S}
    history = History(
        connection, dict(closed_by_sli.values()),
        plain=[item for stretches in short.values() for item in stretches],
        with_sketches=[item for stretches in spans.values() for item in stretches],
    )  # fmt: skip
    rows = [
        _row(history, closed_by_sli.get(p.sli, (None, None))[0], p, spans[p.sli], short, begins[p.sli], end,
             days or p.days)
        for p in made
    ]  # fmt: skip
    order = {p.sli: place for place, p in enumerate(made)}
    rows.sort(key=lambda row: (WORST[row.status.state], _left(row), order[row.slo.sli]))
    return Slos(
        environment=environment.name, simulated=environment.simulated, as_of_ms=end, rows=tuple(rows),
        maintenance=holes,
    )  # fmt: skip


def _row(
    history: History, key: int | None, slo: TrackedSlo, ranges: Wanted, short: dict[int, Wanted], begin: int,
    end: int, days: int,
) -> Row:  # fmt: skip
    objective = slo.objective
    sums = Sums(tally=Tally(), unknown=0, covered_ms=0) if key is None else history.sums(key, ranges)
    found = burn.burns(
        lambda seconds: Tally() if key is None else history.tally(key, short[seconds]),
        objective.target, objective.burn, objective.min_events,
    )  # fmt: skip
    status = stand(
        sums.tally, unknown=sums.unknown, covered_s=sums.covered_ms / 1000,
        window_s=sum(high - low for low, high in ranges) / 1000, target=objective.target,
        min_events=objective.min_events, burns=found,
    )  # fmt: skip
    parts = [] if key is None else history.parts(key, ranges)
    return Row(
        slo=slo, window_days=days, from_ms=begin, status=status, sums=sums,
        burn_down=_burn_down(parts, status, begin, end),
    )  # fmt: skip


def _burn_down(parts: Sequence[Part], status: ObjectiveStatus, begin: int, end: int) -> tuple[tuple[int, float], ...]:
    """What was left of the window's whole budget as time went on."""
    if status.budget is None or status.budget.allowed_events <= 0:
        return ()
    points = [(begin, 1.0)]
    bad, step = 0, max(MINUTE_MS, (end - begin) // POINTS)
    for part in sorted(parts, key=lambda item: item.from_ms):
        bad += part.bad
        left = 1 - bad / status.budget.allowed_events
        if part.from_ms - points[-1][0] >= step:
            points.append((part.from_ms, left))
        else:
            points[-1] = (points[-1][0], left) if len(points) > 1 else points[-1]
    return (*points, (end, status.budget.remaining))


def _counted(holes: Sequence[Maintenance]) -> list[Range]:
    return [(item.from_ms, item.until_ms) for item in holes if item.withdrawn_ms is None]


def _left(row: Row) -> float:
    return row.status.budget.remaining if row.status.budget is not None else 1.0
