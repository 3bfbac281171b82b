"""Go or No-Go? Any rule measured false: NO_GO. Otherwise any rule not known: INCONCLUSIVE. Pure.

Absent, stale and unknown evidence never counts as pass, and what was measured of a simulated environment counts for no
real one. The verdict depends on the facts alone, never on the order in which they came.
"""

from __future__ import annotations

from services.dependencies.advice import advice_in
from services.dependencies.messages import MESSAGES, brief
from services.evidence.freshness import Under, why_stale
from services.evidence.model import Evidence, Outcome
from services.soak.evaluate import CHECK as SOAK
from services.soak.evaluate import meets
from services.verdict import words
from services.verdict.model import Facts, Finding, Standing, State, Verdict
from services.verdict.rules import RULES, STRICT, Rule

NOT_MEASURED = "not measured yet"
MEASURED_FALSE = {"RELAXED": "the variables are relaxed: nothing is enforced, so an outage would go unnoticed"}
NO_LONGER = "not known any more, as "


def evaluate(facts: Facts) -> Verdict:
    """The verdict of an environment."""
    findings = tuple(_finding(rule, facts) for rule in RULES if rule.applies(facts.subject))
    outcomes = {finding.outcome for finding in findings}
    state: State = "NO_GO" if "fail" in outcomes else "INCONCLUSIVE" if "unknown" in outcomes else "GO"
    return Verdict(
        environment=facts.subject.name,
        simulated=facts.subject.simulated,
        state=state,
        findings=findings,
        as_of_ms=facts.now_ms,
    )


def _finding(rule: Rule, facts: Facts) -> Finding:
    checks = tuple(_standing(name, facts) for name in rule.checks(facts.subject))
    outcome = worst(tuple(check.outcome for check in checks))
    first = next((check for check in checks if check.outcome == outcome and check.why), None)
    return Finding(
        rule=rule.id,
        title=rule.title,
        outcome=outcome,
        why="" if outcome == "pass" or first is None else sentence(first),
        fix="" if outcome == "pass" or first is None else first.fix or rule.fix,
        step=rule.step,
        checks=checks,
    )


def sentence(check: Standing) -> str:
    """Why a check does not pass, as a sentence."""
    if check.outcome == "fail":
        return f"{check.why[:1].upper()}{check.why[1:]}."
    whether = words.whether(check.check)
    if check.check == "confirm.policy" and check.record is None:
        return "Not confirmed yet: the decision to run strict."
    if check.why == NOT_MEASURED:
        return f"Not measured yet: whether {whether}."
    if check.stale:
        return f"Not known any more whether {whether}, as {check.why.removeprefix(NO_LONGER)}."
    return f"Not known yet whether {whether}: {check.why}."


def worst(outcomes: tuple[Outcome, ...]) -> Outcome:
    """False as soon as one is; true only if there are some and all are."""
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes and set(outcomes) == {"pass"} else "unknown"


def _standing(name: str, facts: Facts) -> Standing:
    if name != SOAK:
        return standing(name, facts.records.get(name), facts.under, facts)
    if facts.subject.staging is None:
        return Standing(check=SOAK, outcome="unknown", why="no staging environment is configured",
                        fix='Add the staging environment to greenlight.toml, with role = "staging".')  # fmt: skip
    return standing(SOAK, facts.soak, facts.soak_under, facts)


def standing(name: str, record: Evidence | None, under: Under, facts: Facts) -> Standing:
    """A check as it counts now."""
    if record is None:
        return Standing(check=name, outcome="unknown", why=NOT_MEASURED, fix=words.needs(name))
    if record.simulated != facts.subject.simulated:
        whose = "it was measured of a simulated environment" if record.simulated else "it is another environment's"
        return Standing(check=name, outcome="unknown", why=whose, fix=words.needs(name), record=record)
    stale = why_stale(record, under, facts.now_ms)
    if stale is not None:
        fix = words.START if stale == under.silent else words.AGAIN.get(name, words.VERIFY_AGAIN)
        return Standing(check=name, outcome="unknown", why=f"{NO_LONGER}{stale}", record=record, stale=True, fix=fix)
    if str(record.value) in MEASURED_FALSE:
        return Standing(check=name, outcome="fail", why=MEASURED_FALSE[str(record.value)], fix=STRICT,
                        record=record)  # fmt: skip
    if name == SOAK and record.outcome == "pass" and not meets(record.detail, facts.subject.soak):
        return Standing(check=name, outcome="unknown", why=f"{NO_LONGER}more is asked of a soak since", record=record,
                        stale=True, fix=words.AGAIN[SOAK])  # fmt: skip
    if record.outcome == "pass":
        return Standing(check=name, outcome="pass", why="", record=record)
    why, fix = _said(record)
    if record.outcome == "unknown":
        fix = fix or words.needs(name)
    return Standing(check=name, outcome=record.outcome, why=why, fix=fix, record=record)


def _said(record: Evidence) -> tuple[str, str]:
    """The cause in words, as the record names it, or what the check's being false means; and the cause's own fix."""
    reasons = record.detail.get("reasons")
    said = record.detail.get("why") or (" ".join(reasons) if isinstance(reasons, list) else "")
    if isinstance(said, str) and said:
        return said.rstrip("."), str(record.detail.get("fix") or "")
    if record.outcome == "fail" and (meaning := words.false(record.check)):
        return meaning, ""
    if (advice := advice_in(record.detail)) is not None:
        return advice.what.rstrip("."), advice.fix
    known = MESSAGES.get(record.code)
    if known is not None and known.outcome != "ok":
        return brief(record.code).rstrip("."), "" if "{" in known.fix else known.fix
    return ("it was measured and is false" if record.outcome == "fail" else "it could not be measured"), ""
