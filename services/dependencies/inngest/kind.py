"""Inngest: its route in the application, and work seen moving through its server."""

from pathlib import Path

from services.dependencies.kind import CheckWords, Kind, SliWords

_ROUTE = "Give this environment its INNGEST_SIGNING_KEY, so that its Inngest route can be read."
_NOT_READ = (
    "{} Give this environment its INNGEST_SIGNING_KEY (and inngest.api_url, if self-hosted), or import the past "
    "with scripts/import_history.py."
)

INNGEST = Kind(
    name="inngest",
    title="Inngest",
    gloss="Inngest: the service that starts background jobs on schedule.",
    folder=Path(__file__).parent,
    checks={
        "inngest.route": CheckWords(
            title="Inngest (which starts background jobs) may call the application", needs=_ROUTE
        ),
        "inngest.functions": CheckWords(title="All background functions are there", needs=_ROUTE),
        "inngest.moves_work": CheckWords(
            title="A background run was seen to complete", unit="s",
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
    titles={
        "inngest": "Inngest", "inngest.pulse": "Pulse", "inngest.sync": "Registration", "inngest.runs": "Runs",
    },
    breaks={"inngest": "Inngest could not call the application as it should"},
    strict=("inngest",),
)  # fmt: skip
