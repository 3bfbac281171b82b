"""An agent's answers from a file: one JSON object a line, as an agent would have said it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.replay.agents import MAX_REPLY_BYTES, WrongAgent, read_reply
from services.replay.model import Answer, Trouble


class RecordedAgent:
    """Several lines for a case are its repeats, in the file's order; the last one is said again."""

    def __init__(self, path: str, *, label: str) -> None:
        self.label = label
        self._lines: dict[str, list[Any]] = defaultdict(list)
        self._asked: dict[str, int] = defaultdict(int)
        try:
            with Path(path).open(encoding="utf-8") as stream:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        self._keep(line, number, path)
        except FileNotFoundError as error:
            raise WrongAgent(f"{path} does not exist. Correct recorded:.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise WrongAgent(f"{path} can't be read as UTF-8 text. Correct recorded:.") from error

    def _keep(self, line: str, number: int, path: str) -> None:
        if len(line) > MAX_REPLY_BYTES:
            raise WrongAgent(f"{path}: line {number} is larger than {MAX_REPLY_BYTES >> 20} MiB.")
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise WrongAgent(f"{path}: line {number} is not JSON.") from error
        if not isinstance(reply, dict) or not isinstance(reply.get("case_id"), str):
            raise WrongAgent(f"{path}: line {number} has no case_id.")
        self._lines[reply["case_id"]].append(reply)

    async def ask(self, line: Mapping[str, Any], timeout_s: float) -> Answer | Trouble:  # noqa: ARG002 - it is at hand
        """What was recorded for the case; trouble where nothing was."""
        case_id = str(line["case_id"])
        recorded = self._lines.get(case_id)
        if not recorded:
            return Trouble(code="not_recorded", detail="the recording has no answer to this case")
        turn = min(self._asked[case_id], len(recorded) - 1)
        self._asked[case_id] += 1
        return read_reply(recorded[turn], case_id)

    async def close(self) -> None:
        """Nothing to let go of."""
