"""What a report says: facts as JSON values, all of one moment, from the same places as the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection

from services import clock
from services.deploys import view as deploys
from services.evidence import chain, current, decisions
from services.evidence.decisions import Decision
from services.health.evaluate import evaluate as health_of
from services.health.view import wanted
from services.report import changes
from services.settings.model import Environment, Settings
from services.slo import view as slos
from services.slo import words as slo_words
from services.soak import reading as soaks
from services.store import Store, alerts
from services.store.alerts import Alert
from services.verdict import view as verdicts
from services.verdict import words
from services.verdict.evaluate import evaluate
from services.verdict.model import CheckResult, RuleResult, Verdict
from services.verdict.view import SignedGo
from services.version import VERSION

Kind = Literal["completion", "leadership"]
KINDS: tuple[Kind, ...] = ("completion", "leadership")
LIMITS = (
    "It speaks of the moment at its head. Whatever is deployed or configured later is not covered.",
    "It proves nothing of a load, or of failures, that the environment has not seen while it was measured.",
    "Decisions marked unverified rest on a name that somebody typed: no sign-in vouches for it.",
    "The signature proves that the report was not changed since; whose key it is, only the published key can prove.",
)
RISKS = (
    "False confidence from a relaxed PASS: nothing is enforced, so nothing was proven.",
    "Instability under load, since dependencies may fail unnoticed.",
    "Scheduler drift: background work that quietly stops or runs late.",
    "Regression results that can't be trusted.",
)


def document(store: Store, settings: Settings, name: str, kind: Kind, now_ms: int) -> dict[str, Any]:
    """The facts of a report. Raises UnknownEnvironment or StoreError."""
    environment = settings.environment(name)
    with store.read() as connection:
        facts = verdicts.facts(connection, settings, environment, now_ms)
        verdict = evaluate(facts)
        number, head = chain.tip(connection)
        found = slos.computed(connection, environment, now_ms, days=None, minute_days=settings.retention.minute_days)
        soak = _soak(connection, settings, environment, now_ms)
        waivers = _waivers(connection, settings, environment, now_ms)
        health = health_of(name, wanted(connection, environment), now_ms, strict=environment.strict)
        return {
            "kind": kind,
            "environment": name,
            "role": environment.role,
            "simulated": environment.simulated,
            "base_url": environment.base_url,
            "made_at": clock.iso(now_ms),
            "greenlight": VERSION,
            "verdict": _verdict(verdict, _since(connection, verdict)),
            "policy": current.policy(connection, name) or "unknown",
            "version": health.version,
            "flags": {f"{dependency.upper()}_REQUIRED": _flag(facts.records.get(f"{dependency}.required"))
                      for dependency in environment.strict},
            "rules": [_rule(result) for result in verdict.results],
            "go": _go(verdicts.signed_go(connection, name)),
            "soak": soak,
            "slos": [
                {"title": slo_words.title(r.slo.sli), "state": r.status.state, "sentence": slo_words.sentence(r),
                 "remaining": None if r.status.budget is None else r.status.budget.remaining}
                for r in found.rows
            ],
            "replay": _replay(facts.records.get("replay.gate")),
            "deploys": _deploys(connection, settings, environment, now_ms),
            "progress": _progress(verdict, soak, waivers, now_ms),
            "changed": _changed(changes.since_last(connection, name, kind, verdict.state, verdict.results, now_ms)),
            "open_issues": [_issue(result, environment.owner) for result in verdict.blocking],
            "incidents": [_incident(alert) for alert in alerts.open_ones(connection, (name, ""))],
            "waivers": waivers,
            "decisions": _decisions(connection, settings, environment),
            "risks_if_skipped": list(RISKS),
            "limits": list(LIMITS),
            "chain": {"records": number, "head": head},
        }  # fmt: skip


def _deploys(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> dict[str, Any]:
    """What deploys interrupt, and what would keep them from it."""
    found = deploys.seen(connection, settings, environment, now_ms)
    drill = chain.newest(connection, environment.name, "deploy.drill")
    newest = found.past[0] if found.past else None
    return {
        "granted_s": found.granted_s if found.is_named else None,
        "needed_s": None if found.needed is None else found.needed.seconds,
        "errors": [f.advice.what for f in found.findings if f.severity == "error"],
        "week": {"deploys": found.week.deploys, "cut": found.week.cut, "steps": found.week.steps,
                 "cost": found.week.cost, "by_hand": found.week.by_hand},
        "newest": None if newest is None else {
            "version": newest.deploy.version, "at": clock.iso(newest.deploy.at_ms), "confirmed": newest.is_confirmed,
            "cut": newest.after.cut,
        },
        "drill": None if drill is None else {"outcome": drill.outcome, "at": clock.iso(drill.at_ms)},
    }  # fmt: skip


def _since(connection: Connection, found: Verdict) -> int | None:
    """Since when the verdict has been so; None where that was not kept yet."""
    last = chain.newest(connection, found.environment, verdicts.CHECK)
    return last.detail.get("since_ms") if last is not None and last.value == found.state else None


def _progress(
    found: Verdict, soak: Mapping[str, Any] | None, waivers: Sequence[Mapping[str, Any]], now_ms: int
) -> dict[str, Any]:
    """How many requirements are met, and the next date that is known: the soak's end, or a waiver's."""
    dates = [(w["until"], "the waiver of the soak's canary runs ends") for w in waivers]
    if soak is not None and soak["state"] == "running":
        ends = clock.iso(now_ms + round(1000 * soak["left_s"]))
        dates.append((ends, f"the soak of {soak['environment']} ends at the earliest"))
    at, what = min(dates, default=(None, None))
    met = sum(result.outcome == "pass" for result in found.results)
    return {"met": met, "of": len(found.results), "next_date": at, "next": what}


def _changed(found: changes.Changes | None) -> dict[str, Any] | None:
    """What changed since the last report of this kind; None where there was none."""
    if found is None:
        return None
    return {"since": clock.iso(found.since.at_ms), "by": found.since.by, "lines": list(found.lines)}


def _verdict(found: Verdict, since_ms: int | None) -> dict[str, Any]:
    return {
        "state": found.state,
        "since": None if since_ms is None else clock.iso(since_ms),
        "words": found.words,
        "why": found.why,
        "next_step": found.next_step,
        "as_of": clock.iso(found.as_of_ms),
    }


def _go(found: SignedGo | None) -> dict[str, Any] | None:
    """Who signed the Go; `changed` is what is no longer as it was then, [] while it covers what runs."""
    if found is None:
        return None
    given = found.decision
    return {"by": given.by, "verified": given.verified, "at": clock.iso(given.at_ms), "changed": list(found.changed)}


def _flag(record: Any) -> dict[str, Any]:
    if record is None:
        return {"value": None, "measured_at": None}
    return {"value": record.value, "measured_at": clock.iso(record.at_ms)}


def _rule(result: RuleResult) -> dict[str, Any]:
    return {
        "rule": result.rule,
        "title": result.title,
        "outcome": result.outcome,
        "why": result.advice.what,
        "fix": result.advice.fix,
        "checks": [_check(check) for check in result.checks],
    }


def _check(check: CheckResult) -> dict[str, Any]:
    record = check.record
    return {
        "check": check.check,
        "title": words.title(check.check),
        "outcome": check.outcome,
        "why": check.advice.what,
        "value": None if record is None else record.value,
        "threshold": None if record is None else record.threshold,
        "unit": words.unit(check.check),
        "measured_at": None if check.measured_ms is None else clock.iso(check.measured_ms),
        "version": None if record is None else record.version,
        "fingerprint": None if record is None else record.fingerprint,
        "how": _how(check.check),
    }


def _how(check: str) -> str:
    """How a check is measured, in words."""
    if check.startswith(decisions.PREFIX):
        return "a person's word"
    if check.startswith("env."):
        return "the configuration read and tried"
    return {"soak": "computed from samples", "replay.gate": "golden cases replayed"}.get(check, "measured from outside")


def _incident(alert: Alert) -> dict[str, Any]:
    return {
        "title": alert.title, "since": clock.iso(alert.opened_ms), "why": alert.what, "fix": alert.fix,
        "taken_by": alert.acknowledged_by or None, "muted": alert.muted or None,
    }  # fmt: skip


def _issue(result: RuleResult, owner: str) -> dict[str, str]:
    advice = result.advice
    return {"title": result.title, "outcome": result.outcome, "why": advice.what, "fix": advice.fix, "owner": owner}


def _soak(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> dict[str, Any] | None:
    soaking = verdicts.staging_of(settings, environment) or (environment if environment.role == "staging" else None)
    if soaking is None:
        return None
    found = soaks.read(connection, settings, soaking, now_ms)
    return {
        "environment": soaking.name,
        "state": found.state,
        "passed_at": None if found.passed_ms is None else clock.iso(found.passed_ms),
        "hours": settings.soak.hours,
        "since": None if found.since_ms is None else clock.iso(found.since_ms),
        "left_s": found.left_ms / 1000,
        "coverage": found.coverage,
        "looks": found.checks,
        "certifies": found.certifies,
        "canaries": found.canaries,
        "waived": found.waived,
    }


def _replay(record: Any) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"outcome": record.outcome, "pass_rate": record.value, "threshold": record.threshold,
            "measured_at": clock.iso(record.at_ms), **_plain(record.detail)}  # fmt: skip


def _plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: detail[key] for key in ("run_id", "passed", "total", "critical_failures", "quarantine") if key in detail
    }


def _ways(settings: Settings, environment: Environment) -> list[Environment]:
    return [e for e in (verdicts.staging_of(settings, environment), environment) if e is not None]


def _waivers(connection: Connection, settings: Settings, environment: Environment, now_ms: int) -> list[dict[str, Any]]:
    found = []
    for each in _ways(settings, environment):
        waiver = decisions.newest(connection, each.name, "waive_canaries")
        if waiver is not None and int(waiver.detail.get("until_ms", 0)) >= now_ms:
            until = clock.iso(int(waiver.detail["until_ms"]))
            found.append({**_said(waiver), "what": "The soak's canary runs", "until": until})
    return found


def _decisions(connection: Connection, settings: Settings, environment: Environment) -> list[dict[str, Any]]:
    """What people said, oldest first; what was taken back is said too."""
    found = [d for each in _ways(settings, environment) for kind in decisions.KINDS
             for d in decisions.history(connection, each.name, kind, limit=20)]  # fmt: skip
    return [_said(d) for d in sorted(found, key=lambda d: d.number)]


def _said(decision: Decision) -> dict[str, Any]:
    return {
        "what": decision.kind.replace("_", " "),
        "words": decisions.WORDS[decision.kind],
        "environment": decision.environment,
        "holds": decision.holds,
        "by": decision.by,
        "verified": decision.verified,
        "at": clock.iso(decision.at_ms),
        "note": decision.note,
        "under_fingerprint": decision.detail.get("under_fingerprint"),
        "record": decision.number,
    }
