"""Runs one check so that it can't harm the others, and says what is to be stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from services import clock
from services.dependencies.cleaning import cleaned
from services.dependencies.measures import counted
from services.dependencies.messages import advice, message
from services.dependencies.model import LATE, Probe, Reading, State
from services.evidence.model import Evidence
from services.redact import fault
from services.store.samples import Sample

if TYPE_CHECKING:
    from services.settings.model import Environment

log = logging.getLogger(__name__)
LATE_FRACTION = 0.2  # a lag beyond this part of the deadline makes a time-out our own fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """A reading with its place and time: all that a check leaves."""

    environment: str
    simulated: bool
    probe: str
    interval_s: float
    at_ms: int
    lag_ms: int
    reading: Reading
    wait_slow_s: float = 60.0  # an Inngest run that waited longer counts as late
    fingerprint: str | None = None  # of the configuration that the check was made with
    asked: bool = False  # somebody asked for it: what it shows is evidence of this moment, unchanged or not

    @property
    def outcome(self) -> State:
        """The outcome that the diagnosis table gives this reading's code."""
        return message(self.reading.code).outcome

    def samples(self) -> tuple[Sample, ...]:
        """The reading's measures as samples; what the prober missed itself counts as unknown."""
        own_fault = self.reading.code.startswith("prober.")
        return tuple(
            Sample(
                environment=self.environment,
                sli=measure.sli,
                at_ms=self.at_ms,
                value=measure.value,
                good=None if own_fault else measure.good,
                lag_ms=self.lag_ms,
                interval_s=self.interval_s,
            )
            for measure in self.reading.measures
        )

    def evidence(self, version: str | None) -> tuple[Evidence, ...]:
        """The reading's checks as evidence, taken under that version; what doesn't hold with its cause in words."""
        cause = {}
        if self.outcome != "ok":
            code, words = self.reading.code, self.reading.words
            cause = advice(code, words).as_detail()
        return tuple(
            Evidence(
                environment=self.environment,
                check=check.name,
                outcome=check.outcome,
                at_ms=self.at_ms,
                value=check.value,
                threshold=check.threshold,
                code=self.reading.code,
                version=version,
                fingerprint=self.fingerprint,
                simulated=self.simulated,
                detail={} if check.outcome == "pass" else cause,
            )
            for check in self.reading.checks
        )


async def observe(environment: Environment, probe: Probe, previous: Mapping[str, Any], *, lag_ms: int) -> Observation:
    """Look once. A fault in a probe ends as a reading of its own, so that the other probes go on."""
    at_ms = clock.now_ms()
    try:
        reading = cleaned(environment, counted(environment, probe.name, await probe.run(previous)))
    except Exception as error:  # noqa: BLE001 - its text may quote a secret, and the other probes go on
        log.error("probe %s of %s failed by our own fault: %s", probe.name, environment.name, fault(error))
        reading = Reading(code="prober.fault")
    return Observation(
        environment=environment.name,
        simulated=environment.simulated,
        probe=probe.name,
        interval_s=probe.interval_s,
        at_ms=at_ms,
        lag_ms=lag_ms,
        reading=reading,
        wait_slow_s=_wait_limit(environment),
    )


def set_aside(observation: Observation, reason: str) -> Observation:
    """What stands in the place of an observation that could not be judged or stored: that it was made, and why not."""
    return replace(
        observation, reading=Reading(code="prober.set_aside", words={"reason": reason.replace("The ", "the ", 1)})
    )


def _wait_limit(environment: Environment) -> float:
    """An objective's own threshold for the wait, else the setting."""
    own = next((o.threshold for o in environment.objectives if o.sli == "inngest_queue_wait"), None)
    return environment.inngest.wait_slow_s if own is None else own


def excuse_if_late(observation: Observation, lag_ms: int, deadline_s: float) -> Observation:
    """Where the prober itself hung for a good part of the deadline, a time-out is not the target's."""
    timed_out = observation.reading.code.rpartition(".")[2] in LATE
    late = lag_ms > deadline_s * 1000 * LATE_FRACTION
    noted = replace(observation, lag_ms=max(lag_ms, observation.lag_ms))
    if not (timed_out and late):
        return noted
    checks = tuple(replace(check, outcome="unknown") for check in observation.reading.checks)
    return replace(noted, reading=replace(observation.reading, code="prober.late", checks=checks))
