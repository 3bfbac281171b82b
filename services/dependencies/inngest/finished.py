"""Finished runs: kept once each, counted where a pulse did not count them; and what their steps took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection

from services.dependencies.inngest.pulse import PULSES, SUCCESS, WAIT
from services.dependencies.model import RunSeen
from services.dependencies.run import Observation
from services.store import durations, inngest_runs
from services.store.durations import AGAIN, CUT, RAN, RUN, STEP
from services.store.inngest_runs import Ended
from services.store.samples import Sample

RUN_SPEAKS_S = 3600  # for so long does a finished run say that work moves, where no other comes


def keep(connection: Connection, item: Observation) -> list[Sample]:
    """Keep the runs that a reading holds; the samples of what is new of them."""
    kept = inngest_runs.keep(connection, item.environment, item.reading.runs)
    counted = [run for run in kept.runs if _counts(run)]
    timed = [run for run in (*kept.runs, *kept.timed) if _counts(run)]
    found = [
        Sample(environment=item.environment, sli=SUCCESS, at_ms=run.at_ms, value=run.took_s,
               good=run.status == "COMPLETED", interval_s=RUN_SPEAKS_S)
        for run in counted
    ]  # fmt: skip
    found += [
        Sample(environment=item.environment, sli=WAIT, at_ms=run.at_ms, value=run.wait_s,
               good=run.wait_s <= item.wait_slow_s, interval_s=RUN_SPEAKS_S)
        for run in timed
        if run.wait_s is not None
    ]  # fmt: skip
    found += [
        Sample(environment=item.environment, sli=durations.name(RAN, run.function), at_ms=run.at_ms, value=None,
               good=run.status == "COMPLETED")
        for run in counted
    ]  # fmt: skip
    by_id = {run.id: run for run in item.reading.runs}
    return found + durations.fitted(connection, item.environment, _durations(timed, by_id))


def _counts(run: Ended) -> bool:
    return run.status != "CANCELLED" and run.function not in PULSES


def _durations(ended: Iterable[Ended], by_id: Mapping[str, RunSeen]) -> Iterator[Sample]:
    """Of each run in all, from when it was queued; and of each try of its steps."""

    def sample(sli: str, at_ms: int, value: float, good: bool) -> Sample:
        return Sample(environment=run.environment, sli=sli, at_ms=at_ms, value=value, good=good)

    for run in ended:
        if run.took_s is not None:
            yield sample(durations.name(RUN, run.function), run.at_ms, (run.wait_s or 0.0) + run.took_s,
                         run.status == "COMPLETED")  # fmt: skip
        for step in by_id[run.run_id].tries or ():
            if step.took_s is None:
                continue
            at_ms = step.started_ms + round(step.took_s * 1000)
            yield sample(durations.name(STEP, run.function, step.name), at_ms, step.took_s, not step.failed)
            for prefix, counts in ((CUT, step.failed), (AGAIN, step.again)):
                if counts:
                    yield sample(durations.name(prefix, run.function, step.name), at_ms, step.took_s, not step.failed)
