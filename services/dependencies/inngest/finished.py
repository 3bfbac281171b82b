"""Finished runs: kept once each, and counted in the SLIs where a pulse did not count them."""

from __future__ import annotations

from sqlalchemy import Connection

from services.dependencies.inngest.pulse import PULSES, SUCCESS, WAIT
from services.dependencies.run import Observation
from services.store import inngest_runs
from services.store.samples import Sample

RUN_SPEAKS_S = 3600  # for so long does a finished run say that work moves, where no other comes


def keep(connection: Connection, item: Observation) -> list[Sample]:
    """Keep the runs that a reading holds; the samples of those that are new."""
    new = inngest_runs.keep(connection, item.environment, item.reading.runs)
    counted = [run for run in new if run.status != "CANCELLED" and run.function not in PULSES]
    found = [
        Sample(environment=item.environment, sli=SUCCESS, at_ms=run.at_ms, value=run.took_s,
               good=run.status == "COMPLETED", interval_s=RUN_SPEAKS_S)
        for run in counted
    ]  # fmt: skip
    found += [
        Sample(environment=item.environment, sli=WAIT, at_ms=run.at_ms, value=run.wait_s,
               good=run.wait_s <= item.wait_slow_s, interval_s=RUN_SPEAKS_S)
        for run in counted
        if run.wait_s is not None
    ]  # fmt: skip
    return found
