"""Computes Go or No-Go. Any rule measured false: NO_GO. Otherwise any rule not known: INCONCLUSIVE. Pure.

Absent, stale and unknown evidence never counts as pass, and what was measured of a simulated environment counts for no
real one. The verdict depends on the facts alone, never on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from services.advice import Advice, advice_in, as_sentence
from services.dependencies.messages import MESSAGES, brief
from services.evidence.freshness import Context, why_stale
from services.evidence.model import Evidence, Outcome
from services.soak.evaluate import CHECK as SOAK
from services.soak.evaluate import meets
from services.verdict import words
from services.verdict.model import CheckResult, Facts, Probed, RuleResult, State, Verdict
from services.verdict.rules import ENFORCE, RULES, Rule

RELAXED = Advice(what="The variables are relaxed: nothing is enforced, so an outage would go unnoticed.", fix=ENFORCE)
MEASURED_FALSE = {"RELAXED": RELAXED}


def evaluate(facts: Facts) -> Verdict:
    """The verdict of an environment."""
    results = tuple(_rule_result(rule, facts) for rule in RULES if rule.applies(facts.subject))
    outcomes = {result.outcome for result in results}
    state: State = "NO_GO" if "fail" in outcomes else "INCONCLUSIVE" if "unknown" in outcomes else "GO"
    return Verdict(
        environment=facts.subject.name,
        simulated=facts.subject.simulated,
        state=state,
        results=results,
        as_of_ms=facts.now_ms,
    )


def _rule_result(rule: Rule, facts: Facts) -> RuleResult:
    checks = tuple(_check_result(name, facts) for name in rule.checks(facts.subject))
    outcome = worst(tuple(check.outcome for check in checks))
    first = next((check for check in checks if check.outcome == outcome), None)
    advice = Advice(what="")
    if outcome != "pass" and first is not None:
        advice = first.advice if first.advice.fix else Advice(what=first.advice.what, fix=rule.fix)
    title = rule.title + _without(checks)
    return RuleResult(rule=rule.id, title=title, outcome=outcome, advice=advice, step=rule.step, checks=checks)


def _without(checks: tuple[CheckResult, ...]) -> str:
    """What its evidence left out, in words: a pass that rests on a quarantine says so; "" for any other."""
    found = [check.record.detail.get("quarantine") for check in checks if check.record is not None]
    aside = sum(len(cases) for cases in found if isinstance(cases, list))
    return f", without {aside} case{'s' if aside > 1 else ''} in quarantine" if aside else ""


def worst(outcomes: tuple[Outcome, ...]) -> Outcome:
    """False as soon as one is; true only if there are some and all are."""
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes and set(outcomes) == {"pass"} else "unknown"


def _check_result(name: str, facts: Facts) -> CheckResult:
    if name != SOAK:
        return check_result(name, facts.records.get(name), facts.context, facts)
    if facts.subject.staging is None:
        return _unknown(name, "no staging environment is configured",
                        'Add the staging environment to greenlight.toml, with role = "staging".')  # fmt: skip
    return check_result(SOAK, facts.soak, facts.soak_context, facts)


def check_result(name: str, record: Evidence | None, context: Context, facts: Facts) -> CheckResult:
    """A check as it counts now."""
    found = _found(name, record, context, facts)
    return found if record is None else replace(found, measured_ms=_measured_ms(record, facts.probed))


def _measured_ms(record: Evidence, probed: Mapping[str, Probed]) -> int:
    """When it was last measured. A record is written when something changes, and hourly; a probe that has found the
    same since measured it since. Anything else it found says nothing of this check."""
    same = {"pass": {"ok", "slow"}, "fail": {"down"}}.get(record.outcome, set())
    last = probed.get(words.probe(record.check))
    return max(record.at_ms, last.at_ms) if last is not None and last.outcome in same else record.at_ms


def _found(name: str, record: Evidence | None, context: Context, facts: Facts) -> CheckResult:
    if record is None:
        return CheckResult(check=name, outcome="unknown", advice=words.not_measured(name))
    if record.simulated != facts.subject.simulated:
        whose = (
            "it was measured in a simulated environment" if record.simulated else "it belongs to another environment"
        )
        return _unknown(name, whose, words.needs(name), record)
    stale = why_stale(record, context, facts.now_ms)
    if stale is not None:
        return _stale(name, stale, words.START if stale == context.silent else words.again(name), record)
    if str(record.value) in MEASURED_FALSE:
        return CheckResult(check=name, outcome="fail", advice=MEASURED_FALSE[str(record.value)], record=record)
    if name == SOAK and record.outcome == "pass" and not meets(record.detail, facts.subject.soak):
        return _stale(name, "the settings now ask for a longer or fuller soak", words.again(SOAK), record)
    if record.outcome == "pass":
        return CheckResult(check=name, outcome="pass", advice=Advice(what=""), record=record)
    advice = advice_of(record)
    if record.outcome == "unknown":
        return _unknown(name, advice.what, advice.fix or words.needs(name), record)
    probe = words.probe(name)
    advice, last = facts.leading.get(probe, advice), facts.probed.get(probe)
    if last is not None and last.confirming:
        advice = Advice(what=f"{advice.what} It is {last.confirming}.", fix=advice.fix)
    return CheckResult(check=name, outcome="fail", advice=advice, record=record)


def _unknown(name: str, cause: str, fix: str, record: Evidence | None = None) -> CheckResult:
    what = f"Not known whether {words.whether(name)}. {as_sentence(cause)}"
    return CheckResult(check=name, outcome="unknown", advice=Advice(what=what, fix=fix), record=record)


def _stale(name: str, cause: str, fix: str, record: Evidence) -> CheckResult:
    what = f"No longer known whether {words.whether(name)}: {cause}."
    return CheckResult(check=name, outcome="unknown", advice=Advice(what=what, fix=fix), record=record, stale=True)


def advice_of(record: Evidence) -> Advice:
    """What a record that doesn't pass says: its cause, or what it means that the check is false; in a sentence."""
    detail = record.detail
    reasons = detail.get("reasons")
    said = detail.get("why") or (" ".join(reasons) if isinstance(reasons, list) else "")
    if isinstance(said, str) and said:
        return Advice(what=as_sentence(said), fix=str(detail.get("fix") or ""))
    if record.outcome == "fail" and (meaning := words.false(record.check)):
        return Advice(what=as_sentence(meaning))
    if (advice := advice_in(detail)) is not None:
        return Advice(what=as_sentence(advice.what), fix=advice.fix)
    known = MESSAGES.get(record.code)
    if known is not None and known.outcome != "ok":
        return Advice(what=as_sentence(brief(record.code)), fix="" if "{" in known.fix else known.fix)
    measured = record.outcome == "fail"
    return Advice(what="It was measured and is false." if measured else "It could not be measured.")
