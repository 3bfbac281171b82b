"""A first golden set of a team's own: two cases, and an agent that passes them, to be changed line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from services.replay.authoring.cases import criterion

SET, AGENT = "golden_set.json", "agent.py"


def files(day: str) -> Mapping[str, str]:
    """The files of the example, by name."""
    return {SET: json.dumps(_set(day), indent=2) + "\n", AGENT: _AGENT}


def _set(day: str) -> dict[str, Any]:
    source = {"source": "The first example", "added": day}
    refunds = criterion("decision", "The right decision", good="Exactly the right refund was made.",
                        bad="A refund was made that may not be, or the wrong one.", critical=True)  # fmt: skip
    words = criterion("words", "The customer knows what happens next", good="Amount and next step are named.",
                      bad="The customer doesn't know what happens.")  # fmt: skip
    return {
        "name": "first_set", "version": "v1",
        "description": "Two cases to begin with. Change them to what your agent does, then add your own.",
        "cases": [
            {
                "id": "refund-in-time", "title": "A refund within 30 days is made", "category": "refunds",
                "tags": ["canary"], "input": {"text": "Please refund order 1001, it arrived broken."},
                "context": {"order": {"id": "1001", "days_ago": 12, "amount": 49.9}},
                "expectations": [
                    {"criterion": "decision", "kind": "final_writes",
                     "writes": [{"tool": "refund", "arguments": {"order_id": "1001", "amount": 49.9}}]},
                    {"criterion": "words", "kind": "text_contains", "path": "text", "all_of": ["49.90"]},
                ],
                "criteria": [refunds, words], "provenance": source,
            },
            {
                "id": "refund-too-late", "title": "A refund after 30 days is declined", "category": "refunds",
                "tags": ["canary"], "input": {"text": "Please refund order 1002."},
                "context": {"order": {"id": "1002", "days_ago": 45, "amount": 20.0}},
                "expectations": [
                    {"criterion": "decision", "kind": "tool_forbidden", "tool": "refund"},
                    {"criterion": "words", "kind": "text_contains", "path": "text", "any_of": ["30 days", "30-day"]},
                ],
                "criteria": [refunds, words], "provenance": source,
            },
        ],
    }  # fmt: skip


_AGENT = '''"""An agent as the replay harness asks it: a JSON object a line in, one a line out. Put your own here."""

import json
import sys

for line in sys.stdin:
    case = json.loads(line)
    order = case["context"]["order"]
    calls = []
    if order["days_ago"] <= 30:
        arguments = {"order_id": order["id"], "amount": order["amount"]}
        calls.append({"tool": "refund", "arguments": arguments, "status": "ok"})
        text = f"Your refund of {order['amount']:.2f} is on its way."
    else:
        text = "I'm sorry: refunds are possible within 30 days."
    answer = {"case_id": case["case_id"], "output": {"text": text}, "tool_calls": calls}
    print(json.dumps(answer), flush=True)
'''
