"""Replay the golden set against an agent: `python scripts/replay_harness.py [--agent SPEC] [--json] [--junit F]`.

Exit: 0 PASS, 1 BLOCK, 3 INCONCLUSIVE (errors, unscored answers, a judge that can't be trusted), 2 wrong usage.
Progress goes to stderr. Ctrl-C stops within seconds; --resume RUN goes on with that run's own agent and settings,
without repeating what is finished.
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
from services.paths import ROOT, database_url
from services.units import share

if TYPE_CHECKING:
    from services.replay.agents import Agent
    from services.replay.gate import GateResult
    from services.replay.judges import Judge
    from services.replay.model import Verdict
    from services.replay.runs import Begun
    from services.store import Store
    from services.store.replays import Run

gc.set_threshold(50_000)  # one short run: looking for garbage at every turn would cost a tenth of it
EXIT = {"PASS": 0, "BLOCK": 1, "INCONCLUSIVE": 3}
DEFAULT_GOLDEN = ROOT / "golden" / "caio_alpha_golden_set_v1.json"
STOPPED = 3
GRACE_S = 2.0  # after Ctrl-C, how long answers that are on their way are waited for
TOKEN_VARIABLE = "GREENLIGHT_AGENT_TOKEN"  # noqa: S105 - a variable's name, not a token


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.aa and (options.resume or options.rescore):
            raise _Wrong("--aa begins two runs of its own. Leave out --resume and --rescore.")
        if not options.resume:
            _fill(options)
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
    made.add_argument("--golden", type=Path, metavar="F", help="the golden set")
    made.add_argument("--min-pass-rate", type=float, metavar="RATE", help="the gate (0.95)")
    made.add_argument("--agent", metavar="SPEC",
                      help="command:<command line>, http(s)://…, recorded:<file.jsonl>; default: the reference agent, "
                           "which in CI must be asked for by name (--agent reference). For http(s), the variable "
                           f"{TOKEN_VARIABLE} is sent as bearer token")  # fmt: skip
    made.add_argument("--agent-env", default="", metavar="NAME,…",
                      help="variables that a command:… agent is given beside PATH, HOME and the like")  # fmt: skip
    made.add_argument("--judge", choices=("rubric", "llm", "panel"), help="who scores (rubric)")
    made.add_argument("--repeats", type=int, metavar="N", help="how often each case is replayed (1)")
    made.add_argument("--per-case", help="repeats that must pass: all, majority, at_least:K (all)")
    made.add_argument("--concurrency", type=int, default=8, metavar="N", help="cases side by side (8)")
    which = made.add_mutually_exclusive_group()
    which.add_argument("--cases", metavar="ID,…", help="these cases alone")
    which.add_argument("--subset", metavar="TAG", help="cases with this tag alone, such as canary")
    made.add_argument(
        "--aa",
        action="store_true",
        help="run twice, to measure how much flips although nothing changed (A/A); the second run counts",
    )
    made.add_argument("--baseline", metavar="RUN|FILE", help="compare with this run, or with a run's JSON")
    made.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    made.add_argument("--rescore", metavar="RUN", help="judge a run's kept answers again; the agent isn't asked")
    made.add_argument("--timeout", type=float, metavar="S", help="seconds a case may take (60)")
    made.add_argument("--junit", type=Path, metavar="F", help="write JUnit XML")
    made.add_argument("--html", type=Path, metavar="F", help="write a page of its own")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    made.add_argument("--validate-only", action="store_true", help="check the golden set and stop")
    return made


class _Wrong(GreenlightError):
    pass


DEFAULTS = {"golden": DEFAULT_GOLDEN, "min_pass_rate": 0.95, "judge": "rubric", "repeats": 1, "per_case": "all",
            "timeout": 60.0}  # fmt: skip


def _fill(options: argparse.Namespace) -> None:
    """What was not said has its default. In CI nobody tries out the reference agent by mistake."""
    asks_an_agent = not (options.validate_only or options.rescore)
    if options.agent is None and asks_an_agent and os.environ.get("CI", "").strip().lower() not in {"", "0", "false"}:
        raise _Wrong(
            "--agent is missing. In CI the agent must be named; --agent reference asks for the one that tries this out."
        )
    options.agent = "reference" if options.agent is None else options.agent
    for name, value in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


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
    _check_files(options)


def _check_files(options: argparse.Namespace) -> None:
    for path in (options.junit, options.html):
        if path is not None and not path.parent.is_dir():
            raise _Wrong(f"The folder of {path} does not exist. Make it first.")
    if options.baseline and Path(options.baseline).is_file():
        _document_of_a_run(Path(options.baseline))


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
            _tell(store, run, found, options)
            return EXIT[found.verdict]
        begun = _resumed(store, options) if options.resume else None
        _check_files(options)
        judge = _judge(options.judge)
        token = os.environ.get(TOKEN_VARIABLE)
        names = [name for name in options.agent_env.split(",") if name.strip()]
        agent = open_agent(options.agent, concurrency=options.concurrency, token=token, variables=names)
        try:
            if begun is None:
                begun = _begin(store, options, agent, judge, pair=secrets.token_hex(6) if options.aa else "")
            elif judge.sha256 != begun.run.judge_sha256:
                raise _Wrong("The judge changed since that run began, so it can't go on with it. Start a new run.")
            else:
                begun = runs.resumed(store, options.resume)
            if options.aa:
                ended = await _carry_out(store, begun, agent, judge, options, is_told=False)
                if ended is None:
                    return STOPPED
                begun = _begin(store, options, agent, judge, pair=str(begun.run.options["aa"]))
            ended = await _carry_out(store, begun, agent, judge, options)
            return STOPPED if ended is None else EXIT[ended]
        finally:
            await agent.close()
            await judge.close()


def _ids(written: str | None) -> tuple[str, ...]:
    """The cases that --cases names; () without it. An empty list, as an unset variable gives it, is refused."""
    found = tuple(id_.strip() for id_ in (written or "").split(",") if id_.strip())
    if written is not None and not found:
        raise _Wrong("--cases names no case. Leave it out for all cases, or write their ids, separated by commas.")
    return found


def _resumed(store: Store, options: argparse.Namespace) -> Begun:
    """The run that is to go on, untouched; `options` are filled with its own, and what differs is refused."""
    from services.replay import golden, runs

    begun = runs.resumed_for_reading(store, options.resume)
    kept = dict(begun.run.options)
    if begun.run.runner != "command":
        raise _Wrong(f"Run {begun.run.id} is carried out by the workers. Go on with it on the page Replay harness.")
    own = {"min_pass_rate": kept["min_pass_rate"], "repeats": kept["repeats"], "per_case": kept["per_case"],
           "judge": kept["judge"], "timeout": kept["timeout_s"]}  # fmt: skip
    for name, value in own.items():
        given = getattr(options, name)
        if given is not None and given != value:
            flag = "--" + name.replace("_", "-")
            raise _Wrong(f"{flag} {given} differs from the run's own ({value}). Leave it out, or start a new run.")
        setattr(options, name, value)
    if options.golden is not None and golden.read(options.golden).sha256 != begun.run.golden_sha256:
        raise _Wrong(
            f"--golden {options.golden} is not the set that the run began with. Leave it out, or start a new run."
        )
    cases = _ids(options.cases)
    if (cases and list(cases) != list(kept["cases"])) or (options.subset and options.subset != begun.run.subset):
        raise _Wrong("--cases or --subset differs from the run's own. Leave it out, or start a new run.")
    options.agent = _own_agent(options.agent, begun.run)
    return begun


def _own_agent(given: str | None, run: Run) -> str:
    """The run's own agent; asked for again where its specification holds what may not be stored."""
    stored, mark = str(run.options["agent"]), str(run.options.get("agent_mark") or "")
    if given is None:
        if mark and _mark(stored) != mark:
            raise _Wrong(
                f"Run {run.id} began with an agent whose specification holds a secret, which is not kept. "
                "Give the same --agent again."
            )
        return stored
    if (mark and _mark(given) != mark) or (not mark and given != stored):
        raise _Wrong(f"--agent differs from the run's own ({stored}). Leave it out, or start a new run.")
    return given


def _mark(spec: str) -> str:
    """A keyed hash of an agent's specification, to tell whether another one is the same; the key stays here."""
    from services.fingerprint import installation_key
    from services.paths import data_dir

    return installation_key(data_dir()).mark("replay agent", spec)


def _judge(name: str) -> Judge:
    if name in {"llm", "panel"}:
        from services.replay.start import make_judge
        from services.settings.load import load

        return make_judge(load(), name)
    from services.replay.judges import RubricJudge

    return RubricJudge()


def _min_alpha(judge: str) -> float:
    """The agreement that a panel needs, as the settings say."""
    from services.replay.trust import MIN_ALPHA

    if judge != "panel":
        return MIN_ALPHA  # without reading the settings: their models take a tenth of a second to make
    from services.settings.load import load

    return load().replay.min_judge_alpha


def _begin(store: Store, options: argparse.Namespace, agent: Agent, judge: Judge, *, pair: str = "") -> Begun:
    from services.replay import runs
    from services.replay.gate import GateRules

    cases = _ids(options.cases)
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
        agent_mark=_mark(options.agent),
        pair=pair,
        min_judge_alpha=_min_alpha(options.judge),
    )
    return runs.started(store, plan)


async def _carry_out(
    store: Store, begun: Begun, agent: Agent, judge: Judge, options: argparse.Namespace, *, is_told: bool = True
) -> Verdict | None:
    """Ask and judge to the end; the verdict, None where it was stopped."""
    from services.replay import runs
    from services.replay.runner import Runner

    run = begun.run
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
        grace_s=GRACE_S,
        alone=True,
    )
    stopped = _stop_on_signals(runner)
    print(f"Run {run.id}: {run.total} answers wanted from {agent.label}", file=sys.stderr)
    labelled = asyncio.create_task(judge.sealed())
    await asyncio.wait([labelled, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    if not labelled.done():
        labelled.cancel()
    state = await runner.work()
    print(file=sys.stderr)
    if runner.stopping or state == "cancelled":
        print(f"Stopped. Go on with: python scripts/replay_harness.py --resume {run.id}", file=sys.stderr)
        return None
    run, found = runs.conclude(store, run, sealed=labelled.result(), judge_usage=judge.usage())
    if is_told:
        _tell(store, run, found, options)
    return found.verdict


def _stop_on_signals(runner: Any) -> asyncio.Event:
    stopped = asyncio.Event()

    def stop() -> None:
        runner.stopping = True
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            break
    return stopped


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


def _tell(store: Store, run: Run, found: GateResult, options: argparse.Namespace) -> None:
    from services.replay import aa, report

    doc = report.document(run, found, _compared(store, run, found, options.baseline))
    doc["aa"] = aa.document(aa.of_run(store, run))
    if options.junit is not None:
        options.junit.write_text(report.junit(doc), encoding="utf-8")
    if options.html is not None:
        options.html.write_text(report.html(doc), encoding="utf-8")
    print(json.dumps(doc, ensure_ascii=False) if options.json else _text(doc))


def _compared(store: Store, run: Run, found: GateResult, against: str | None) -> Any:
    from services.replay import comparison, runs

    path = Path(against) if against else None
    if path is None or not path.is_file():
        return runs.compared(store, run, found, against)
    raw = _document_of_a_run(path)
    before = comparison.Basis(
        run_id=str(raw.get("run_id", path.name))[:80],
        golden_sha256=str(raw["golden_set"].get("sha256", "")),
        judge_sha256=str(raw["judge"].get("sha256", "")),
    )
    return comparison.compare(found.cases, runs.from_document(raw), runs.basis_of(run), before)


def _document_of_a_run(path: Path) -> dict[str, Any]:
    """The JSON that --json wrote; read before a run begins, too. Raises _Wrong, SettingsError, WrongRun."""
    from services.replay import golden, runs

    raw = golden.raw(path)
    parts = [raw.get(name) for name in ("golden_set", "judge")] if isinstance(raw, dict) else []
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise _Wrong(f"{path} is not the JSON of a run. Write one with --json.")
    runs.from_document(raw)
    return dict(raw)


def _text(doc: dict[str, Any]) -> str:
    from services.replay import reliability, report

    low, high = doc["pass_rate_interval"]
    rate = "not measured" if doc["pass_rate"] is None else share(doc["pass_rate"])
    lines = [
        f"{doc['passed']} of {doc['total']} cases passed ({doc['failed']} failed, {doc['errors']} errors, "
        f"{doc['unscored']} unscored): {rate}, 95 % interval {share(low)} to {share(high)}.",
        *doc["gate_error_rates"],
        *filter(None, [reliability.in_words(doc)]),
    ]
    for case in doc["cases"]:
        if case["state"] != "passed":
            bad = [f"{c['id']} {c['score']:.1f}: {c['reason']}" for c in case["criteria"] if c["passed"] is False]
            mark = " (in quarantine)" if case["in_quarantine"] else ""
            lines.append(
                f"  {case['state']:8} {case['id']}{mark}  {case['error'] or case['unscored'] or '; '.join(bad)}"
            )
    lines += [
        f"Judges on {item['criterion'] or 'all criteria'}: {report.agreement_words(item)}."
        for item in doc["judge"]["panel"]
    ]
    lines += [f"Judge {item['judge']} {report.sealed_words(item)}." for item in doc["judge"]["sealed"]]
    if doc["comparison"]:
        lines.append(f"Compared with {doc['comparison']['against']}: {doc['comparison']['in_words']}")
    if doc["aa"]:
        lines.append(f"A/A: {doc['aa']['in_words']}")
    return "\n".join([*lines, *doc["reasons"], f"Verdict: {doc['verdict']}"])


if __name__ == "__main__":
    sys.exit(guarded("replay_harness.py", main))
