"""The judges. A judge is named by word; each has an identity, and another identity's results aren't comparable."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from services.replay import rubric
from services.replay.model import Answer, GoldenCase, Judged
from services.replay.sealed import SealedWord


class Judge(Protocol):
    """Scores answers. `at_once` is how many it may score side by side."""

    name: str

    @property
    def at_once(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged: ...

    async def sealed(self) -> tuple[SealedWord, ...]:
        """What it says of the sealed, labelled answers; () for a judge that can't drift."""
        ...

    def usage(self) -> Mapping[str, Any]:
        """What it cost so far."""
        ...

    async def close(self) -> None: ...


class RubricJudge:
    """The deterministic judge."""

    name = rubric.NAME
    at_once = 1

    def __init__(self) -> None:
        self._sha256 = rubric.identity()

    @property
    def sha256(self) -> str:
        """Hash of the code that decides."""
        return self._sha256

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged:
        """Score by the expectations; those that start a process don't hold up the other answers."""
        if case.files:
            return await asyncio.to_thread(rubric.judge, case, answer)
        return rubric.judge(case, answer)

    async def sealed(self) -> tuple[SealedWord, ...]:
        """It always agrees with itself, so there is nothing to calibrate."""
        return ()

    def usage(self) -> Mapping[str, Any]:
        """It costs nothing."""
        return {}

    async def close(self) -> None:
        """Nothing to let go of."""
