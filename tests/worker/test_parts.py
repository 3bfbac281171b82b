"""The worker's parts: one that ends is started again, one that keeps ending stays down, the others go on."""

from __future__ import annotations

import asyncio

import pytest

from services.errors import StoreUnreachable
from worker.parts import MOST_ENDS, Parts

PAUSE_S = 0.001


def run(parts: Parts, **works: object) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(120):
            await asyncio.gather(*(parts.keep(name, work) for name, work in works.items()))  # type: ignore[arg-type]

    asyncio.run(scenario())


def test_a_part_that_fails_once_is_started_again_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    parts, begun = Parts(first_pause_s=PAUSE_S), []

    async def work() -> None:
        begun.append(parts.trouble)
        if len(begun) == 1:
            raise ValueError("planted-secret")
        parts.stopping = True

    run(parts, collector=work)
    assert len(begun) == 2
    assert (parts.restarts["collector"], parts.down) == (1, set())
    assert "planted-secret" not in caplog.text
    assert "ValueError at tests/worker/test_parts.py:" in caplog.text


def test_a_part_that_ends_without_an_error_is_started_again_too() -> None:
    parts, begun = Parts(first_pause_s=PAUSE_S), []

    async def work() -> None:
        begun.append(1)
        parts.stopping = len(begun) == 3

    run(parts, replays=work)
    assert len(begun) == 3


def test_a_part_that_keeps_failing_stays_down_and_the_others_go_on() -> None:
    parts, begun = Parts(first_pause_s=PAUSE_S), []

    async def broken() -> None:
        begun.append(1)
        raise ExceptionGroup("several", [KeyError("x"), ValueError("y")])

    async def sound() -> None:
        while not parts.down:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_S)
        parts.stopping = True

    run(parts, verdicts=broken, collector=sound)
    assert len(begun) == MOST_ENDS
    assert parts.down == {"verdicts"}
    assert "A part of the worker is down (verdicts)" in parts.trouble
    assert "the other parts go on" in parts.trouble


def test_while_the_store_is_away_a_part_is_started_again_however_often() -> None:
    parts, begun = Parts(first_pause_s=PAUSE_S), []

    async def work() -> None:
        begun.append(1)
        if len(begun) > 3 * MOST_ENDS:
            parts.stopping = True
            return
        raise StoreUnreachable("The database server can't be reached.")

    run(parts, registration=work)
    assert parts.down == set()


def test_a_part_that_waits_for_its_restart_is_shown() -> None:
    parts = Parts(first_pause_s=600)

    async def work() -> None:
        raise KeyError("x")

    async def scenario() -> str:
        keeping = asyncio.create_task(parts.keep("collector", work))
        while not parts.trouble:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_S)
        keeping.cancel()
        return parts.trouble

    assert asyncio.run(scenario()) == "A part of the worker failed (collector) and is being restarted."
