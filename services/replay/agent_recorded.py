"""An agent's answers from a file: one JSON object a line, as an agent would have said it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.outside import NotJson, parse_json
from services.replay.agents import MAX_REPLY_BYTES, WrongAgent, read_reply
from services.replay.model import Answer, Trouble


class RecordedAgent:
    """Several lines for a case are its repeats: by their field `repeat` (from 1), else in the file's order; `turn`
    (from 1) numbers the lines of a conversation.

    A repeat without a line of its own is not recorded: no answer is ever counted twice.
    """

    def __init__(self, path: str, *, label: str) -> None:
        self.label = label
        self._lines: dict[tuple[str, int, int], Any] = {}
        self._last: dict[str, int] = defaultdict(int)
        try:
            with Path(path).open(encoding="utf-8-sig", newline="\n") as stream:
                for number, line in enumerate(stream, 1):
                    if line.strip():
                        self._keep(line, number, path)
        except FileNotFoundError as error:
            raise WrongAgent(f"{path} does not exist. Correct recorded:.") from error
        except (OSError, ValueError) as error:
            raise WrongAgent(f"{path} can't be read as UTF-8 text. Correct recorded:.") from error

    def _keep(self, line: str, number: int, path: str) -> None:
        if len(line) > MAX_REPLY_BYTES:
            raise WrongAgent(f"{path}: line {number} is larger than {MAX_REPLY_BYTES >> 20} MiB.")
        try:
            reply = parse_json(line)
        except NotJson as error:
            raise WrongAgent(f"{path}: line {number} can't be used: {error}.") from error
        if not isinstance(reply, dict) or not isinstance(reply.get("case_id"), str):
            raise WrongAgent(f"{path}: line {number} has no case_id.")
        case_id, turn = reply["case_id"], reply.get("turn", 1)
        last = self._last[case_id]
        repeat = reply.get("repeat", last + 1 if turn == 1 else max(last, 1))
        for name, value in (("repeat", repeat), ("turn", turn)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise WrongAgent(f"{path}: line {number} has a {name} that is no whole number from 1.")
        if (case_id, repeat, turn) in self._lines:
            raise WrongAgent(f"{path}: line {number} records repeat {repeat} of its case a second time.")
        self._last[case_id] = repeat
        self._lines[case_id, repeat, turn] = reply

    async def ask(
        self,
        line: Mapping[str, Any],
        timeout_s: float,  # noqa: ARG002 - it is at hand
        *,
        repeat: int = 1,
    ) -> Answer | Trouble:
        """What was recorded for that repeat of the case; trouble where nothing was."""
        case_id = str(line["case_id"])
        turn = int(line.get("turn", 1))
        recorded = self._lines.get((case_id, repeat, turn))
        if recorded is None:
            which = "to this case" if not self._last.get(case_id) else f"to repeat {repeat} of this case"
            which += f", turn {turn}" if turn > 1 else ""
            return Trouble(code="not_recorded", detail=f"the recording has no answer {which}")
        return read_reply(recorded, case_id)

    async def close(self) -> None:
        """Nothing to let go of."""
