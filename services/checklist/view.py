"""Where a team stands on its way to strict mode. The steps, each with what proves it, from evidence alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection

from services.checklist import steps as table
from services.checklist.steps import Blanks, Step
from services.dependencies.registry import KINDS
from services.evidence import chain, decisions
from services.evidence.decisions import Decision, Log
from services.settings.model import Environment, Settings
from services.soak import reading as soaks
from services.soak.evaluate import CHECK as SOAK
from services.soak.evaluate import Soak
from services.store import Store, conditions
from services.verdict import sign_off as signing
from services.verdict import view as verdict_view
from services.verdict.evaluate import check_result, evaluate, worst
from services.verdict.model import CheckResult, Facts, Verdict
from services.verdict.view import SignedGo

State = Literal["done", "failed", "open", "waiting"]

BROKEN_NOW = "verify"  # the step of the rules about what runs, not about what is still to be set up


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """One step as it stands. `key` is its place in an address, unique on the page."""

    key: str
    number: int
    step: Step
    environment: str
    state: State
    checks: tuple[CheckResult, ...]
    decision: Decision | None
    title: str
    why: str
    how: tuple[str, ...]
    if_not: str
    bash: str
    powershell: str
    confirm_words: str
    message: str  # that asks for the inputs of this step's environment
    waits_for: tuple[str, ...]  # steps that are not done: `step 2`
    out_of_order: str  # which step is missing before it, where it is done already
    reopened: bool

    @property
    def named(self) -> bool:
        """Whether the title itself says of which environment it speaks."""
        return self.environment in self.title


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """One way to strict: by whom it was begun, and the Go that it led to; None where it led to none, or not yet."""

    begun: Decision
    signed: Decision | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Checklist:
    """The way of one environment, with the verdict that all of it adds up to."""

    environment: str
    role: str
    simulated: bool
    as_of_ms: int
    measured_ms: int | None  # when something on this way was measured last
    steps: tuple[StepView, ...]
    verdict: Verdict
    soak: Soak | None
    campaigns: tuple[Campaign, ...]  # newest first
    decisions: tuple[Decision, ...]  # of every kind, newest first
    asked: Decision | None  # a request for the Go that waits for its answer
    go: SignedGo | None  # the last that was signed

    @property
    def current(self) -> StepView | None:
        """The step to do next: the first that is not done and waits for none; None where all are done."""
        return next((step for step in self.steps if step.state in {"failed", "open"}), None)

    @property
    def progress(self) -> str:
        """Progress in a sentence."""
        done = sum(step.state == "done" for step in self.steps)
        mark = " (simulated)" if self.simulated else ""
        verb = "is" if done == 1 else "are"
        return f"{done} of {len(self.steps)} steps {verb} done for {self.environment}{mark}."

    @property
    def next_step(self) -> str:
        """What to do now, in a sentence; "" where all steps are done. What is broken now comes before any step."""
        broken = next((r for r in self.verdict.blocking if r.outcome == "fail" and r.step == BROKEN_NOW), None)
        if broken is not None:
            return f"First: {broken.advice.fix}"
        current = self.current
        if current is None:
            return ""
        where = "" if current.named else f", for {current.environment}"
        return f"Next: step {current.number}, {current.title}{where}."


def checklist(store: Store, settings: Settings, name: str, now_ms: int) -> Checklist:
    """The checklist of an environment. Raises UnknownEnvironment, SettingsError or StoreError."""
    environment = settings.environment(name)
    staging = verdict_view.staging_of(settings, environment)
    table.of(settings.steps_file)  # a wrong file is said before anything is read
    with store.read() as connection:
        walk = [e for e in (staging, environment) if e is not None]
        facts = {e.name: verdict_view.facts(connection, settings, e, now_ms) for e in walk}
        logs = {e.name: decisions.log(connection, e.name) for e in walk}
        campaigns = _campaigns(logs[name])
        campaign = campaigns[0].begun if campaigns else None
        go = verdict_view.signed_go(connection, name)
        views = _views(connection, settings, environment, staging, facts, logs, campaign, go)
        soaking = staging or (environment if environment.role == "staging" else None)
        soak = None if soaking is None else soaks.read(connection, settings, soaking, now_ms)
        asked = signing.waiting(connection, name)
        measured_ms = conditions.newest_ms(connection, [e.name for e in walk])
    found = evaluate(facts[name])
    return Checklist(
        environment=name,
        role=environment.role,
        simulated=environment.simulated,
        as_of_ms=now_ms,
        measured_ms=measured_ms,
        steps=views,
        verdict=found,
        soak=soak,
        campaigns=campaigns,
        decisions=tuple(sorted((d for log in logs.values() for d in log.said), key=lambda decision: -decision.number)),
        asked=asked,
        go=go,
    )


def _campaigns(log: Log) -> tuple[Campaign, ...]:
    begun = [d for d in log.of("campaign") if d.holds]
    signed = log.of("sign_off")
    found, until = [], None
    for each in begun:
        own = (s for s in signed if s.number > each.number and (until is None or s.number < until))
        last = next(own, None)
        found.append(Campaign(begun=each, signed=last if last is not None and last.holds else None))
        until = each.number
    return tuple(found)


def _views(
    connection: Connection, settings: Settings, environment: Environment, staging: Environment | None,
    facts: Mapping[str, Facts], logs: Mapping[str, Log], campaign: Decision | None, go: SignedGo | None,
) -> tuple[StepView, ...]:  # fmt: skip
    views: list[StepView] = []
    for step in table.of(settings.steps_file):
        for target in _targets(step, environment, staging):
            if (step.id == SOAK and target.role != "staging") or (step.only and not _is_told(settings, target)):
                continue
            views.append(_view(connection, step, target, facts[target.name], logs[target.name], len(views) + 1,
                               campaign, verdict=facts[environment.name], go=go))  # fmt: skip
    return _in_order(views, environment, staging)


def _is_told(settings: Settings, target: Environment) -> bool:
    """Whether a channel is told of an environment, or has to be."""
    own = (c.environments for c in settings.alerts.channels)
    return settings.policy.alerts or any(target.name in names or (not names and not target.simulated) for names in own)


def _targets(step: Step, environment: Environment, staging: Environment | None) -> list[Environment]:
    """For which environments a step is to be done on this way."""
    own = [environment]
    if step.environment == "last":
        return own
    if environment.role != "production":  # a way of its own: its steps are those written for staging
        return own if step.environment in {"each", "staging"} else []
    both: list[Environment | None] = [staging, environment]
    wanted = {"each": both, "staging": both[:1], "production": both[1:]}[step.environment]
    return [e for e in wanted if e is not None]


def _view(
    connection: Connection, step: Step, target: Environment, facts: Facts, log: Log, number: int,
    campaign: Decision | None, *, verdict: Facts, go: SignedGo | None,
) -> StepView:  # fmt: skip
    names = (*step.checks, *((f"queue:{q.name}" for q in target.queues) if step.queues else ()))
    checks = tuple(check_result(name, facts.records.get(name), facts.context, facts) for name in names)
    if step.environment == "last":
        decision = None if go is None else go.covering
    else:
        decision = log.newest(step.confirm or step.confirm_optional or "-")
    outcomes = [check.outcome for check in checks]
    if step.confirm:
        outcomes.append("pass" if decision is not None else "unknown")
    if step.environment == "last":
        outcomes.append({"GO": "pass", "NO_GO": "fail"}.get(evaluate(verdict).state, "unknown"))  # type: ignore[arg-type]
    outcome = worst(tuple(outcomes))
    since = 0 if campaign is None else campaign.at_ms
    return StepView(
        key=f"{step.id}-{target.name}",
        number=number,
        step=step,
        environment=target.name,
        state={"pass": "done", "fail": "failed"}.get(outcome, "open"),  # type: ignore[arg-type]
        checks=checks,
        decision=decision,
        title=_filled(step.title, target),
        why=_filled(step.why, target),
        how=tuple(_filled(text, target) for text in step.how),
        if_not=_filled(step.if_not, target),
        bash=_filled(step.bash, target),
        powershell=_filled(step.powershell, target),
        confirm_words=_filled(step.confirm_words, target),
        message=message(target),
        waits_for=(),
        out_of_order="",
        reopened=outcome != "pass"
        and chain.passed_together(
            connection, target.name, names, since, standing=decisions.PREFIX + step.confirm if step.confirm else ""
        ),
    )


def _in_order(views: list[StepView], environment: Environment, staging: Environment | None) -> tuple[StepView, ...]:
    """What waits for what; and what was done before its turn."""
    done = {view.key: view.state == "done" for view in views}
    names = {view.key: f"step {view.number}" for view in views}
    settled = []
    for view in views:
        own = [f"{name}-{view.environment}" for name in view.step.after]
        if staging is not None and view.environment == environment.name:
            own += [f"{name}-{staging.name}" for name in view.step.after if name == SOAK]
        missing = tuple(names[key] for key in own if key in done and not done[key])
        view = replace(view, reopened=view.reopened and not missing)  # noqa: PLW2901 - the same view, settled
        if view.state == "done":
            settled.append(replace(view, out_of_order=missing[0] if missing else ""))
        elif missing and not view.reopened:  # not done yet, as it should be: that is no failure
            settled.append(replace(view, state="waiting", waits_for=missing))
        else:
            settled.append(replace(view, waits_for=missing))
    return tuple(settled)


def _filled(text: str, environment: Environment) -> str:
    """A text with this environment's own names; never a secret."""
    file = environment.env_file or "your.env"
    blanks: Blanks = {
        "name": environment.name,
        "mode": environment.name if environment.role == "other" else environment.role,
        "env_file": f'"{file}"' if " " in file else file,
        "base_url": environment.base_url,
        "python": ".venv/bin/python",
        "python_windows": ".venv\\Scripts\\python",
    }
    return text.format_map(blanks)


def hand_over(view: StepView, link: str, *, simulated: bool) -> str:
    """A message that hands a step to somebody else: what is the matter with it, and the link that opens it."""
    mark = " (simulated)" if simulated else ""
    where = "" if view.named else f", for {view.environment}"
    open_ = [check for check in view.checks if check.outcome != "pass"]
    matter = "".join(f"- {check.advice.what} {check.advice.fix or view.if_not}\n" for check in open_)
    if view.step.confirm and view.decision is None:
        matter += f"- To be confirmed by name: {view.confirm_words}\n"
    return (
        f"Hello, a step on the way to strict mode needs you: {view.title}{where}{mark}.\n{matter}"
        f"What to do, and what proves it: {link}\n"
    )


def message(environment: Environment) -> str:
    """A message that asks the person who has them for an environment's inputs: for a place, never for a secret."""
    wanted = [
        *(text for kind in KINDS.values() for text in kind.inputs(environment)),
        "The decision that it may run strict, and who made it",
    ]
    return (
        f"Hello, we are preparing {environment.name} ({environment.base_url}) for strict mode and need:\n"
        + "".join(f"{number}. {text}\n" for number, text in enumerate(wanted, 1))
        + "Do not send keys by e-mail or chat: put them into the password manager and tell us the entry's name.\n"
    )
