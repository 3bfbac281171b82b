"""Checks that a team writes in Python: a process of its own for each, without our variables, with a time limit.

Nothing keeps the code from the network or from files: it is the team's own, from the folder of its golden set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from services.redact import scrub
from services.replay.model import Answer, GoldenCase
from services.replay.toolcalls import Result

DEFAULT_S = 5.0
MOST_BYTES = 64 << 10  # of what a check writes
MOST_MEMORY = 1 << 30
MARK = "greenlight-check:"
_RUN = """
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
except (ImportError, ValueError, OSError):
    pass
given = json.loads(sys.stdin.read())
scope = {{"__name__": "check"}}
exec(compile(given["code"], given["file"], "exec"), scope)
found = scope[given["function"]](given["case"], given["answer"])
met, why = found if isinstance(found, tuple) and len(found) == 2 else (found, "")
if not isinstance(met, bool):
    raise TypeError("a check returns True or False, or a pair of that and a reason")
print("\\n{mark}" + json.dumps([met, str(why)[:300]]))
"""


class CheckStopped(Exception):
    """A check crashed, or took longer than its limit, so whether it is met is not known."""


def python(wanted: Mapping[str, Any], case: GoldenCase, answer: Answer) -> Result:
    """What the team's own function says. Raises CheckStopped."""
    file, function = wanted["file"], wanted.get("function", "check")
    calls = [{"tool": c.tool, "arguments": dict(c.arguments), "status": c.status} for c in answer.tool_calls]
    given = {
        "code": case.files[file], "file": file, "function": function,
        "case": {"case_id": case.id, "input": dict(case.input), "context": dict(case.context)},
        "answer": {
            "output": answer.output, "usage": dict(answer.usage), "state": answer.state, "ended": answer.ended,
            "tool_calls": calls,
        },
    }  # fmt: skip
    met, why = _run(given, float(wanted.get("timeout_s", DEFAULT_S)), f"{function} of {file}")
    return met, why or f"{function} of {file} says {'yes' if met else 'no'}"


def _run(given: Mapping[str, Any], timeout_s: float, name: str) -> Result:
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
    program = _RUN.format(memory=MOST_MEMORY, mark=MARK)
    with tempfile.TemporaryDirectory(prefix="greenlight-check-") as folder:
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter; the code is the team's, as the set says
                [sys.executable, "-I", "-c", program], input=json.dumps(given, default=str), text=True, cwd=folder,
                env=kept | {"HOME": folder}, capture_output=True, check=False, timeout=timeout_s, encoding="utf-8",
                errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise CheckStopped(f"{name} took longer than {timeout_s:g} s") from error
        except OSError as error:
            raise CheckStopped(f"{name} could not be started ({error.strerror})") from error
    line = next((line for line in reversed(done.stdout[-MOST_BYTES:].splitlines()) if line.startswith(MARK)), None)
    if done.returncode != 0 or line is None:
        last = done.stderr.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise CheckStopped(f"{name} failed: {scrub(last[0])[:200]}")
    met, why = json.loads(line.removeprefix(MARK))
    return bool(met), scrub(str(why))
