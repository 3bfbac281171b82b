"""What the platform's API says, as the page shows it: sources with their age, nothing as markup, no secret."""

import asyncio
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from services import clock
from services.deploys import asked
from services.deploys.view import view
from services.store import Store
from tests.conftest import Served
from tests.services.deploys.railway_stand_in import TOKEN, Railway, deployment
from tests.services.deploys.test_api import settings
from ui.deployments import render
from worker.platform import PlatformWatch

Serve = Callable[..., Served]


def page(store: Store, folder: Path, url: str) -> str:
    found = settings(folder, url)
    asyncio.run(PlatformWatch(store, found, holds=lambda _name: True).ask("p", hinted=True))
    now = clock.now_ms()
    return "".join(render(view(store, found, "p", now), UTC, clock.from_ms(now)))


def test_settings_show_source_and_age_and_deploys_who_branch_and_status(
    sqlite_store: Store, tmp_path: Path, serve: Serve
) -> None:
    railway = Railway()
    railway.deployments = [
        deployment("d1", "SUCCESS", 600, commitHash="ab12cd3456", branch="main", commitAuthor="Ada"),
        deployment("d2", "CRASHED", 900, commitHash="ef56ab7890", branch="fix", commitMessage="<b>bold</b>"),
    ]
    shown = page(sqlite_store, tmp_path, serve(railway.app()).url)
    assert "Railway&#x27;s API, 0 s ago" in shown
    assert "Ada · main" in shown
    assert "ab12cd3456" in shown
    assert "crashed" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown
    assert "never ran" not in shown


def test_the_token_is_shown_nowhere(sqlite_store: Store, tmp_path: Path, serve: Serve) -> None:
    railway = Railway()
    assert railway.instance is not None
    railway.instance |= {"startCommand": f"run {TOKEN}", "healthcheckPath": f"/{TOKEN}", "restartPolicyType": TOKEN}
    meta = dict.fromkeys(("commitHash", "branch", "commitMessage", "commitAuthor"), TOKEN)
    railway.deployments = [deployment("a", "SUCCESS", 600, **meta), deployment("b", "FAILED", 900, **meta)]
    url = serve(railway.app()).url
    first = page(sqlite_store, tmp_path, url)
    with sqlite_store.write() as connection:  # as if it had been asked long ago
        asked.keep(connection, "p", asked.Asked(about=asked.about(settings(tmp_path, url))))
    railway.trouble = Railway.error(f"{TOKEN} is wrong")
    second = page(sqlite_store, tmp_path, url)
    assert "[removed]" in first
    assert "answers with an error: [removed] is wrong" in second
    for shown in (first, second):
        assert TOKEN[:12] not in shown
