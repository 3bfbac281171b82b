"""The fallback scheduler: due moments have names, a claim decides, a failure doesn't stop the next."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.fallback import FallbackScheduler, Task
from tests.patience import until

START = datetime(2026, 11, 21, 7, 59, tzinfo=UTC)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


async def nothing() -> None:
    return None


DAILY = Task(name="daily", every=timedelta(days=1), offset=timedelta(hours=8), run=nothing)


def test_daily_at_eight() -> None:
    assert DAILY.tick(START) == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert DAILY.tick(START + timedelta(minutes=1)) == datetime(2026, 11, 21, 8, tzinfo=UTC)


@given(moments, st.integers(1, 100_000), st.integers(0, 100_000))
def test_a_tick_is_the_newest_at_or_before_now(moment: datetime, every: int, offset: int) -> None:
    task = Task(name="t", every=timedelta(seconds=every), offset=timedelta(seconds=offset), run=nothing)
    tick = task.tick(moment)
    assert tick <= moment < tick + task.every
    assert task.tick(tick) == tick


def test_two_hosts_run_each_moment_once() -> None:
    claimed: set[str] = set()
    ran: list[str] = []

    async def claim(name: str) -> bool:
        if name in claimed:
            return False
        claimed.add(name)
        return True

    async def done(name: str) -> None:
        ran.append(name)

    def host() -> FallbackScheduler:
        task = Task(name="t", every=timedelta(seconds=1), run=nothing)
        return FallbackScheduler((task,), claim=claim, done=done, now=lambda: datetime.now(UTC))

    async def both() -> None:
        hosts = [asyncio.create_task(host().run()) for _ in range(2)]
        await until(lambda: len(ran) >= 3)
        for running in hosts:
            running.cancel()

    asyncio.run(both())
    assert len(ran) == len(set(ran))


def test_a_task_that_fails_is_logged_and_not_marked_done(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def broken() -> None:
        raise RuntimeError("planned")

    async def claim(_name: str) -> bool:
        return True

    async def done(name: str) -> None:
        ended.append(name)

    task = Task(name="t", every=timedelta(hours=1), run=broken)
    scheduler = FallbackScheduler((task,), claim=claim, done=done, now=lambda: START)
    assert asyncio.run(scheduler.attempt(task, task.tick(START))) is False
    assert ended == []
    assert "the scheduled task t failed" in caplog.text


def test_it_stands_back_while_something_more_durable_has_the_schedule_and_takes_what_that_left() -> None:
    claimed: list[str] = []
    ran: list[str] = []
    patient = timedelta(seconds=0.6)

    async def claim(name: str) -> bool:
        claimed.append(name)
        return len(claimed) > 1  # the first check finds it held by another, who is then killed

    async def done(name: str) -> None:
        ran.append(name)

    async def patience(_task: Task) -> timedelta:
        return patient

    async def watch() -> None:
        task = Task(name="t", every=timedelta(seconds=2), run=nothing)
        scheduler = FallbackScheduler((task,), claim=claim, done=done, now=lambda: datetime.now(UTC), patience=patience)
        running = asyncio.create_task(scheduler.run())
        await until(lambda: bool(ran))
        running.cancel()

    asyncio.run(watch())
    assert len(claimed) > len(ran)


def test_how_long_to_stand_back_being_unknown_it_does_not(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []

    async def claim(_name: str) -> bool:
        return True

    async def done(name: str) -> None:
        ran.append(name)

    async def patience(_task: Task) -> timedelta:
        raise OSError("the store is away")

    async def watch() -> None:
        task = Task(name="t", every=timedelta(seconds=1), run=nothing)
        scheduler = FallbackScheduler((task,), claim=claim, done=done, now=lambda: datetime.now(UTC), patience=patience)
        running = asyncio.create_task(scheduler.run())
        await until(lambda: bool(ran))
        running.cancel()

    asyncio.run(watch())
    assert "run at once" in caplog.text
