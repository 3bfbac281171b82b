"""A run as JSON, JUnit XML, CSV or a page of its own. The same facts in every form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any
from xml.sax.saxutils import quoteattr

from services import clock, documents
from services.replay import panel, reliability
from services.replay.comparison import Comparison
from services.replay.gate import CaseResult, GateResult, own_error_rates
from services.replay.model import MAX_SCORE, Outcome
from services.replay.panel import Agreed
from services.replay.runs import rules_of, summarise
from services.store.replays import Run
from services.units import share


def document(run: Run, found: GateResult, compared: Comparison | None) -> dict[str, Any]:
    """The run as `--json` prints it."""
    ended = run.finished_ms or clock.now_ms()
    return {
        "run_id": run.id,
        "state": run.state,
        "simulated": run.simulated,
        "environment": run.environment or None,
        **summarise(found),
        "block_build": found.block_build,
        "min_pass_rate": run.options["min_pass_rate"],
        "repeats": run.options["repeats"],
        "per_case": run.options["per_case"],
        "golden_set": {
            "name": run.golden_name, "version": run.options["golden_version"], "sha256": run.golden_sha256,
        },
        "judge": {
            "name": run.options["judge"], "sha256": run.judge_sha256, "agreement": run.summary.get("judge_agreement"),
            "usage": run.summary.get("judge_usage") or {}, "sealed": run.summary.get("judges") or [],
            "doubts": run.summary.get("judge_doubts") or [],
            "panel": [_agreed(item) for item in panel.agreed([o for case in found.cases for o in case.outcomes])],
        },
        "agent": run.agent,
        "subset": run.subset or None,
        "started_at": clock.iso(run.started_ms or run.created_ms),
        "duration_s": round((ended - (run.started_ms or run.created_ms)) / 1000, 3),
        "gate_error_rates": list(own_error_rates(found.total, rules_of(run))),
        **reliability.fields(reliability.pass_hat(found.cases)),
        "comparison": None if compared is None else comparison_fields(compared),
        "cases": [_case(case, {item.case_id for item in found.quarantine}) for case in found.cases],
    }  # fmt: skip


def _agreed(item: Agreed) -> dict[str, Any]:
    return asdict(item) | {"criterion": item.criterion or None}


def agreement_words(item: Mapping[str, Any]) -> str:
    """How far a panel agreed, in words; what has no variation has no alpha."""
    known = [
        f"{name} {'not known' if value is None else f'{value:.2f}'}"
        for name, value in (("alpha", item["alpha"]), ("alpha of the scores", item["alpha_scores"]))
    ]
    return f"{', '.join(known)}; {item['contested']} of {item['judged']} contested"


def sealed_words(item: Mapping[str, Any]) -> str:
    """What a judge came to on the sealed answers, in words."""
    agreed = "not known" if item["agreement"] is None else share(item["agreement"])
    change = item["since_before"]
    if change is None:
        return f"agrees with {agreed} of the labels; first run of this judge, so nothing to compare with"
    turned = f"{change['stricter']} stricter, {change['milder']} milder of {change['of']}"
    return f"agrees with {agreed} of the labels; beside its own earlier words {turned} (p = {change['p_value']:.3f})"


def comparison_fields(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON."""
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def _case(case: CaseResult, aside: Collection[str]) -> dict[str, Any]:
    worst = _worst(case)
    return {
        "id": case.id,
        "in_quarantine": case.id in aside,
        "category": case.category,
        "state": case.state,
        "passed": {"passed": True, "failed": False}.get(case.state),
        "score": case.score,
        "criteria": worst,
        "critical_failed": list(case.critical_failed),
        "error": next((f"{o.trouble.code}: {o.trouble.detail}" for o in case.outcomes if o.trouble is not None), None)
        if case.state == "error" else None,
        "unscored": next((o.judged.unscored for o in case.outcomes if o.judged and o.judged.unscored), None),
        "duration_ms": _mean([outcome.duration_ms for outcome in case.outcomes]),
        "attempts": sum(o.attempts for o in case.outcomes),
        "repeats": [_repeat(outcome) for outcome in case.outcomes],
    }  # fmt: skip


def _repeat(outcome: Outcome) -> dict[str, Any]:
    """One try: whether it passed, and for each criterion that failed what was asked and what was found."""
    criteria = outcome.judged.criteria if outcome.judged is not None else ()
    reasons = [{"criterion": c.id, "asked": c.asked, "found": c.reason} for c in criteria if c.passed is False]
    return {"passed": {"passed": True, "failed": False}.get(outcome.state), "state": outcome.state, "reasons": reasons}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 2) if values else None


def _worst(case: CaseResult) -> list[dict[str, Any]]:
    """Each criterion with the lowest score that it had in any repeat, and the reasons of each repeat that failed it."""
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, list[str]] = {}
    for outcome in case.outcomes:
        for c in outcome.judged.criteria if outcome.judged is not None else ():
            entry = {"id": c.id, "score": c.score, "passed": c.passed, "critical": c.critical, "reason": c.reason}
            if c.passed is False:
                failed.setdefault(c.id, []).append(f"repeat {outcome.repeat}: {c.reason}")
            before = found.get(c.id)
            if before is None or (c.score is not None and (before["score"] is None or c.score < before["score"])):
                found[c.id] = entry
    if len(case.outcomes) > 1:
        for id_, reasons in failed.items():
            found[id_] |= {"passed": False, "reason": "; ".join(reasons)}
    return list(found.values())


COLUMNS = (
    "id",
    "category",
    "state",
    "in_quarantine",
    "score",
    "critical_failed",
    "error",
    "attempts",
    "duration_ms",
    "failed_criteria",
)


def csv_rows(doc: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a case."""
    return [
        {name: case.get(name) for name in COLUMNS}
        | {
            "critical_failed": ", ".join(case["critical_failed"]),
            "failed_criteria": "; ".join(
                f"{c['id']} {c['score']}: {c['reason']}" for c in case["criteria"] if c["passed"] is False
            ),
        }
        for case in doc["cases"]
    ]


def junit(doc: Mapping[str, Any]) -> str:
    """JUnit XML: wrong answers are failures, infrastructure trouble errors, unscored answers and what is in quarantine
    skipped."""
    cases = "\n".join(_junit_case(case) for case in doc["cases"])
    name = f"replay {doc['golden_set']['name']} {doc['golden_set']['version']}" + (
        " (simulated)" if doc["simulated"] else ""
    )
    aside = len(doc["quarantine"])
    numbers = (
        f'tests="{doc["total"] + aside}" failures="{doc["failed"]}" errors="{doc["errors"]}" '
        f'skipped="{doc["unscored"] + aside}" '
        f'time="{doc["duration_s"]:.3f}"'
    )
    said = _text(f"{doc['verdict']}: {' '.join(doc['reasons'])}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites {numbers}>\n"
        f"<testsuite name={quoteattr(_text(name))} {numbers} timestamp={quoteattr(doc['started_at'][:19])}>\n"
        f'<properties><property name="verdict" value={quoteattr(doc["verdict"])}/>'
        f'<property name="run_id" value={quoteattr(doc["run_id"])}/></properties>\n'
        f"{cases}\n<system-out>{escape(said, quote=False)}</system-out>\n</testsuite>\n</testsuites>\n"
    )


def _junit_case(case: Mapping[str, Any]) -> str:
    head = (
        f"<testcase classname={quoteattr(_text(case['category'] or 'none'))} name={quoteattr(_text(case['id']))} "
        f'time="{(case["duration_ms"] or 0) / 1000:.3f}">'
    )
    if case["in_quarantine"]:
        text = f"in quarantine, so not counted: it ended as {case['state']}"
        inner = f"<skipped message={quoteattr(text)}/>"
    elif case["state"] == "failed":
        bad = [c for c in case["criteria"] if c["passed"] is False]
        text = "; ".join(f"{c['id']} scored {c['score']} of {MAX_SCORE}: {c['reason']}" for c in bad)
        kind = "critical" if case["critical_failed"] else "rubric"
        said = escape(_text(text), quote=False)
        inner = f"<failure type={quoteattr(kind)} message={quoteattr(_text(text[:500]))}>{said}</failure>"
    elif case["state"] == "error":
        text = _text(case["error"] or "the case was not finished")
        inner = f'<error type="infrastructure" message={quoteattr(text)}/>'
    elif case["state"] == "unscored":
        inner = f"<skipped message={quoteattr(_text(case['unscored'] or 'not scored'))}/>"
    else:
        inner = ""
    return f"{head}{inner}</testcase>"


def _text(text: str) -> str:
    """Without characters that XML can't hold."""
    return "".join(
        c for c in str(text) if c in "\t\n\r" or 32 <= ord(c) < 0xD800 or 0xE000 <= ord(c) <= 0xFFFD or ord(c) > 0xFFFF
    )


def html(doc: Mapping[str, Any]) -> str:
    """A page of its own: nothing is fetched from anywhere."""
    rate = "not measured" if doc["pass_rate"] is None else share(doc["pass_rate"])
    low, high = doc["pass_rate_interval"]
    judged, golden = doc["passed"] + doc["failed"], doc["golden_set"]
    interval = f"95 % interval {share(low)} to {share(high)}; gate {share(doc['min_pass_rate'])}"
    facts = [
        ("Pass rate", f"{rate} ({doc['passed']} of {judged} judged; {interval})"),
        ("Errors, unscored", f"{doc['errors']}, {doc['unscored']} of {doc['total']}"),
        ("Mean score", "not measured" if doc["avg_score"] is None else f"{doc['avg_score']:.2f} of 5"),
        ("Critical failures", ", ".join(doc["critical_failures"]) or "none"),
        ("Golden set", f"{golden['name']} {golden['version']} ({golden['sha256'][:12]})"),
        ("Judge", f"{doc['judge']['name']} ({doc['judge']['sha256'][:12]})"),
        ("Agent", doc["agent"]),
        ("Started, took", f"{doc['started_at']}, {doc['duration_s']:g} s"),
        ("Gate reliability", " ".join(doc["gate_error_rates"])),
        *([("pass^k", said)] if (said := reliability.in_words(doc)) else []),
    ]  # fmt: skip
    facts += [
        (f"Judges agree on {item['criterion'] or 'all criteria'}", agreement_words(item))
        for item in doc["judge"]["panel"]
    ]
    facts += [(f"Judge {item['judge']}", sealed_words(item)) for item in doc["judge"]["sealed"]]
    facts += [
        (f"In quarantine until {item['until']}", f"{item['case_id']}: {item['reason']} (owner {item['owner']})")
        for item in doc["quarantine"]
    ]
    if doc["comparison"]:
        facts.append(("Compared with " + doc["comparison"]["against"], doc["comparison"]["in_words"]))
    counts = {label: sum(pair) for label, pair in distribution(doc).items()}
    most = max(counts.values(), default=0) or 1
    return documents.html(
        "replay.html",
        title=f"Replay {doc['run_id']}: {doc['verdict']}",
        simulated=doc["simulated"],
        run=doc["run_id"],
        verdict=doc["verdict"],
        reasons=" ".join(doc["reasons"]),
        facts=facts,
        scores=[(label, count / most, str(count)) for label, count in counts.items()],
        cases=[_row(case) for case in sorted(doc["cases"], key=lambda c: (c["state"] == "passed", c["id"]))],
    )


def distribution(doc: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """How many cases scored how much: those that passed, and those that didn't."""
    bins = {name: [0, 0] for name in ("0 to 1", "1 to 2", "2 to 3", "3 to 4", "4 to 5", "5")}
    names = list(bins)
    for case in doc["cases"]:
        if case["score"] is not None:
            bins[names[min(MAX_SCORE, int(case["score"]))]][case["state"] != "passed"] += 1
    return {name: (passed, failed) for name, (passed, failed) in bins.items()}


def _row(case: Mapping[str, Any]) -> dict[str, str]:
    bad = [c for c in case["criteria"] if c["passed"] is False]
    why = case["error"] or case["unscored"] or "; ".join(f"{c['id']} ({c['score']:.1f}): {c['reason']}" for c in bad)
    score = "–" if case["score"] is None else f"{case['score']:.1f}"
    why = f"In quarantine, so not counted. {why}" if case["in_quarantine"] else why
    return {"id": case["id"], "category": case["category"], "state": case["state"], "score": score, "why": why}
