"""Sign-in against a real OpenID provider process: nothing before it, and afterwards what the role allows, no more."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from services import clock
from services.access import LEAST, ROLES, Action, Person, Role
from services.dependencies.model import RunSeen
from services.evidence import chain, decisions
from services.evidence.model import Evidence
from services.replay import golden, runs
from services.replay.authoring import drafts
from services.replay.authoring.drafts import Material
from services.settings import load
from services.settings.model import Settings
from services.store import Store, alerts, deploys, inngest_runs, jobs, labels, replays
from services.store import drafts as store_drafts
from services.store import quarantine as store_quarantine
from services.store.alerts import Alert
from services.store.migrate import migrate
from services.verdict import sign_off as signing
from tests import portal
from tests.conftest import ROOT, free_port
from tests.patience import wait_until
from tests.services.checklist.test_view import CHECKS, confirm, prove
from tests.services.replay.test_runs import Scripted, begin, runner

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PEOPLE: dict[str, tuple[Role, str]] = {
    "vi": ("viewer", "Vi Viewer"), "op": ("operator", "Ola Operator"), "en": ("engineer", "Eva Engineer"),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    data, port = Path(tmp_path_factory.mktemp("signin")), free_port()
    (data / "set.json").write_bytes(golden.DEFAULT.read_bytes())  # one that may be written
    (data / "greenlight.toml").write_text(
        f'[replay]\ngolden = "set.json"\n[access]\npeople = [{{ issuer = "{provider}", subject = "op", role = "operator" }},'
        f' {{ issuer = "{provider}", subject = "en", role = "engineer" }}]\n'
        + "".join(
            f'[[environments]]\nname = "{name}"\nrole = "{role}"\nbase_url = "http://127.0.0.1:9"\n'
            + (f'env_file = "{name}.env"\ndrill = {{ lines = "d.jsonl" }}\n' if name.startswith("stage-") else "")
            for role, short in (("staging", "stage"), ("production", "prod"))
            for name in (short, *(f"{short}-{r}" for r in ROLES))
        )
    )
    for role in ROLES:
        (data / f"stage-{role}.env").write_text(
            f"ENVIRONMENT=staging\nINNGEST_EVENT_KEY={'e' * 20}\nINNGEST_SIGNING_KEY={'ab' * 32}\n"
        )
        (data / f"stage-{role}.env").chmod(0o600)
    (data / ".streamlit").mkdir()
    (data / ".streamlit" / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{"c" * 40}"\n'
        f'client_id = "greenlight"\nclient_secret = "planted"\nserver_metadata_url = "{provider}/.well-known/openid-configuration"\n'
    )
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    variables = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "HOME": str(data)}  # Streamlit looks there too
    with portal.running(data, port=port, cwd=ROOT, **variables) as url:
        yield url, store


def signed_in(page: Page, url: str, subject: str) -> None:
    """Follow a link to a step, sign in, and be at that step."""
    wanted = f"{url}/strict_mode_checklist?env=prod&step=inputs-prod"
    page.goto(wanted)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/oauth2/authorize**")
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(wanted)
    page.locator(".gl .step").first.wait_for()


def test_nothing_is_shown_before_somebody_signed_in(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    page = open_page(f"{place[0]}/strict_mode_checklist?env=prod")
    expect(page.locator(".answer")).to_contain_text("Sign in to see this portal")
    assert page.locator(".gl .step").count() == 0


def test_an_operator_s_word_is_kept_as_verified(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    url, store = place
    page = open_page(f"{url}/")
    signed_in(page, url, "op")
    page.get_by_role("button", name="Confirm for").click()
    assert page.get_by_label("Your name").count() == 0, "who signed in needn't say so"
    page.get_by_label("Note").fill("minutes of 20 November")
    page.get_by_role("button", name="Confirm", exact=True).click()

    def kept() -> list[Evidence]:
        with store.read() as connection:
            return [record for _, _, record in chain.history(connection, "prod", check="confirm.policy")]

    wait_until(lambda: bool(kept()))
    (record,) = kept()
    assert (record.detail["by"], record.detail["verified"], record.detail["role"]) == ("Ola Operator", True, "operator")
    assert record.detail["key"].endswith("#op")


def test_who_is_signed_in_is_told_and_may_leave(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    url, _ = place
    page = open_page(f"{url}/")
    signed_in(page, url, "op")
    expect(page.get_by_text("Signed in: Ola Operator, operator")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/oauth2/end_session**")  # the provider is told, too
    page.goto(url)
    expect(page.locator(".answer")).to_contain_text("Sign in to see this portal")


def test_a_name_is_a_name_and_no_markup(place: tuple[str, Store], open_page: Callable[..., Page]) -> None:
    page = open_page(f"{place[0]}/")
    signed_in(page, place[0], "ev")
    expect(page.get_by_text("Signed in: ![x](http://127.0.0.1:9/x) <b>Eve</b>, viewer")).to_be_visible()
    assert page.locator("img[src*='127.0.0.1:9']").count() == 0


class Acts:
    """Each action as a person does it on the page: the button that begins it, the rest, and what it must leave."""

    def __init__(self, page: Page, url: str, store: Store, settings: Settings, role: Role, who: str, run: str) -> None:
        self.page, self.url, self.store, self.settings = page, url, store, settings
        self.role, self.who, self.run = role, who, run
        self.prod, self.stage = f"prod-{role}", f"stage-{role}"

    def button(self, action: Action) -> Locator:
        """The button, on its page."""
        place, name = {
            "probe": (f"dependency_health?env={self.prod}", "Probe now"),
            "validate": (f"env_diff?view=validate&env={self.stage}", "Validate now"),
            "replay": ("replay_harness", "Start replay"),
            "maintenance": (f"slo_trends?env={self.prod}", "Declare maintenance"),
            "confirm": (f"strict_mode_checklist?env={self.prod}&step=inputs-{self.prod}", "Confirm for"),
            "campaign": (f"strict_mode_checklist?env={self.prod}", "Begin a campaign"),
            "waive": (f"strict_mode_checklist?env={self.stage}&step=soak-{self.stage}", "Waive the canary runs"),
            "request_go": (f"strict_mode_checklist?env={self.prod}&step=go-{self.prod}", "Ask for the Go"),
            "sign_off": (f"strict_mode_checklist?env={self.prod}&step=go-{self.prod}", "Sign the Go"),
            "baseline": (f"replay_harness?run={self.run}", "Make it the baseline"),
            "rescore": (f"replay_harness?run={self.run}", "Score again"),
            "runs": (f"dependency_health?env={self.stage}", "Run again"),
            "drill": (f"deployments?env={self.stage}", "Start the drill"),
            "configure": ("environments", "Test it"),
            "alerts": ("alerts", "Write a note"),
            "draft": ("replay_harness?view=drafts", "Make the draft"),
            "publish": ("replay_harness?view=drafts", "Publish …"),
            "label": ("replay_harness?view=labels", "Start labelling"),
            "quarantine": ("replay_harness?view=cases", "Put a case into quarantine"),
            "write_env": (f"env_diff?view=write&env={self.stage}", "Write the file"),
        }[action]
        if action in {"request_go", "sign_off"}:
            self.make_go(asked=action == "sign_off")
        if action == "runs":
            self.make_failed_run()
        if action == "alerts":
            self.make_alert()
        if action == "publish":
            self.make_draft()
        self.page.goto(f"{self.url}/{place}")
        if action == "runs":
            self.page.get_by_text("Cancel or run again").click()
            self.page.wait_for_timeout(1000)  # it opens softly
        if action == "campaign":
            self.page.get_by_text("Campaigns, and what people decided").click()
            self.page.wait_for_timeout(1000)  # it opens softly
        if action == "draft":
            self.page.get_by_text("Write a draft by hand").click()
            for label, text in (("Title", f"A case of {self.role}"), ("What the agent is asked", "Hello"),
                                ("Why this should be a case", "It failed")):  # fmt: skip
                self.page.get_by_label(label).fill(text)
        if action == "write_env":
            self.page.get_by_role("button", name="Preview").click()
        if action == "configure":
            self.page.get_by_label("Name", exact=True).fill("new")
            self.page.get_by_label("Address of the application", exact=True).fill("http://127.0.0.1:9")
            self.page.get_by_role("button", name="Preview").click()
        return self.page.get_by_role("button", name=name)

    def make_failed_run(self) -> None:
        now = clock.now_ms()
        failed = RunSeen(
            id="01F", app="a", function="scan", status="FAILED", queued_ms=now, started_ms=now, ended_ms=now
        )
        with self.store.write() as connection:
            inngest_runs.keep(connection, self.stage, [failed])

    def make_alert(self) -> None:
        now = clock.now_ms()
        made = Alert(
            id=f"alert-{self.role}", environment=self.prod, cause="x", source="health", event="optional_down",
            severity="notify", state="open", simulated=False, opened_ms=now, changed_ms=now, title="x is down",
            what="It refuses.", fix="Start it.", page="dependency_health",
        )  # fmt: skip
        with self.store.write() as connection:
            alerts.add(connection, made)

    def make_draft(self) -> None:
        """A draft that is ready, by somebody else."""
        other = Person(name="Otto", role="operator", verified=True, key="i#otto")
        material = Material(title=f"Ready for {self.role}", input={"text": self.role}, context={}, origin={})
        made = drafts.propose(self.store, self.settings, material, other, why="It failed")
        expectation = {"criterion": "expected", "kind": "refusal"}
        drafts.edit(self.store, self.settings, made, 1, other, case={"expectations": [expectation]})

    def make_go(self, *, asked: bool) -> None:
        for name in ("stage", self.prod):
            confirm(self.store, self.settings, name)
            prove(self.store, name, *CHECKS)
        prove(self.store, "stage", "soak", value="passed")
        if asked:
            other = Person(name="Otto", role="operator", verified=True, key="i#otto")
            signing.ask(self.store, self.settings, self.prod, other, note="please look")

    def finish(self, action: Action) -> None:
        """What comes after the button."""
        if action == "maintenance":
            self.page.get_by_label("What for").fill("Move of Redis")
            self.page.get_by_role("button", name="Declare", exact=True).click()
        elif action == "drill":
            self.page.get_by_role("dialog").get_by_role("button", name="Start the drill", exact=True).click()
        elif action == "runs":
            self.page.get_by_role("dialog").get_by_role("button", name="Run again", exact=True).click()
        elif action == "alerts":
            self.page.get_by_role("dialog").get_by_label("Note").fill("it was the disk")
            self.page.get_by_role("dialog").get_by_role("button", name="Keep the note").click()
        elif action == "publish":
            self.page.get_by_role("dialog").get_by_role("button", name="Publish", exact=True).click()
        elif action == "label":
            self.page.get_by_role("button", name="Can't tell").click()
        elif action == "quarantine":
            dialog = self.page.get_by_role("dialog")
            dialog.get_by_label("Owner: who fixes it").fill("Otto")
            dialog.get_by_label("Reason: why it is flaky").fill("It is slow")
            dialog.get_by_role("button", name="Put into quarantine").click()
        elif action in {"confirm", "campaign", "waive", "request_go", "sign_off"}:
            self.page.get_by_label("Note").fill("minutes of 20 November")
            sent = "Sign the Go" if action == "sign_off" else "Confirm"
            self.page.get_by_role("dialog").get_by_role("button", name=sent, exact=True).click()

    def is_done(self, action: Action) -> bool:
        """Whether the store holds it, under this person's name."""
        with self.store.read() as connection:
            if action in {"probe", "validate", "runs", "drill"}:
                where = self.prod if action == "probe" else self.stage
                job = jobs.open_job(connection, kind=action, environment=where)
                return job is not None and job.requested_by == self.who
            if action == "alerts":
                noted = alerts.history(connection, [alert.id for alert in alerts.open_ones(connection)])
                return any(h.kind == "note" and h.by == self.who for items in noted.values() for h in items)
            if action == "draft":
                return any(
                    row.body["case"]["provenance"]["author"] == self.who for row in store_drafts.newest(connection)
                )
            if action == "publish":
                published = store_drafts.newest(connection, state="published")
                return any(row.body["published_by"] == self.who for row in published)
            if action == "label":
                return labels.people(connection).get(self.who, 0) > 0
            if action == "quarantine":
                return any(entry.put_by == self.who for entry in store_quarantine.entries(connection))
            if action == "replay":
                return any(r.requested_by == self.who for r in replays.newest(connection, limit=20))
            if action == "maintenance":
                return [m.declared_by for m in deploys.declared(connection, self.prod, 0, 1 << 60)] == [self.who]
            if action == "configure":
                kept = decisions.newest(connection, "new", "environment")
                return kept is not None and (kept.by, kept.detail["draft"]) == (self.who, True)
            if action == "rescore":
                run = replays.get(connection, self.run)
                return run is not None and "rescored_ms" in run.summary
            kinds = {"confirm": "policy", "waive": "waive_canaries", "request_go": "go_request"}
            kind = kinds.get(action, action)
            where = {"waive": self.stage, "baseline": "_greenlight"}.get(action, self.prod)
            said = None if action == "write_env" else decisions.newest(connection, where, kind)
        if action == "write_env":
            path = self.settings.environment(self.stage).env_path
            return path is not None and "REDIS_REQUIRED" in path.read_text()
        return said is not None and (said.by, said.verified) == (self.who, True)


@pytest.mark.parametrize("subject", list(PEOPLE))
def test_each_role_does_through_the_page_what_its_table_says_and_no_more(
    place: tuple[str, Store], open_page: Callable[..., Page], subject: str
) -> None:
    url, store = place
    role, who = PEOPLE[subject]
    data = Path(str(store.engine.url.database)).parent
    settings = load({"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "GREENLIGHT_DATA": str(data)})
    begun = begin(store, golden.DEFAULT, cases=("lead-01", "lead-02"))
    with ThreadPoolExecutor(1) as thread:  # the browser's own loop runs in this one
        thread.submit(lambda: asyncio.run(runner(store, begun, Scripted()).work())).result()
    runs.conclude(store, begun.run)
    page = open_page(f"{url}/")
    signed_in(page, url, subject)
    acts = Acts(page, url, store, settings, role, who, begun.run.id)
    for action in (a for a in LEAST if a not in {"deploy", "traces"}):  # these are asked for by API alone
        button = acts.button(action)
        expect(button).to_be_visible()
        assert not acts.is_done(action), action
        if ROLES.index(role) < ROLES.index(LEAST[action]):
            expect(button).to_be_disabled()
            button.scroll_into_view_if_needed()
            page.mouse.move(0, 0)  # an earlier tooltip goes
            button.hover(force=True)
            why = page.get_by_text(f"Your role is {role}; this needs {LEAST[action]}.").first
            expect(why).to_be_visible()
            assert not acts.is_done(action), action
            continue
        expect(button).to_be_enabled()
        button.click()
        acts.finish(action)
        wait_until(partial(acts.is_done, action), found=page.locator("body").inner_text)
