"""The application itself: its readiness, and what it reports of its dependencies."""

from pathlib import Path

from services.advice import Advice
from services.dependencies.conflict import Conflict, is_down, reported_ready, works
from services.dependencies.kind import CheckWords, Kind, SliWords

REPORT = "Give this environment its DASHBOARD_AUTH_TOKEN, so that the application's own report can be read."

APP = Kind(
    name="app",
    title="Application",
    gloss="Application: what is watched, by its own word.",
    folder=Path(__file__).parent,
    checks={
        "readiness.ready": CheckWords(
            title="The application answers that it is ready",
            needs="Start the worker, or press Probe now on Dependency health.",
            rule="readiness", probe="readiness",
        ),
        "dependencies.ready": CheckWords(
            title="The application reports its dependencies healthy", needs=REPORT, rule="dependencies",
            probe="dependencies",
        ),
    },
    slis={
        "readiness_uptime": SliWords(
            title="Readiness uptime", short="readiness answer", unit="ms", ratio=True, probe="readiness",
            good="the application answered that it is ready",
        ),
    },
    glosses={
        "readiness": "Readiness: whether the application itself says that it can work.",
        "dependencies": "Dependency report: what the application says of the services that it needs.",
    },
    titles={"readiness": "Readiness", "dependencies": "Dependency report"},
    states={"dependencies.degraded": "degraded"},
    conflicts=(
        Conflict(
            name="ready_but_report_says_not", probes=("readiness", "dependencies"),
            found=lambda states: works(states, "readiness") and reported_ready(states) is False,
            advice=Advice(
                what="The readiness route says ready, the dependency report says not ready.",
                fix="Correct the application: both routes must use the same rule.",
            ),
        ),
        Conflict(
            name="report_ready_but_not", probes=("dependencies", "readiness"), leads="readiness",
            found=lambda states: is_down(states, "readiness", "readiness.not_ready") and reported_ready(states) is True,
            advice=Advice(
                what="The application contradicts itself: its readiness route says not ready, its dependency report "
                "says ready.",
                fix="Correct the application, not a dependency: both routes must use the same rule.",
            ),
        ),
        Conflict(
            name="token_refused", probes=("readiness", "dependencies"),
            found=lambda states: (
                works(states, "readiness") and is_down(states, "dependencies", "dependencies.token_refused")
            ),
            advice=Advice(
                what="The application is up but refuses our dashboard token, so its own report stays closed.",
                fix="Put the application's current DASHBOARD_AUTH_TOKEN into this environment's env file.",
            ),
        ),
    ),
    slow_ms=lambda environment: {
        "readiness": environment.readiness.slow_ms, "dependencies": environment.report.slow_ms,
    },
    breaks={"dependencies": "The application's dependency report was unhealthy, or could not be read"},
)  # fmt: skip
