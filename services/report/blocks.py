"""How is a report laid out? Headings, paragraphs, tables: the same pieces for Markdown, HTML and PDF. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.access import named
from services.units import quantity, share

OUTCOMES = {"pass": "met", "fail": "not met", "unknown": "not known"}
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
    """Error budgets as bars: (title, share that is left, in words)."""

    title: str
    bars: tuple[tuple[str, float, str], ...]


Block = Heading | Words | Table | Bars


def blocks(found: Mapping[str, Any]) -> tuple[Block, ...]:
    """The report's pieces. Of a simulated environment, every line that could be quoted says so."""
    mark = " (simulated)" if found["simulated"] else ""
    return _leadership(found, mark) if found["kind"] == "leadership" else _completion(found, mark)


def _head(found: Mapping[str, Any], mark: str, title: str) -> list[Block]:
    verdict = found["verdict"]
    return [
        Heading(1, f"{title}: {found['environment']}{mark}"),
        Words(f"{verdict['words']} for {found['environment']}. {verdict['why']}", strong=True),
        *([Words(f"Next{mark}: {verdict['next_step']}")] if verdict["next_step"] else []),
        Words(_signed(found["go"], mark)),
        Words(f"As of {_moment(verdict['as_of'])}. Version {found['version'] or 'not reported'}, policy "
              f"{found['policy']}{mark}."),
    ]  # fmt: skip


def _signed(go: Mapping[str, Any] | None, mark: str) -> str:
    if go is None:
        return f"Nobody has signed the Go{mark}."
    given = f"The Go was signed by {named(go['by'], verified=go['verified'])}, {_moment(go['at'])}{mark}"
    changed = " and ".join(go["changed"])
    return f"{given}; it no longer covers what runs: {changed}." if changed else f"{given}."


def _leadership(found: Mapping[str, Any], mark: str) -> tuple[Block, ...]:
    rules = Table(("Status", "Rule"), tuple((OUTCOMES[r["outcome"]] + mark, r["title"]) for r in found["rules"]))
    gap = tuple((i["title"] + mark, i["why"], i["fix"]) for i in found["open_issues"])
    remaining: Block = (
        Table(("Requirement not met", "Why", "What to do"), gap) if gap else Words(f"None: every rule is met{mark}.")
    )
    return (
        *_head(found, mark, "Leadership update"),
        Heading(2, "Status"), rules,
        Heading(2, "Remaining gap"), remaining,
        Heading(2, "SLOs"), _slos(found, mark),
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
        *_head(found, mark, "Completion report"),
        Heading(2, "Strict mode, as the running application reports it"),
        Table(("Variable", "Value", "Measured"), flags),
        Heading(2, "Every check"),
        Table(("Check", "Result", "Value", "Threshold", "Measured", "How, or why not"), checks),
        Heading(2, "Soak"), *_soak(found, mark),
        Heading(2, "SLOs"), _slos(found, mark), _bars(found, mark),
        Heading(2, "Replay"), _replay(found, mark),
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


def _bars(found: Mapping[str, Any], mark: str) -> Block:
    known = [(p["title"], p["remaining"]) for p in found["slos"] if isinstance(p["remaining"], (int, float))]
    bars = tuple((title, max(0.0, min(1.0, left)), f"{share(max(left, -9.99))} left") for title, left in known)
    return Bars("Error budgets that are left", tuple((title + mark, left, said) for title, left, said in bars))


def _replay(found: Mapping[str, Any], mark: str) -> Block:
    replay = found["replay"]
    if replay is None:
        return Words(f"No replay of the whole golden set was run{mark}.")
    rate = replay["pass_rate"]
    of = share(rate) if isinstance(rate, (int, float)) else "not known"
    critical = ", ".join(replay.get("critical_failures") or ()) or "none"
    counted = f"{replay.get('passed')} of {replay.get('total')} cases passed ({of})"
    where = f"run {replay.get('run_id')}, {_moment(replay['measured_at'])}"
    return Words(f"{counted}; critical failures: {critical}; {where}{mark}.")


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
