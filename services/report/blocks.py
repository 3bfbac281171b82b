"""What a report contains, in which order: the first page, and the details after it. The same in every format. Pure.

How it looks is in the templates (`services/documents/templates`, the PDF in `report.typ`).

Text formats say *simulated* on every line that could be quoted alone; pages and PDF carry one mark on each page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.access import named
from services.units import quantity, seconds, share
from services.verdict.model import STATE_WORDS

OUTCOMES = {"pass": "met", "fail": "not met", "unknown": "unknown"}
TITLES = {"completion": "Completion report", "leadership": "Leadership update"}
TONES = {"GO": "good", "NO_GO": "bad", "INCONCLUSIVE": "none"}
CONFIRMED = {True: "confirmed", False: "not confirmed", None: "not known yet"}
MOST_BARS = 6
SLO_STATES = {"ok": "met", "at_risk": "at risk", "broken": "broken", "no_data": "no data yet"}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the report's title."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph; `strong` for the one sentence that must be read."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """Shares as bars: (title, share of the whole, in words)."""

    title: str
    bars: tuple[tuple[str, float, str], ...]


Block = Heading | Words | Table | Bars


@dataclass(frozen=True, kw_only=True, slots=True)
class Front:
    """The first page: what a reader with 20 seconds takes away. `risks`: what, who owns it, what to do."""

    title: str
    environment: str
    as_of: str
    tone: str
    verdict: str
    why: str
    next_step: str
    since: str
    signed: str
    runs: str
    progress: str
    progress_share: float
    next_date: str
    changed_title: str
    changed: tuple[str, ...]
    charts: tuple[Bars, ...]
    risks: tuple[tuple[str, str, str], ...]


def front(found: Mapping[str, Any]) -> Front:
    """The first page of a report."""
    verdict, progress, changed = found["verdict"], found["progress"], found["changed"]
    none = "Nothing changed." if changed else "This is the first report of its kind."
    return Front(
        title=TITLES[found["kind"]],
        environment=found["environment"],
        as_of=_moment(verdict["as_of"]),
        tone=TONES[verdict["state"]],
        verdict=f"{STATE_WORDS[verdict['state']]} for {found['environment']}",
        why=verdict["why"],
        next_step=verdict["next_step"],
        since=f"Since {_moment(verdict['since'])}." if verdict["since"] else "",
        signed=_signed(found["go"]),
        runs=f"Version {found['version'] or 'not reported'}, policy {found['policy']}.",
        progress=f"{progress['met']} of {progress['of']} requirements met",
        progress_share=progress["met"] / progress["of"] if progress["of"] else 0.0,
        next_date=f"{_moment(progress['next_date'])}: {progress['next']}." if progress["next_date"] else "",
        changed_title=f"Changed since the report of {_moment(changed['since'])}" if changed else "Changes",
        changed=tuple(changed["lines"] if changed and changed["lines"] else [none]),
        charts=tuple(chart for chart in (_budgets(found), _pass_rate(found), _observed(found)) if chart.bars),
        risks=(
            *((issue["title"], issue.get("owner") or "nobody named", issue["fix"]) for issue in found["open_issues"]),
            *((f"Open since {_moment(item['since'])}: {item['title']}", item["taken_by"] or "nobody has taken it",
               item["fix"]) for item in found.get("incidents", ())),
            *((f"{w['what']} are waived until {_moment(w['until'])}: {w['note']}",
               named(w["by"], verified=w["verified"]), "") for w in found["waivers"]),
        ),
    )  # fmt: skip


def blocks(found: Mapping[str, Any]) -> tuple[Block, ...]:
    """The whole report, as text formats and the preview show it."""
    mark = " (simulated)" if found["simulated"] else ""
    head = front(found)
    risks = tuple((risk + mark, owner, fix) for risk, owner, fix in head.risks)
    return (
        Heading(1, f"{head.title}: {head.environment}{mark}"),
        Words(f"{head.verdict}{mark}. {head.why}", strong=True),
        *(Words(_marked(text, mark)) for text in (head.since, head.signed) if text),
        *([Words(f"Next{mark}: {head.next_step}")] if head.next_step else []),
        Words(f"As of {head.as_of}. {head.runs.rstrip('.')}{mark}."),
        Words(f"{head.progress}{mark}." + (f" Next date: {head.next_date}" if head.next_date else "")),
        Heading(2, head.changed_title),
        *(Words(_marked(line, mark)) for line in head.changed),
        Heading(2, "Open risks"),
        Table(("Risk", "Owner", "What to do"), risks) if risks else Words(f"None: every requirement is met{mark}."),
        *(Bars(chart.title, tuple((title + mark, share_, said) for title, share_, said in chart.bars))
          for chart in head.charts),
        *details(found, mark),
    )  # fmt: skip


def _marked(sentence: str, mark: str) -> str:
    """A sentence that can be quoted alone."""
    return f"{sentence.removesuffix('.')}{mark}." if mark else sentence


def details(found: Mapping[str, Any], mark: str) -> tuple[Block, ...]:
    """What stands after the first page."""
    return _leadership(found, mark) if found["kind"] == "leadership" else _completion(found, mark)


def _signed(go: Mapping[str, Any] | None) -> str:
    if go is None:
        return "Nobody has signed the Go."
    given = f"The Go was signed by {named(go['by'], verified=go['verified'])}, {_moment(go['at'])}"
    changed = " and ".join(go["changed"])
    return f"{given}; it no longer covers what runs: {changed}." if changed else f"{given}."


def _budgets(found: Mapping[str, Any]) -> Bars:
    known = [(p["title"], p["remaining"]) for p in found["slos"] if isinstance(p["remaining"], (int, float))]
    least = sorted(known, key=lambda item: item[1])[:MOST_BARS]
    title = "Error budget left" if len(known) <= MOST_BARS else f"Error budget left, the {MOST_BARS} smallest"
    return Bars(title, tuple((name, _part(left), f"{share(max(left, -9.99))} left") for name, left in least))


def _pass_rate(found: Mapping[str, Any]) -> Bars:
    replay = found["replay"] or {}
    rate, gate = replay.get("pass_rate"), replay.get("threshold")
    if not isinstance(rate, (int, float)):
        return Bars("Replay", ())
    asked = f"; the gate asks for {share(gate)}" if isinstance(gate, (int, float)) else ""
    return Bars("Replay", (("Cases passed", _part(rate), f"{share(rate)}{asked}"),))


def _observed(found: Mapping[str, Any]) -> Bars:
    soak = found["soak"]
    if soak is None or soak["since"] is None or soak["passed_at"]:
        return Bars("Soak", ())
    done = 1 - soak["left_s"] / (soak["hours"] * 3600)
    return Bars("Soak", ((f"Soak of {soak['environment']}", _part(done), f"{seconds(soak['left_s'])} left at least"),))


def _part(value: float) -> float:
    return max(0.0, min(1.0, value))


def _leadership(found: Mapping[str, Any], mark: str) -> tuple[Block, ...]:
    rules = Table(("Status", "Requirement"), tuple((OUTCOMES[r["outcome"]] + mark, r["title"]) for r in found["rules"]))
    gap = tuple((i["title"] + mark, i["why"], i["fix"]) for i in found["open_issues"])
    remaining: Block = (
        Table(("Requirement not met", "Why", "What to do"), gap)
        if gap
        else Words(f"None: every requirement is met{mark}.")
    )
    return (
        Heading(2, "Requirements"), rules,
        Heading(2, "Remaining gap"), remaining,
        Heading(2, "SLOs"), _slos(found, mark),
        Heading(2, "Deploys"), *_deploys(found, mark),
        Heading(2, "Risks of skipping steps"), *(Words(text) for text in found["risks_if_skipped"]),
        *_foot(found),
    )  # fmt: skip


def _completion(found: Mapping[str, Any], mark: str) -> tuple[Block, ...]:
    flags = tuple(
        (name + mark, _value(flag["value"]), _moment(flag["measured_at"])) for name, flag in found["flags"].items()
    )
    checks = tuple(
        (c["title"] + mark, OUTCOMES[c["outcome"]], _value(c["value"], c["unit"]), _value(c["threshold"], c["unit"]),
         _moment(c["measured_at"]), c["how"] if c["outcome"] == "pass" else c["why"])
        for rule in found["rules"] for c in rule["checks"]
    )  # fmt: skip
    issues = tuple((i["title"] + mark, i["why"], i["fix"]) for i in found["open_issues"])
    said = tuple(
        (d["words"] + ("" if d["holds"] else " (taken back)"), d["environment"] + mark,
         named(d["by"], verified=d["verified"]), _moment(d["at"]), d["note"])
        for d in found["decisions"]
    )  # fmt: skip
    waivers = tuple(
        (w["what"] + mark, named(w["by"], verified=w["verified"]), _moment(w["until"]), w["note"])
        for w in found["waivers"]
    )
    return (
        Heading(2, "Strict mode, as the running application reports it"),
        Table(("Variable", "Value", "Measured"), flags),
        Heading(2, "Every check"),
        Table(("Check", "Result", "Value", "Threshold", "Measured", "How, or why not"), checks),
        Heading(2, "Soak"), *_soak(found, mark),
        Heading(2, "SLOs"), _slos(found, mark),
        Heading(2, "Replay"), _replay(found, mark),
        Heading(2, "Deploys"), *_deploys(found, mark),
        Heading(2, "Open issues"),
        Table(("Requirement not met", "Why", "What to do"), issues) if issues else Words(f"None{mark}."),
        Heading(2, "Risk accepted, and by whom"),
        Table(("What", "By", "Until", "Reason"), waivers) if waivers else Words(f"None{mark}."),
        Heading(2, "Decisions"),
        Table(("What", "Environment", "By", "When", "Note"), said) if said else Words(f"None was recorded{mark}."),
        *_foot(found),
    )  # fmt: skip


def _soak(found: Mapping[str, Any], mark: str) -> list[Block]:
    soak = found["soak"]
    if soak is None:
        return [Words("This environment has no soak of its own, and needs none.")]
    rows = (
        ("Environment", soak["environment"]),
        ("State", f"passed {_moment(soak['passed_at'])}, and it stands" if soak["passed_at"]
         else {"running": "running", "waiting": "not all is proven yet"}.get(soak["state"], "not begun")),
        ("Needed", f"{soak['hours']:g} hours"),
        ("Since", _moment(soak["since"])),
        ("Observed", f"{share(soak['coverage'])} of the time, {soak['looks']} checks"),
        ("Canary runs passed inside", f"waived by {soak['waived']}" if soak["waived"] else str(soak["canaries"])),
    )  # fmt: skip
    made: list[Block] = [Table(("", ""), tuple((title + mark, said) for title, said in rows))]
    if soak["certifies"] is not None:
        proven = f"{soak['looks']} checks without a failure prove {share(soak['certifies'])} availability"
        made.append(Words(f"{proven} with 95 % confidence, not more{mark}."))
    return made


def _slos(found: Mapping[str, Any], mark: str) -> Block:
    return Table(
        ("SLO", "State", "In words"),
        tuple((p["title"] + mark, SLO_STATES[p["state"]], p["sentence"]) for p in found["slos"]),
    )


def _replay(found: Mapping[str, Any], mark: str) -> Block:
    replay = found["replay"]
    if replay is None:
        return Words(f"No replay of the whole golden set was run{mark}.")
    rate = replay["pass_rate"]
    of = share(rate) if isinstance(rate, (int, float)) else "not known"
    critical = ", ".join(replay.get("critical_failures") or ()) or "none"
    aside = f"; in quarantine, so not counted: {', '.join(replay['quarantine'])}" if replay.get("quarantine") else ""
    numbers = f"{replay['passed']} of {replay['total']} cases" if {"passed", "total"} <= replay.keys() else "Cases"
    counted = f"{numbers} passed: {of}"
    where = ", ".join([*([f"run {replay['run_id']}"] if "run_id" in replay else []), _moment(replay["measured_at"])])
    return Words(f"{counted}; critical failures: {critical}{aside}; {where}{mark}.")


def _deploys(found: Mapping[str, Any], mark: str) -> list[Block]:
    """What deploys interrupted in a week, what the settings grant, and what is wrong with them."""
    own = found["deploys"]
    week, newest, drill = own["week"], own["newest"], own["drill"]
    of = "" if week["cut"] is None else f" of {week['steps']:,}"
    rows = [
        ("Steps interrupted in 7 days", _known(week["cut"]) + of),
        ("Runs started again by hand in 7 days", str(week["by_hand"])),
        ("Seconds that a deploy grants", _known(own["granted_s"])),
        ("Seconds that measured steps need", _known(own["needed_s"])),
        ("Last deploy", "none is known" if newest is None else
         f"{newest['version']}, {_moment(newest['at'])}: {CONFIRMED[newest['confirmed']]}"),
        ("Deploy drill", "none was made" if drill is None else f"{OUTCOMES[drill['outcome']]}, {_moment(drill['at'])}"),
    ]  # fmt: skip
    return [Table(("", ""), tuple((title + mark, said) for title, said in rows)),
            *(Words(_marked(error, mark)) for error in own["errors"])]  # fmt: skip


def _known(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _foot(found: Mapping[str, Any]) -> list[Block]:
    chain = found["chain"]
    return [
        Heading(2, "What this report does not prove"),
        *(Words(text) for text in found["limits"]),
        Words(f"Made by Greenlight {found['greenlight']} at {_moment(found['made_at'])}. Chain of evidence: "
              f"{chain['records']} records, head {chain['head']}."),
    ]  # fmt: skip


def _moment(text: object) -> str:
    return str(text)[:16].replace("T", " ") + " UTC" if text else "not measured"


def _value(value: object, unit: str = "") -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (int, float)):
        return str(value)
    return share(value) if unit == "share" else quantity(value, unit)
