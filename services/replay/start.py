"""How pages, API and the worker's schedule ask for a replay. Through the store; targets come from settings alone."""

from __future__ import annotations

import asyncio
import functools
import secrets
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from services import access, clock
from services.access import Person
from services.evidence import chain
from services.evidence.model import Evidence, Outcome
from services.replay import runs
from services.replay.agents import REFERENCE
from services.replay.gate import GateResult, GateRules
from services.replay.identity import golden_path
from services.replay.judges import Judge, RubricJudge
from services.replay.runs import CANARY, Plan, WrongRun
from services.settings.model import Settings
from services.store import Store, replays, samples
from services.store.replays import Run
from services.store.samples import Sample

SLI = "canary_pass_rate"
OUTCOMES: dict[str, Outcome] = {"PASS": "pass", "BLOCK": "fail"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody asks for; `agent` is a configured agent's name, or the reference agent."""

    agent: str = REFERENCE
    subset: str = ""
    judge: str = "rubric"
    repeats: int = 1
    per_case: str = "all"
    min_pass_rate: float | None = None
    pair: str = ""  # of an A/A pair: what both of its runs are called


def agent_names(settings: Settings) -> tuple[str, ...]:
    """The agents that may be asked for."""
    return (REFERENCE, *(agent.name for agent in settings.replay.agents))


def judge_names(settings: Settings) -> tuple[str, ...]:
    """The judges that may be asked for."""
    models = ("llm",) if settings.replay.judge is not None else ()
    return ("rubric", *models, *(("panel",) if settings.replay.judges else ()))


def environment_of(settings: Settings, agent: str) -> str:
    """The environment that an agent belongs to, and its runs count for; "" where it belongs to none."""
    return next((a.environment or "" for a in settings.replay.agents if a.name == agent), "")


def make_judge(settings: Settings, name: str) -> Judge:
    """The judge of that name. Raises SettingsError where it isn't configured, WrongRun for a name unheard of."""
    if name == "rubric":
        return RubricJudge()
    if name == "llm":
        from services.replay.judge_llm import from_settings

        return from_settings(settings)
    if name == "panel":
        from services.replay.judge_llm import panel_from_settings

        return panel_from_settings(settings)
    raise WrongRun(f"There is no judge {name[:40]!r}. Choose rubric, llm or panel.")


def ask(store: Store, settings: Settings, wish: Wish, *, by: Person) -> Run:
    """Put a run for the workers into the store. Raises Forbidden, WrongRun, SettingsError or StoreError."""
    access.require(by, "replay")
    if wish.agent not in agent_names(settings):
        raise WrongRun(f"There is no agent {wish.agent[:60]!r}. Choose one of: {', '.join(agent_names(settings))}.")
    if not 1 <= wish.repeats <= 20:
        raise WrongRun("Repeats must lie between 1 and 20.")
    environment = environment_of(settings, wish.agent)
    judge = make_judge(settings, wish.judge)
    rate = settings.replay.min_pass_rate if wish.min_pass_rate is None else wish.min_pass_rate
    plan = Plan(
        golden_path=golden_path(settings),
        agent=wish.agent,
        agent_label=wish.agent,
        judge_name=judge.name,
        judge_sha256=judge.sha256,
        rules=GateRules(min_pass_rate=rate, repeats=wish.repeats, per_case=wish.per_case),
        concurrency=settings.replay.concurrency,
        timeout_s=settings.replay.timeout_s,
        subset=wish.subset,
        environment=environment,
        simulated=bool(environment) and settings.environment(environment).simulated,
        runner="worker",
        requested_by=str(by),
        min_judge_alpha=settings.replay.min_judge_alpha,
        pair=wish.pair,
    )
    return runs.begin(store, plan).run


def ask_pair(store: Store, settings: Settings, wish: Wish, *, by: Person) -> tuple[Run, Run]:
    """The same run twice (A/A), to measure how much flips although nothing changed. Raises like `ask`."""
    named = replace(wish, pair=secrets.token_hex(6))
    return ask(store, settings, named, by=by), ask(store, settings, named, by=by)


def ask_pairs(store: Store, settings: Settings) -> tuple[Run, ...]:
    """An A/A pair for each agent with an environment, unless its last one is still open."""
    asked: list[Run] = []
    for agent in settings.replay.agents:
        if agent.environment is None:
            continue
        with store.read() as connection:
            last = replays.newest(connection, limit=20, agent=agent.name)
        if not any(run.options.get("aa") and run.state in replays.OPEN for run in last):
            asked += ask_pair(store, settings, Wish(agent=agent.name), by=access.SCHEDULE)
    return tuple(asked)


def ask_canaries(store: Store, settings: Settings) -> tuple[Run, ...]:
    """A canary run for each agent with an environment, unless its last one is still open."""
    asked = []
    for agent in settings.replay.agents:
        if agent.environment is None:
            continue
        with store.read() as connection:
            last = replays.newest(connection, limit=1, agent=agent.name, subset=CANARY)
        if last and last[0].state in replays.OPEN:
            continue
        asked.append(ask(store, settings, Wish(agent=agent.name, subset=CANARY), by=access.SCHEDULE))
    return tuple(asked)


def agent_spec(settings: Settings, name: str) -> tuple[str, str | None]:
    """Where an agent is, and the token that opens it: its environment's, where it lies under the same address."""
    if name == REFERENCE:
        return REFERENCE, None
    found = next((agent for agent in settings.replay.agents if agent.name == name), None)
    if found is None:
        raise WrongRun(f"The agent {name[:60]!r} is no longer configured, so the run can't be carried out.")
    if found.environment is None:
        return found.url, None
    environment = settings.environment(found.environment)
    token = environment.secrets.dashboard_token
    is_same = found.url.startswith(environment.base_url + "/")
    return found.url, token.get_secret_value() if token is not None and is_same else None


def keep_evidence(store: Store, connection: Connection, run: Run, found: GateResult) -> None:
    """A concluded run of an environment's agent as evidence, and a canary as a sample of its SLI.

    A person who asks for a run may hold it to less than a Go asks for; `found` is its result by the measure of a Go.
    """
    is_canary = run.subset == CANARY
    if not run.environment or (run.subset and not is_canary):
        return  # a hand-picked subset proves nothing about the whole
    now = run.finished_ms or clock.now_ms()
    outcome = OUTCOMES.get(found.verdict, "unknown")
    if is_canary:
        good = {"pass": True, "fail": False}.get(outcome)
        sample = Sample(
            environment=run.environment, sli=SLI, at_ms=now, value=found.pass_rate, good=good, interval_s=3600
        )
        samples.append(connection, [sample], {})
    context = runs.context_of(connection, run)
    proof = Evidence(
        environment=run.environment,
        check="replay.canary" if is_canary else "replay.gate",
        outcome=outcome,
        at_ms=now,
        value=found.pass_rate,
        threshold=runs.rules_of(run).for_go.min_pass_rate,
        code=f"replay.{found.verdict.lower()}",
        version=context.version,
        fingerprint=context.fingerprint,
        golden_sha256=run.golden_sha256,
        judge_sha256=run.judge_sha256,
        simulated=run.simulated,
        detail={
            "run_id": run.id,
            "passed": found.passed,
            "total": found.total,
            "critical_failures": list(found.critical_failures),
            "reasons": list(found.reasons),
            **(
                {"quarantine": aside} if (aside := [f"{run.golden_name}/{h.case_id}" for h in found.quarantine]) else {}
            ),
        },
    )
    chain.append(store, connection, [proof])


async def conclude_if_complete(store: Store, run: Run, judge: Judge) -> Run | None:
    """The verdict, once every piece is done, by the first one who sees it; None while pieces are open."""

    def complete() -> bool:
        with store.read() as connection:
            return replays.is_complete(connection, run.id) and replays.state_of(connection, run.id) == "running"

    if not await asyncio.to_thread(complete):
        return None
    words = await judge.sealed()

    def conclude() -> Run:
        also = functools.partial(keep_evidence, store)
        return runs.conclude(store, run, sealed=words, judge_usage=judge.usage(), also=also)[0]

    return await asyncio.to_thread(conclude)
