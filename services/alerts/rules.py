"""What becomes an alert, as one table: event, severity, title, and the page to open. No branches.

Severity: a `page` is worth waking somebody, a `notify` is for working hours, a `digest` stands in the daily digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.channels.message import Severity

RANK: Mapping[str, int] = {"digest": 0, "notify": 1, "page": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One sort of event. `title` has the blanks {environment}, {name}; `page` is the page that shows it.

    `moment`: it happens once and is not open afterwards, as a soak that has passed.
    """

    event: str
    severity: Severity
    title: str
    page: str
    moment: bool = False


# Source of each judgement: the module that makes it already; nothing is measured again here.
TABLE: tuple[Rule, ...] = (
    # services/health: states after hysteresis
    Rule(event="not_ready", severity="page", title="{environment} is not ready", page="dependency_health"),
    Rule(event="required_down", severity="page", title="{environment}: {name} is down", page="dependency_health"),
    Rule(event="optional_down", severity="notify", title="{environment}: {name} is down", page="dependency_health"),
    Rule(event="host_down", severity="page", title="{environment}: {name} don't answer", page="dependency_health"),
    Rule(event="queue_late", severity="notify", title="{environment}: {name} is late or can't be read",
         page="dependency_health"),
    Rule(event="job_late", severity="notify", title="{environment}: the job {name} failed or is late",
         page="dependency_health"),
    Rule(event="runs_stuck", severity="notify", title="{environment}: background runs are stuck",
         page="dependency_health"),
    Rule(event="certificate", severity="notify", title="{environment}: the certificate of {name} ends soon",
         page="dependency_health"),
    # services/dependencies/own_network.py, services/store/workers.py, worker/parts.py
    Rule(event="own_network", severity="page", title="Greenlight's own network is down", page="dependency_health"),
    Rule(event="worker_silent", severity="page", title="A worker of Greenlight is silent", page=""),
    Rule(event="worker_trouble", severity="page", title="Greenlight's worker reports trouble", page=""),
    Rule(event="channel_failed", severity="notify", title="Alerts don't get through {name}", page="alerts"),
    # services/verdict, services/soak
    Rule(event="go_lost", severity="page", title="{environment}: the Go no longer stands",
         page="strict_mode_checklist"),
    Rule(event="soak_broken", severity="notify", title="{environment}: the soak was broken",
         page="strict_mode_checklist", moment=True),
    Rule(event="soak_passed", severity="digest", title="{environment}: the soak has passed",
         page="strict_mode_checklist", moment=True),
    Rule(event="waiver_ends", severity="notify", title="{environment}: a waiver ends soon",
         page="strict_mode_checklist"),
    # services/slo/burn.py
    Rule(event="burn_page", severity="page", title="{environment}: {name} burns its error budget fast",
         page="slo_trends"),
    Rule(event="burn_ticket", severity="notify", title="{environment}: {name} burns its error budget",
         page="slo_trends"),
    # services/replay/canary.py
    Rule(event="canary", severity="notify", title="{environment}: the canary fails", page="replay_harness"),
    Rule(event="canary_critical", severity="page", title="{environment}: the canary fails critically",
         page="replay_harness"),
    # services/deploys
    Rule(event="deploy_unconfirmed", severity="page", title="{environment}: the newest deploy is not confirmed",
         page="deployments"),
    Rule(event="settings_unread", severity="notify", title="{environment}: a settings file stops being read",
         page="deployments"),
)  # fmt: skip
RULES: Mapping[str, Rule] = {rule.event: rule for rule in TABLE}
GREENLIGHT = ""  # the "environment" of alerts about Greenlight itself

# What is below what: where the second is failing too, the first is counted in its alert. `*` ends a prefix.
ABOVE: tuple[tuple[str, str], ...] = (
    ("queue:*", "redis"),  # a queue lies in Redis
    ("dependencies", "readiness"),  # served by the application
    ("inngest", "readiness"),  # so is its Inngest route
)
# An application that answers, and says that it isn't ready, is below what it requires; one that can't be reached is
# above what it serves. Source: domain.md §2.2.
SAYS_NOT_READY = frozenset({"readiness.not_ready", "readiness.bad_503", "readiness.contradicts_503"})
SAYS_UNHEALTHY = frozenset({"dependencies.unhealthy", "dependencies.ready_contradicts"})
# States that are slow, and worth an alert all the same.
SLOW_EVENTS: Mapping[str, str] = {"runs.stuck": "runs_stuck", "queue.late": "queue_late"}
SLOW_INTERVALS = 1.9  # so many must have passed since it was first seen slow: the third check confirms it
CERTIFICATE_DAYS = 14
