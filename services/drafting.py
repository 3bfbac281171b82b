"""What a trace tells for a draft case: the tools that were called, and what was said, where that was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from services.replay.authoring.drafts import Material
from services.replay.authoring.suggestions import Call
from services.traces.model import Span

NOT_KEPT = "What the agent was asked was not kept. Write it here."
_ASKED = ("gen_ai.input.messages", "gen_ai.prompt", "ai.prompt", "input.value", "llm.input_messages", "input", "prompt")
_ANSWERED = ("gen_ai.output.messages", "gen_ai.completion", "ai.response.text", "output.value", "output", "completion")
_GIVEN = ("gen_ai.tool.call.arguments", "ai.toolCall.args", "input.value", "arguments", "input")


def material(spans: Sequence[Span]) -> Material:
    """From a trace's spans, in their order."""
    first = spans[0]
    said = [_content(span) for span in spans]
    asked = next((found for each in said if (found := _of(each, _ASKED))), None)
    answered = next((found for each in reversed(said) if (found := _of(each, _ANSWERED))), "")
    known = {"ok": True, "error": False}
    calls = tuple(
        Call(tool=span.tool, arguments=_object(_of(content, _GIVEN)), is_ok=known.get(span.status))
        for span, content in zip(spans, said, strict=True) if span.tool and span.kind != "model"
    )  # fmt: skip
    run = next((span.run_id for span in spans if span.run_id), "")
    function = next((span.function for span in spans if span.function), "")
    tools = ", ".join(dict.fromkeys(call.tool for call in calls)) or "a call"
    given = asked if isinstance(asked, Mapping) else {"text": asked if isinstance(asked, str) else NOT_KEPT}
    return Material(
        title=f"{function or first.operation or 'Agent'}: {tools}", category=function, input=given, context={},
        answer=answered if isinstance(answered, str) else json.dumps(answered, ensure_ascii=False), calls=calls,
        origin={"source": f"A trace of {first.environment or 'an agent'}", "trace": first.trace_id, "run": run},
        simulated=any(span.simulated for span in spans),
    )  # fmt: skip


def _content(span: Span) -> Mapping[str, Any]:
    try:
        found = json.loads(span.content) if span.content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of(content: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((content[name] for name in names if content.get(name)), None)


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}
