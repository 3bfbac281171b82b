"""The drill on the page Deployments: why there is none, how far it is, what the last one found, and whether it counts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services import clock
from services.access import local_operator
from services.deploys import drill_state, drilling
from services.deploys.drill_state import State
from services.evidence import chain
from services.evidence.model import Evidence
from services.settings import load
from services.store import Store, jobs
from tests.ui.driver import configured, open_page, text_of
from tests.ui.test_pages import forget_cached

TABLE = '[[environments]]\nname = "{}"\nrole = "staging"\nbase_url = "http://127.0.0.1:9"\nenv_file = "p.env"\n'
CONFIG = (
    "[policy]\ndrill = true\n" + TABLE.format("p")
    + '[environments.drill]\nlines = "d.jsonl"\nsteps_s = [10, 60]\n' + TABLE.format("other")
)  # fmt: skip
TERMS = {"overlap_s": 0, "draining_s": 90, "transport": "serve"}
COUNTS = {
    "steps": 3,
    "lost": [],
    "twice": [2],
    "gap_s": 0.02,
    "workers": ["a", "b"],
    "moved": True,
    "runs": 1,
    "unread": 0,
}
PROOF = Evidence(
    environment="p", check="deploy.drill", outcome="fail", at_ms=0, code="drill.twice", threshold=5.0,
    detail={"what": "The deploy cut work: step 2 began more than once.", "fix": "Grant more draining.", "terms": TERMS,
            "counts": COUNTS, "gap_limit_s": 5.0, "by": "<b>Ada</b>", "deploy_said": "<i>released</i>",
            "readiness_gap_s": None},
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    (tmp_path / "p.env").write_text(f"INNGEST_EVENT_KEY={'e' * 20}\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=90\n")
    with configured(tmp_path, monkeypatch, CONFIG) as found:
        yield found


def seen(env: str) -> AppTest:
    """The page as a new visitor sees it."""
    forget_cached()
    return open_page("deployments", env=env)


def prove(store: Store, proof: Evidence) -> None:
    with store.write() as connection:
        chain.append(store, connection, [replace(proof, at_ms=clock.now_ms() - 60_000)])


def test_an_environment_that_is_not_marked_says_so_and_has_no_button(store: Store) -> None:
    shell = seen(env="other")
    assert "other is not marked for drills. Add [environments.drill]" in text_of(shell)
    assert "Start the drill" not in [button.label for button in shell.button]


def test_before_the_first_one_the_page_says_what_it_does_and_on_which_terms(store: Store) -> None:
    shell = seen(env="p")
    text = text_of(shell)
    assert "A drill starts a background run of long steps" in text
    assert "The verdict asks for a passed drill here. Now: overlap 0 s, draining 90 s, transport serve." in text
    assert "No drill has been counted here yet" in text
    assert not next(button for button in shell.button if button.label == "Start the drill").disabled


def test_what_the_last_one_found_and_whether_it_still_counts(store: Store, tmp_path: Path) -> None:
    prove(store, PROOF)
    text = text_of(seen(env="p"))
    assert "step 2 began more than once" in text
    assert "1 of 3 (step 2)" in text
    assert "20 ms (limit 5 s)" in text
    assert "not observed" in text
    assert "&lt;b&gt;Ada&lt;/b&gt;" in text
    assert "&lt;i&gt;released&lt;/i&gt;" in text
    assert "stale" not in text
    (tmp_path / "p.env").write_text(f"INNGEST_EVENT_KEY={'e' * 20}\nRAILWAY_DEPLOYMENT_DRAINING_SECONDS=3\n")
    assert "stale: draining changed since" in text_of(seen(env="p"))


def test_evidence_of_another_shape_is_no_crash(store: Store) -> None:
    prove(store, replace(PROOF, detail={"counts": [], "terms": 7}))
    assert "not known" in text_of(seen(env="p"))


def test_while_one_runs_it_says_how_far_it_is_and_when_to_deploy(store: Store, tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})
    job = drilling.ask(store, settings, "p", by=local_operator("Ada"))
    shell = seen(env="p")
    assert "The drill waits for the worker" in text_of(shell)
    assert next(button for button in shell.button if button.label == "Start the drill").disabled
    state = State(id=job.id, by="Ada", begun_ms=clock.now_ms(), steps_s=(10, 60), terms=TERMS, phase="following",
                  deploy="asked", ended_steps=1)  # fmt: skip
    with store.write() as connection:
        jobs.claim(connection, "w", now_ms=clock.now_ms(), lease_ms=60_000, environments=("p",))
        drill_state.keep(connection, "p", state, clock.now_ms())
    text = text_of(seen(env="p"))
    assert "The drill runs: 1 of 3 steps have ended." in text
    assert "Deploy p now, in the way that you always do." in text
    with store.write() as connection:
        drill_state.keep(
            connection, "p", replace(state, phase="stopped", what="Inngest is away. Try later."), clock.now_ms()
        )
        jobs.finish(connection, job.id, "w", state="failed", message="x", now_ms=clock.now_ms())
    assert "The drill was not carried out. Inngest is away. Try later." in text_of(seen(env="p"))
    with store.write() as connection:
        drill_state.keep(connection, "p", state, clock.now_ms())
    assert "The drill ended without a result." in text_of(seen(env="p"))


def test_the_dialog_says_what_will_happen(store: Store) -> None:
    shell = seen(env="p")
    next(button for button in shell.button if button.label == "Start the drill").click()
    shell.run()
    assert "A run of 2 steps begins, 1 min 10 s in all. When step 1 has begun, you are asked to deploy it" in text_of(
        shell
    )
