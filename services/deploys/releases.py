"""Joins the platform's deploys to those that are known, and notes those that nothing else told.

Only one that the platform calls a success is noted: a failed one never ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from services import deployed
from services.clock import DAY_MS
from services.deploys.api import SUCCEEDED, Deployment
from services.store import deploys
from services.store.deploys import NEAR_MS, PLATFORM, SHORTEST_COMMIT, Deploy

DETAIL = "platform"


def join(connection: Connection, environment: str, found: Sequence[Deployment], now_ms: int) -> int:
    """Keep what the platform says with each deploy; returns how many were new."""
    known = list(deploys.since(connection, environment, now_ms - 90 * DAY_MS, now_ms + 1))
    new = 0
    for deployment in sorted(found, key=lambda item: item.created_ms):
        match = _match(known, deployment)
        told = as_detail(deployment)
        if match is not None:
            if match.detail.get(DETAIL) != told:
                deploys.add_detail(connection, match, {DETAIL: told})
        elif deployment.status == SUCCEEDED and now_ms - deployment.updated_ms < 90 * DAY_MS:
            made = Deploy(
                environment=environment, at_ms=min(deployment.updated_ms, now_ms),
                version=deployed.name(deployment.commit) or deployment.id, source=PLATFORM, detail={DETAIL: told},
            )  # fmt: skip
            if deploys.note(connection, made):
                known.append(made)
                new += 1
    return new


def _match(known: Sequence[Deploy], deployment: Deployment) -> Deploy | None:
    """The same by its id, else by its commit, else the nearest in time that no other one is."""
    own = [d for d in known if _kept(d).get("id") == deployment.id]
    if own:
        return own[0]
    free = [d for d in known if not _kept(d)]
    named = [d for d in free if len(d.version) >= SHORTEST_COMMIT and deployment.commit.startswith(d.version)]
    near = [d for d in named or free if _apart_ms(d, deployment) <= (DAY_MS if named else NEAR_MS)]
    if deployment.status != SUCCEEDED and not named:
        return None  # a failed one lies near the one that took its place
    return min(near, key=lambda d: _apart_ms(d, deployment), default=None)


def _apart_ms(deploy: Deploy, deployment: Deployment) -> int:
    """How far a deploy lies outside the time from the platform's beginning of it to its last news."""
    return max(0, deployment.created_ms - deploy.at_ms, deploy.at_ms - deployment.updated_ms)


def _kept(deploy: Deploy) -> Mapping[str, str]:
    found = deploy.detail.get(DETAIL)
    return found if isinstance(found, dict) else {}


def as_detail(deployment: Deployment) -> dict[str, str]:
    """As a deploy keeps it."""
    return {"id": deployment.id, "status": deployment.status, "commit": deployment.commit,
            "branch": deployment.branch, "author": deployment.author, "message": deployment.message}  # fmt: skip


def who(deploy: Deploy) -> dict[str, str | None]:
    """Who deployed which commit of which branch, as the platform says; None where it isn't known."""
    kept = _kept(deploy)
    return {"who": kept.get("author") or None, "branch": kept.get("branch") or None,
            "commit": kept.get("commit") or None, "platform_status": kept.get("status") or None}  # fmt: skip
