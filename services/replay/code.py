"""Checks that a team writes in Python: a process of its own for each, not given our variables, with a time limit.

Nothing keeps the code from the network, or from what this user may read, the variables of other processes included: it
is the team's own, from the folder of its golden set.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.redact import scrub
from services.replay.model import Answer, GoldenCase
from services.replay.toolcalls import Result

DEFAULT_S = 5.0
MOST_BYTES = 64 << 10  # of what a check writes
MOST_MEMORY = 1 << 30
MOST_WRITTEN = 4 << 20
MARK = "greenlight-check:"
_RUN = """
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({written}, {written}))
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
    program = _RUN.format(memory=MOST_MEMORY, written=MOST_WRITTEN, mark=MARK)
    with tempfile.TemporaryDirectory(prefix="greenlight-check-") as folder:
        # Into files, whose size the system limits: a check that prints without end must not fill our memory.
        paths = [Path(folder) / name for name in ("given", "said", "wrong")]
        paths[0].write_text(json.dumps(given, default=str), encoding="utf-8")
        try:
            with paths[0].open("rb") as given_, paths[1].open("wb") as said_, paths[2].open("wb") as wrong_:
                process = subprocess.Popen(  # noqa: S603 - our own interpreter; the code is the team's, as the set says
                    [sys.executable, "-I", "-c", program], stdin=given_, stdout=said_, stderr=wrong_, cwd=folder,
                    env=kept | {"HOME": folder}, start_new_session=True,
                )  # fmt: skip
                _wait(process, timeout_s, name)
        except OSError as error:
            raise CheckStopped(f"{name} could not be started ({error.strerror})") from error
        said, wrong = (_end(path) for path in paths[1:])
    line = next((line for line in reversed(said.splitlines()) if line.startswith(MARK)), None)
    if process.returncode != 0 or line is None:
        last = wrong.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise CheckStopped(f"{name} failed: {scrub(last[0])[:200]}")
    met, why = json.loads(line.removeprefix(MARK))
    return bool(met), scrub(str(why))


def _wait(process: subprocess.Popen[bytes], timeout_s: float, name: str) -> None:
    """Until it has ended; with what it has started itself, it is killed after the limit."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise CheckStopped(f"{name} took longer than {timeout_s:g} s") from None
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def _end(path: Path) -> str:
    """The end of what it wrote."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - MOST_BYTES))
        return stream.read().decode("utf-8", "replace")
