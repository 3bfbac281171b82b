"""Replay the golden set against an agent: `python scripts/replay_harness.py [--agent SPEC] [--json] [--junit F]`.

Exit: 0 PASS, 1 BLOCK, 3 INCONCLUSIVE (errors, unscored answers, a judge that can't be trusted), 2 wrong usage.
Progress goes to stderr. Ctrl-C stops; --resume RUN goes on without repeating what is finished.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.crash import guarded
from services.errors import GreenlightError
from services.place import ROOT, database_url
from services.units import share

if TYPE_CHECKING:
    from services.replay.agents import Agent
    from services.replay.gate import GateResult
    from services.replay.judges import Judge
    from services.replay.runs import Begun
    from services.store import Store
    from services.store.replays import Run

gc.set_threshold(50_000)  # one short run: looking for garbage at every turn would cost a tenth of it
EXIT = {"PASS": 0, "BLOCK": 1, "INCONCLUSIVE": 3}
DEFAULT_GOLDEN = ROOT / "golden" / "caio_alpha_golden_set_v1.json"
TOKEN_VARIABLE = "GREENLIGHT_AGENT_TOKEN"  # noqa: S105 - a variable's name, not a token


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        if options.validate_only:
            return _validate(options)
        return _loop_run(_run(options))
    except (GreenlightError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _loop_run(work: Coroutine[Any, Any, int]) -> int:
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="replay_harness.py", description=__doc__)
    made.add_argument("--golden", type=Path, default=DEFAULT_GOLDEN, metavar="F", help="the golden set")
    made.add_argument("--min-pass-rate", type=float, default=0.95, metavar="RATE", help="the gate (0.95)")
    made.add_argument("--agent", default="reference", metavar="SPEC",
                      help="command:<command line>, http(s)://…, recorded:<file.jsonl>; default: the reference agent. "
                           f"For http(s), the variable {TOKEN_VARIABLE} is sent as bearer token")  # fmt: skip
    made.add_argument("--judge", choices=("rubric", "llm"), default="rubric")
    made.add_argument("--repeats", type=int, default=1, metavar="N", help="how often each case is replayed (1)")
    made.add_argument("--per-case", default="all", help="repeats that must pass: all, majority, at_least:K")
    made.add_argument("--concurrency", type=int, default=8, metavar="N", help="cases side by side (8)")
    which = made.add_mutually_exclusive_group()
    which.add_argument("--cases", metavar="ID,…", help="these cases alone")
    which.add_argument("--subset", metavar="TAG", help="cases with this tag alone, such as canary")
    made.add_argument("--baseline", metavar="RUN|FILE", help="compare with this run, or with a run's JSON")
    made.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    made.add_argument("--rescore", metavar="RUN", help="judge a run's kept answers anew; the agent isn't asked")
    made.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds a case may take (60)")
    made.add_argument("--junit", type=Path, metavar="F", help="write JUnit XML")
    made.add_argument("--html", type=Path, metavar="F", help="write a page of its own")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    made.add_argument("--validate-only", action="store_true", help="check the golden set and stop")
    return made


class _Wrong(GreenlightError):
    pass


def _check(options: argparse.Namespace) -> None:
    if not 0 < options.min_pass_rate <= 1:
        raise _Wrong("--min-pass-rate must lie between 0 and 1, such as 0.95.")
    if not 1 <= options.repeats <= 100:
        raise _Wrong("--repeats must lie between 1 and 100.")
    if not 1 <= options.concurrency <= 1000:
        raise _Wrong("--concurrency must lie between 1 and 1000.")
    if not 0 < options.timeout <= 3600:
        raise _Wrong("--timeout must lie between 0 and 3600 seconds.")
    rule, _, number = options.per_case.partition(":")
    fine = options.per_case in {"all", "majority"} or (rule == "at_least" and number.isdecimal() and int(number) > 0)
    if not fine or (rule == "at_least" and int(number) > options.repeats):
        raise _Wrong("--per-case must be all, majority, or at_least:K with K no more than --repeats.")
    for path in (options.junit, options.html):
        if path is not None and not path.parent.is_dir():
            raise _Wrong(f"The folder of {path} does not exist. Make it first.")


def _validate(options: argparse.Namespace) -> int:
    from services.replay import golden

    found = golden.read(options.golden)
    canary = sum("canary" in case.tags for case in found.cases)
    print(f"{options.golden}: {len(found.cases)} cases, {canary} of them canary; sha256 {found.sha256}")
    return 0


async def _run(options: argparse.Namespace) -> int:
    from services.access import local_operator
    from services.replay import runs
    from services.replay.agents import open_agent
    from services.store.migrate import opened

    url = database_url()
    if url is None:
        raise _Wrong("DATABASE_URL does not begin with postgresql:// or sqlite:///. Correct or unset it.")
    with opened(url, prepare=True) as store:
        if options.rescore:
            run, found = runs.rescore(store, options.rescore, by=local_operator("command line"))
            return _tell(store, run, found, options)
        judge = _judge(options.judge)
        token = os.environ.get(TOKEN_VARIABLE)
        agent = open_agent(options.agent, concurrency=options.concurrency, token=token)
        try:
            begun = runs.resumed(store, options.resume) if options.resume else _begin(store, options, agent, judge)
            return await _carry_out(store, begun, agent, judge, options)
        finally:
            await agent.close()
            await judge.close()


def _judge(name: str) -> Judge:
    if name == "llm":
        from services.replay.judge_llm import from_settings
        from services.settings.load import load

        return from_settings(load())
    from services.replay.judges import RubricJudge

    return RubricJudge()


def _begin(store: Store, options: argparse.Namespace, agent: Agent, judge: Judge) -> Begun:
    from services.replay import runs
    from services.replay.gate import GateRules

    cases = tuple(id_.strip() for id_ in options.cases.split(",") if id_.strip()) if options.cases else ()
    plan = runs.Plan(
        golden_path=options.golden,
        agent=options.agent,
        agent_label=agent.label,
        judge_name=judge.name,
        judge_sha256=judge.sha256,
        rules=GateRules(min_pass_rate=options.min_pass_rate, repeats=options.repeats, per_case=options.per_case),
        concurrency=options.concurrency,
        timeout_s=options.timeout,
        subset=options.subset or "",
        cases=cases,
    )
    return runs.started(store, plan)


async def _carry_out(store: Store, begun: Begun, agent: Agent, judge: Judge, options: argparse.Namespace) -> int:
    from services.replay import runs
    from services.replay.runner import Runner

    run = begun.run
    if options.resume and judge.sha256 != run.judge_sha256:
        raise _Wrong("The judge changed since that run began, so it can't go on with it. Start a new run.")
    print(f"Run {run.id}: {run.total} answers wanted from {agent.label}", file=sys.stderr)
    gc.freeze()
    runner = Runner(
        store=store,
        run_id=run.id,
        owner=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"[:80],
        golden=begun.golden,
        agent=agent,
        judge=judge,
        concurrency=options.concurrency,
        timeout_s=options.timeout,
        progress=_progress(run.total),
    )
    _stop_on_signals(runner)
    agreement = await judge.agreement()
    state = await runner.work()
    print(file=sys.stderr)
    if runner.stopping or state == "cancelled":
        print(f"Stopped. Go on with: python scripts/replay_harness.py --resume {run.id} …", file=sys.stderr)
        return 3
    run, found = runs.conclude(store, run, judge_agreement=agreement, judge_usage=judge.usage())
    return _tell(store, run, found, options)


def _stop_on_signals(runner: Any) -> None:
    def stop() -> None:
        runner.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            return


def _progress(total: int) -> Any:
    is_terminal = sys.stderr.isatty()
    step = max(1, total // 20)
    said = 0

    def tell(done: int) -> None:
        nonlocal said
        if is_terminal:
            print(f"\r  {done} of {total}", end="", file=sys.stderr, flush=True)
        elif done // step > said // step or done == total:
            print(f"  {done} of {total}", file=sys.stderr, flush=True)
        said = done

    return tell


def _tell(store: Store, run: Run, found: GateResult, options: argparse.Namespace) -> int:
    from services.replay import report

    doc = report.document(run, found, _compared(store, run, found, options.baseline))
    if options.junit is not None:
        options.junit.write_text(report.junit(doc), encoding="utf-8")
    if options.html is not None:
        options.html.write_text(report.html(doc), encoding="utf-8")
    print(json.dumps(doc, ensure_ascii=False) if options.json else _text(doc))
    return EXIT[found.verdict]


def _compared(store: Store, run: Run, found: GateResult, against: str | None) -> Any:
    from services.replay import comparison, golden, runs

    path = Path(against) if against else None
    if path is None or not path.is_file():
        return runs.compared(store, run, found, against)
    raw = golden.raw(path)
    if not isinstance(raw, dict) or "cases" not in raw:
        raise _Wrong(f"{path} is not the JSON of a run. Write one with --json.")
    before = comparison.Basis(
        run_id=str(raw.get("run_id", path.name)),
        golden_sha256=str((raw.get("golden_set") or {}).get("sha256", "")),
        judge_sha256=str((raw.get("judge") or {}).get("sha256", "")),
    )
    return comparison.compare(found.cases, runs.from_document(raw), runs.basis_of(run), before)


def _text(doc: dict[str, Any]) -> str:
    low, high = doc["pass_rate_interval"]
    rate = "not measured" if doc["pass_rate"] is None else share(doc["pass_rate"])
    lines = [
        f"{doc['passed']} of {doc['total']} cases passed ({doc['failed']} failed, {doc['errors']} errors, "
        f"{doc['unscored']} unscored): {rate}, 95 % interval {share(low)} to {share(high)}.",
        *doc["gate_error_rates"],
    ]
    for case in doc["cases"]:
        if case["state"] != "passed":
            bad = [f"{c['id']} {c['score']:.1f}: {c['reason']}" for c in case["criteria"] if c["passed"] is False]
            lines.append(f"  {case['state']:8} {case['id']}  {case['error'] or case['unscored'] or '; '.join(bad)}")
    if doc["comparison"]:
        lines.append(f"Beside {doc['comparison']['against']}: {doc['comparison']['in_words']}")
    return "\n".join([*lines, *doc["reasons"], f"Verdict: {doc['verdict']}"])


if __name__ == "__main__":
    sys.exit(guarded("replay_harness.py", main))
