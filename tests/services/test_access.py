"""Roles: each may do what the table in the docs says, no matter who asks, through services and API."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from services import access, requests
from services.access import LEAST, ROLES, Action, Forbidden, Person
from services.alerts import acts
from services.alerts.setup import AlertSetup
from services.dependencies.inngest import control
from services.dependencies.inngest.control import Change
from services.deploys import drilling
from services.envs import writing
from services.errors import SettingsError
from services.evidence import decisions
from services.replay import labels, quarantine, runs, start
from services.replay.authoring import drafts, release
from services.replay.start import Wish
from services.settings import load
from services.settings.model import Access, AccessPerson, Settings
from services.slo import changes
from services.store import Store
from services.verdict import sign_off as signing
from tests import portal
from tests.conftest import ROOT
from tests.patience import PATIENCE_S

ISSUER = "https://login.example.org"


def documented() -> dict[str, dict[str, str]]:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", (ROOT / "docs" / "access.md").read_text(), re.M)
    return {name: dict(zip(ROLES, words, strict=True)) for name, *words in rows if name != "action"}


def test_the_table_in_the_docs_is_the_code_s() -> None:
    found = documented()
    assert set(found) == set(get_args(Action)) == set(LEAST)
    for action, row in found.items():
        for role in ROLES:
            try:
                access.require(Person(name="x", role=role), action)  # type: ignore[arg-type]
                allowed = "allowed"
            except Forbidden:
                allowed = "refused"
            assert row[role] == allowed, (action, role)


def calls(store: Store, settings: Settings, tmp_path: Path) -> dict[str, Callable[[Person], Any]]:
    """Each action as the page calls it, with nothing else in its way than the role (or what comes after it)."""
    local = settings.environment("local")
    preview = writing.Preview(path=tmp_path / "x.env", plan=type("P", (), {"text": None})(), before=None)
    from services import clock

    return {
        "probe": lambda p: requests.probe_now(store, settings, "local", by=p),
        "validate": lambda p: requests.validate_now(store, settings, "local", by=p),
        "replay": lambda p: start.ask(store, settings, Wish(), by=p),
        "maintenance": lambda p: changes.declare(store, "local", from_ms=clock.now_ms(), until_ms=clock.now_ms() + 120_000,
                                                 reason="x", by=p, now_ms=clock.now_ms()),
        "confirm": lambda p: decisions.decide(store, local, "policy", p, note="x"),
        "campaign": lambda p: decisions.begin_campaign(store, local, p, note="x"),
        "request_go": lambda p: signing.ask(store, settings, "local", p, note="x"),
        "sign_off": lambda p: signing.give(store, settings, "local", p, note="x"),
        "baseline": lambda p: runs.promote(store, "none", by=p),
        "rescore": lambda p: runs.rescore(store, "none", by=p),
        "waive": lambda p: decisions.waive_canaries(store, local, p, note="x", days=1),
        "write_env": lambda p: writing.write(preview, clock.now(), by=p),
        "runs": lambda p: control.ask(store, local, Change(what="cancel", run_id="x"), by=p),
        "drill": lambda p: drilling.ask(store, settings, "local", by=p),
        "alerts": lambda p: acts.acknowledge(store, AlertSetup(), "x", p, note="x", now_ms=1),
        "draft": lambda p: drafts.agree(store, settings, "x", 1, p),
        "publish": lambda p: release.take_back(store, settings, "x", p),
        "quarantine": lambda p: quarantine.lift(store, 0, by=p, now_ms=1),
        "label": lambda p: labels.undo(store, 1, by=p),
        "configure": lambda p: requests.try_draft(store, settings, "local", 1, by=p),
    }  # fmt: skip


def test_every_service_asks_the_role_before_it_does_anything(sqlite_store: Store, tmp_path: Path) -> None:
    settings = load({"GREENLIGHT_DATA": str(tmp_path)}, root=tmp_path)
    known = calls(sqlite_store, settings, tmp_path)
    assert set(known) == set(LEAST) - {"deploy", "traces"}, "these are asked for by API alone"
    for action, call in known.items():
        for role in ROLES:
            person = Person(name="Ada", role=role, verified=True, key="i#s")
            if documented()[action][role] == "refused":
                with pytest.raises(Forbidden):
                    call(person)
            else:
                try:
                    call(person)
                except Forbidden:
                    pytest.fail(f"{action} was refused to {role}")
                except Exception as error:
                    assert (
                        "no run" in str(error)
                        or "no alert" in str(error)
                        or "none is" in str(error)
                        or "none'" in str(error)
                        or "ended already" in str(error)
                        or "confirmed this already" in str(error)
                        or ("verdict" in str(error))
                        or "Inngest server" in str(error)
                        or "not marked for drills" in str(error)
                        or "no longer open" in str(error)
                        or "can't be taken back" in str(error)
                    ), error


def test_people_are_known_by_issuer_and_subject_and_by_mail_only_if_it_is_verified() -> None:
    known = Access(
        people=(
            AccessPerson(issuer=ISSUER, subject="s1", role="engineer"),
            AccessPerson(issuer=ISSUER, email="pto@example.org", role="operator"),
        )
    )

    def role(**claims: Any) -> str:
        return access.of_claims({"iss": ISSUER} | claims, known).role

    assert role(sub="s1") == "engineer"
    assert role(sub="s1", iss="https://evil.example") == "viewer"
    assert role(sub="s2", email="PTO@example.org", email_verified=True) == "operator"
    assert role(sub="s2", email="pto@example.org", email_verified=False) == "viewer"
    assert role(sub="s2", email="pto@example.org") == "viewer"
    assert role(sub="s2", email="pto@example.org", email_verified=True, iss="https://evil.example") == "viewer"
    person = access.of_claims({"iss": ISSUER, "sub": "s1", "name": "Ada"}, known)
    assert (str(person), person.key) == ("Ada", f"{ISSUER}#s1")
    assert str(access.local_operator("Ada")) == "Ada (unverified)"


@pytest.mark.parametrize("value", ["", "zq9"])
def test_a_token_that_is_missing_or_could_be_guessed_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "greenlight.toml"
    file.write_text('[access]\ntokens = [{ name = "ci", variable = "CI_TOKEN", role = "viewer" }]\n'
                    '[[environments]]\nname = "p"\nbase_url = "http://p"\n')  # fmt: skip
    with pytest.raises(SettingsError) as refused:
        load({"GREENLIGHT_CONFIG": str(file), "GREENLIGHT_DATA": str(tmp_path), "CI_TOKEN": value})
    assert "CI_TOKEN" in str(refused.value)
    assert value == "" or value not in str(refused.value)


def test_api_tokens_carry_their_role(tmp_path: Path) -> None:
    file = tmp_path / "greenlight.toml"
    file.write_text(
        '[access]\ntokens = [{ name = "look", variable = "T_LOOK", role = "viewer" },'
        ' { name = "op", variable = "T_OP", role = "operator" }]\n[[environments]]\nname = "p"\nbase_url = "http://127.0.0.1:9"\n'
    )
    from services.store.migrate import migrate

    store = Store.open(f"sqlite:///{tmp_path / 'greenlight.db'}")
    migrate(store)
    store.close()
    tokens = {"T_LOOK": "look-" + "x" * 20, "T_OP": "op-" + "x" * 20}
    assert not set(tokens) & set(os.environ)
    with portal.running(tmp_path, GREENLIGHT_CONFIG=str(file), **tokens) as url:

        def call(token: str, method: str, path: str, **more: Any) -> httpx.Response:
            return httpx.request(
                method, url + path, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S, **more
            )

        assert call(tokens["T_LOOK"], "GET", "/api/v1/environments/p/verdict").json()["verdict"] == "INCONCLUSIVE"
        refused = call(tokens["T_LOOK"], "POST", "/api/v1/replays", json={})
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
        assert "this needs operator" in refused.json()["detail"]
        assert call(tokens["T_OP"], "POST", "/api/v1/replays", json={}).status_code == 202
        assert call(tokens["T_OP"], "POST", "/api/v1/deploys", content=b"{}").status_code == 403
        assert call("x" * 25, "GET", "/api/v1/environments").status_code == 401


def test_words_that_change_how_others_read_are_taken_out_of_a_name() -> None:
    assert access.plain("Ada\u202e \u200bL\x00ovelace\n\tof \ud800 London") == "Ada L ovelace of London"
    assert access.plain("\u0645\u06cc\u200c\u0634\u0646\u0627\u0633") == "\u0645\u06cc\u200c\u0634\u0646\u0627\u0633"
    assert access.local_operator("\u202e\u2066 ").name == "local operator"
