"""A job that calls us when it starts, succeeds or fails; silence after its time is what is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from services.dependencies.conditions import FactType
from services.dependencies.kind import Kind, lazily
from services.dependencies.tables import DeclaredTable, Seconds


class HeartbeatTable(DeclaredTable):
    """A job that calls us, every so often or by a cron."""

    facts: ClassVar[Mapping[str, FactType]] = {"age_s": "number", "took_s": "number", "exit_status": "number"}
    timed: ClassVar[bool] = False

    kind: Literal["heartbeat"]
    every_s: float | None = Field(None, gt=0, le=366 * 86_400, description="Seconds between two runs.")
    cron: str | None = Field(None, max_length=100, description="When it runs, as five cron fields.")
    timezone: str = Field("UTC", description="The zone of cron, such as Europe/Berlin.")
    grace_s: Seconds = Field(300, description="How much later it may be.")
    longest_s: float | None = Field(
        None,
        gt=0,
        le=366 * 86_400,
        description="How long a run may take, where its start is reported; unset: no limit.",
    )
    interval_s: Seconds = 30

    @model_validator(mode="after")
    def _has_a_rhythm(self) -> HeartbeatTable:
        if (self.every_s is None) == (self.cron is None):
            raise ValueError("set one of the two: every_s (seconds between runs) or cron")
        return self

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        if value is not None:
            from cronsim import CronSim, CronSimError

            from services import clock

            try:
                next(CronSim(value, clock.from_ms(0)))
            except (CronSimError, StopIteration):
                raise ValueError("cron is not five cron fields, such as 0 6 * * 1-5") from None
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError("timezone is no known zone: write one such as Europe/Berlin or UTC") from None
        return value


HEARTBEAT = Kind(
    name="heartbeat",
    title="Heartbeat",
    gloss="Heartbeat: a job that calls Greenlight each time it has run; its silence is noticed.",
    settings=HeartbeatTable,
    asks=("every_s", "grace_s"),
    run=lazily("services.dependencies.heartbeat.check"),
    folder=Path(__file__).parent,
)
