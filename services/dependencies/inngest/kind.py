"""Inngest: its route in the application, and work seen moving through its server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.advice import Advice
from services.dependencies.conflict import Conflict, is_down, reported_healthy
from services.dependencies.kind import CheckWords, Fact, Kind, RuleWords, SliWords

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from services.dependencies.run import Observation
    from services.store.samples import Sample

_ROUTE = "Give this environment its INNGEST_SIGNING_KEY, so that its Inngest route can be read."
_NOT_READ = (
    "{} Give this environment its INNGEST_SIGNING_KEY (and inngest.api_url, if self-hosted), or import the past "
    "with scripts/import_history.py."
)


def _facts(environment: Any, probe: str, facts: Mapping[str, Any]) -> Sequence[Fact]:
    if probe != "inngest":
        return ()
    return (
        Fact(label="Functions", expected=f"{environment.inngest.expected_functions} or more",
             actual=str(facts.get("function_count", "not reported"))),
        Fact(label="Mode", expected=environment.inngest.mode, actual=str(facts.get("mode", "not reported"))),
    )  # fmt: skip


def _keep(connection: Connection, item: Observation) -> list[Sample]:
    from services.dependencies.inngest.finished import keep  # needs the store, which settings don't

    return keep(connection, item)


INNGEST = Kind(
    name="inngest",
    title="Inngest",
    gloss="Inngest: the service that starts background jobs on schedule.",
    folder=Path(__file__).parent,
    checks={
        "inngest.route": CheckWords(
            title="Inngest (which starts background jobs) may call the application", needs=_ROUTE,
            rule="inngest", probe="inngest",
        ),
        "inngest.functions": CheckWords(
            title="All background functions are there", needs=_ROUTE, rule="inngest", probe="inngest",
        ),
        "inngest.moves_work": CheckWords(
            title="A background run was seen to complete", unit="s", rule="inngest",
            needs="It is read from Inngest's list of runs. That needs INNGEST_SIGNING_KEY or, for a server of your "
            "own, inngest.api_url in greenlight.toml; Dependency health says which.",
        ),
    },
    slis={
        "inngest_run_success": SliWords(
            title="Inngest run success", short="runs", ratio=True, probe="inngest", good="a background run completed",
            not_measured=_NOT_READ.format("No run was read."),
        ),
        "inngest_queue_wait": SliWords(
            title="Inngest queue wait", short="wait", unit="s", probe="inngest",
            not_measured=_NOT_READ.format("No waiting time was read."),
        ),
    },
    terms={"sync": "Sync: Inngest learns where the application is, and which background jobs it has."},
    titles={
        "inngest": "Inngest", "inngest.pulse": "Pulse", "inngest.sync": "Registration", "inngest.runs": "Runs",
    },
    breaks={"inngest": "Inngest could not call the application as it should"},
    strict=("inngest",),
    states={"runs.newest_failed": "a run failed", "runs.stuck": "runs stuck", "pulse.slow": "late"},
    rules=(
        RuleWords(
            id="inngest", title="Inngest is in order, and work was seen moving", step="inngest",
            fix="Open Dependency health, Inngest: it says where work stops.",
        ),
    ),
    conflicts=(
        Conflict(
            name="inngest_healthy_but_route_ill", probes=("dependencies", "inngest"),
            found=lambda states: reported_healthy(states, "inngest") is True and is_down(states, "inngest"),
            advice=Advice(
                what="The application reports Inngest healthy, but its Inngest route is not in order.",
                fix="Believe the route: its own row says what is wrong.",
            ),
        ),
    ),
    slow_ms=lambda environment: {"inngest": environment.inngest.slow_ms},
    facts=_facts,
    inputs=lambda environment: (
        f"INNGEST_SIGNING_KEY and INNGEST_EVENT_KEY of {environment.name}",
        f"The final INNGEST_WEBHOOK_URL (we expect {environment.base_url}{environment.inngest.path})",
    ),
    keep=_keep,
)  # fmt: skip
