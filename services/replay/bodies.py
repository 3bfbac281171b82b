"""How an outcome is kept and read back. JSON, the same for store, report and page."""

from __future__ import annotations

import json
from typing import Any

from services.replay.model import Answer, CriterionScore, Judged, Outcome, ToolCall, Trouble, Word

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


def to_json(outcome: Outcome) -> str:
    """The outcome as one line of JSON."""
    return _ENCODER.encode(fields(outcome))


def fields(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON values."""
    answer, judged, trouble = outcome.answer, outcome.judged, outcome.trouble
    return {
        "case_id": outcome.case_id,
        "repeat": outcome.repeat,
        "category": outcome.category,
        "duration_ms": round(outcome.duration_ms, 2),
        "attempts": outcome.attempts,
        "answer": None if answer is None else {
            "output": answer.output,
            "tool_calls": [
                {"tool": c.tool, "arguments": dict(c.arguments), "status": c.status} for c in answer.tool_calls
            ],
            "usage": dict(answer.usage),
            **({} if answer.state is None else {"state": dict(answer.state)}),
            **({} if answer.ended is None else {"ended": answer.ended}),
            **({} if not answer.turns else {"turns": [_turn(each) for each in answer.turns]}),
        },
        "judged": None if judged is None else {
            "criteria": [
                {"id": c.id, "score": c.score, "reason": c.reason, "critical": c.critical, "passed": c.passed}
                | ({"asked": c.asked} if c.asked else {})
                for c in judged.criteria
            ],
            "unscored": judged.unscored,
            "usage": dict(judged.usage),
            **({"words": [[w.judge, w.criterion, w.score, w.passed] for w in judged.words]} if judged.words else {}),
        },
        "trouble": None if trouble is None else {"code": trouble.code, "detail": trouble.detail},
    }  # fmt: skip


def from_json(text: str) -> Outcome:
    """The outcome that `to_json` wrote."""
    raw = json.loads(text)
    answer, judged, trouble = raw["answer"], raw["judged"], raw["trouble"]
    return Outcome(
        case_id=raw["case_id"],
        repeat=raw["repeat"],
        category=raw["category"],
        duration_ms=raw["duration_ms"],
        attempts=raw["attempts"],
        answer=None if answer is None else Answer(
            output=answer["output"], tool_calls=tuple(ToolCall(**call) for call in answer["tool_calls"]),
            usage=answer["usage"], state=answer.get("state"), ended=answer.get("ended"),
            duration_ms=raw["duration_ms"], turns=tuple(_of_turn(each) for each in answer.get("turns", ())),
        ),
        judged=None if judged is None else Judged(
            criteria=tuple(CriterionScore(**criterion) for criterion in judged["criteria"]),
            unscored=judged["unscored"], usage=judged["usage"],
            words=tuple(
                Word(judge=judge, criterion=criterion, score=score, passed=passed)
                for judge, criterion, score, passed in judged.get("words", ())
            ),
        ),
        trouble=None if trouble is None else Trouble(**trouble),
    )  # fmt: skip


def _turn(answer: Answer) -> dict[str, Any]:
    calls = [{"tool": c.tool, "arguments": dict(c.arguments), "status": c.status} for c in answer.tool_calls]
    return {"output": answer.output, "tool_calls": calls, "duration_ms": answer.duration_ms}


def _of_turn(raw: dict[str, Any]) -> Answer:
    calls = tuple(ToolCall(**call) for call in raw["tool_calls"])
    return Answer(output=raw["output"], tool_calls=calls, duration_ms=raw["duration_ms"])
