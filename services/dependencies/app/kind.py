"""The application itself: its readiness, and what it reports of its dependencies."""

from pathlib import Path

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
        ),
        "dependencies.ready": CheckWords(title="The application reports its dependencies healthy", needs=REPORT),
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
    breaks={"dependencies": "The application's dependency report was unhealthy, or could not be read"},
)  # fmt: skip
