"""Due moments: claimed once by anyone who comes first, given back by anyone who fails, kept while the work lasts."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services import clock
from services.dependencies.tables import INSTALLATION
from services.evidence import chain
from services.settings import load
from services.settings.model import Settings
from services.store import Store, quarantine, schedules
from services.store.quarantine import Entry
from services.store.schedules import ScheduleRun
from worker import schedule as tasks
from worker.schedule import Schedule, ScheduledTask
from worker.scheduled import _rhythms
from worker.scheduled import tasks as scheduled

DUE = datetime(2026, 11, 21, 8, tzinfo=UTC)


def settings(folder: Path) -> Settings:
    return load({"GREENLIGHT_DATA": str(folder)}, root=folder)


def task(run: object) -> ScheduledTask:
    return ScheduledTask(name="d", cron="* * * * *", every=timedelta(minutes=1), run=run)  # type: ignore[arg-type]


def rows(store: Store) -> list[tuple[str, str, int]]:
    with store.read() as connection:
        found: tuple[ScheduleRun, ...] = schedules.history(connection)
    return [(r.by, r.outcome, r.tries) for r in found]


def test_of_many_callers_one_runs_it(store: Store, tmp_path: Path) -> None:
    ran: list[datetime] = []

    async def work(due: datetime) -> None:
        ran.append(due)
        await asyncio.sleep(0.05)

    made = task(work)
    rosters = [Schedule(store, settings(tmp_path), (made,), owner=f"w{n % 2}") for n in range(6)]

    async def all_at_once() -> list[bool]:
        attended = await asyncio.gather(*(r.attend(made, DUE) for r in rosters))
        late = await rosters[0].claim(made.claim_name(DUE), by="fallback")
        return [*attended, late]

    assert sum(asyncio.run(all_at_once())) == 1
    assert ran == [DUE]
    assert rows(store) == [("inngest", "done", 1)]


def test_a_failure_is_raised_given_back_and_may_be_tried_by_the_other_scheduler(store: Store, tmp_path: Path) -> None:
    tries: list[int] = []

    async def work(_due: datetime) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("planned")

    made = task(work)
    schedule = Schedule(store, settings(tmp_path), (made,), owner="w")
    with pytest.raises(OSError, match="planned"):
        asyncio.run(schedule.attend(made, DUE))
    assert rows(store) == [("inngest", "failed", 1)]
    scheduler = schedule.fallback()
    now = clock.now()
    assert asyncio.run(scheduler.attempt(scheduler._tasks[0], now)) is True
    assert asyncio.run(schedule.attend(made, DUE)) is True
    assert ("inngest", "done", 2) in rows(store)


def test_a_long_duty_keeps_its_claim(sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LEASE_MS", 1500)
    monkeypatch.setattr(tasks, "RENEW_S", 0.1)
    looked = asyncio.Event()

    async def work(_due: datetime) -> None:
        await looked.wait()

    made = task(work)
    one, two = (Schedule(sqlite_store, settings(tmp_path), (made,), owner=name) for name in ("a", "b"))

    async def both() -> tuple[bool, bool]:
        first = asyncio.create_task(one.attend(made, DUE))
        await asyncio.sleep(2)  # longer than a lease that nobody renews
        refused = await two.attend(made, DUE)
        looked.set()
        return refused, await first

    assert asyncio.run(both()) == (False, True)


def test_a_claim_whose_holder_was_killed_ends_with_its_lease(sqlite_store: Store, tmp_path: Path) -> None:
    async def work(_due: datetime) -> None:
        return None

    made = task(work)
    killed, other = (Schedule(sqlite_store, settings(tmp_path), (made,), owner=name) for name in ("a", "b"))

    async def story() -> tuple[bool, bool]:
        assert await killed.claim(made.claim_name(DUE), by="fallback")
        early = await other.attend(made, DUE)
        with sqlite_store.write() as connection:  # its lease has run out: time is an argument here, too
            connection.exec_driver_sql("UPDATE claims SET until_ms = 1")
        return early, await other.attend(made, DUE)

    assert asyncio.run(story()) == (False, True)
    assert rows(sqlite_store) == [("inngest", "done", 2)]


def test_a_stopping_worker_claims_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    made = task(lambda _due: asyncio.sleep(0))
    schedule = Schedule(sqlite_store, settings(tmp_path), (made,), owner="w")
    schedule.stop_claiming()
    assert asyncio.run(schedule.attend(made, DUE)) is False


@pytest.mark.parametrize(
    ("rhythm", "cron", "due"),
    [
        ("daily", "0 4 * * *", datetime(2026, 12, 2, 4, tzinfo=UTC)),
        ("weekly", "0 4 * * 1", datetime(2026, 11, 30, 4, tzinfo=UTC)),
    ],
)
def test_aa_runs_are_due_as_their_cron_line_says(tmp_path: Path, rhythm: str, cron: str, due: datetime) -> None:
    (tmp_path / "greenlight.toml").write_text(f'[replay]\naa = "{rhythm}"\n')
    known = load({"GREENLIGHT_DATA": str(tmp_path), "GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml")})
    (found,) = [rhythm_ for rhythm_ in _rhythms(known) if rhythm_[0] == "replay-aa"]
    assert found[1] == cron
    made = ScheduledTask(name="replay-aa", cron=cron, every=found[2], offset=found[3], run=None)  # type: ignore[arg-type]
    assert made.tick(datetime(2026, 12, 2, 9, tzinfo=UTC)) == due


def test_without_a_rhythm_nothing_runs_twice(tmp_path: Path) -> None:
    assert "replay-aa" not in {name for name, *_ in _rhythms(settings(tmp_path))}


def test_a_quarantine_whose_day_came_is_ended_by_the_daily_check(sqlite_store: Store, tmp_path: Path) -> None:
    entry = Entry(
        id=0, golden_name="g", case_id="c", owner="Ada", reason="r", from_ms=1, until_ms=2, put_by="Eva (unverified)"
    )
    with sqlite_store.write() as connection:
        assert quarantine.put(connection, entry)
    made = scheduled(sqlite_store, settings(tmp_path), None, None)  # type: ignore[arg-type]
    (daily,) = [task_ for task_ in made if task_.name == "daily-health-check"]
    asyncio.run(daily.run(DUE))  # type: ignore[arg-type]
    with sqlite_store.read() as connection:
        assert quarantine.open_ones(connection) == ()
        assert chain.newest(connection, INSTALLATION, "confirm.quarantine") is not None
