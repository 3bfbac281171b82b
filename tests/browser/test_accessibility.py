"""axe-core finds no serious fault on any page, light and dark, with something wrong to show."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from services import clock
from services.health import record as ledger
from services.store import Store
from services.store.migrate import migrate
from tests import portal
from tests.services.health.test_record import seen

pytestmark = pytest.mark.browser
LAST_STEP = "/strict_mode_checklist?env=production&step=go-production"  # with the report's preview
PAGES = ("/", "/dependency_health", "/slo_trends", "/replay_harness",
         "/replay_harness?view=cases", "/replay_harness?view=labels", "/env_diff", "/strict_mode_checklist",
         "/environments", "/docs", "/deployments", "/alerts",
         "/traces", "/replay_harness?view=drafts")  # fmt: skip
WITHOUT_ANSWER = ("/environments", "/docs")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = Path(tmp_path_factory.mktemp("axe"))
    (data / "greenlight.toml").write_text(
        '[[environments]]\nname = "staging"\nrole = "staging"\nbase_url = "http://127.0.0.1:9"\nenv_file = "s.env"\n'
        '[[environments]]\nname = "production"\nrole = "production"\nbase_url = "http://127.0.0.1:9"\nenv_file = "p.env"\n'
    )
    for name in ("s", "p"):
        (data / f"{name}.env").write_text("ENVIRONMENT=staging\nREDIS_REQUIRED=maybe\n")
    store = Store.open(f"sqlite:///{data / 'greenlight.db'}")
    migrate(store)
    now = clock.now_ms() / 1000
    bad = [seen(now - n, code="readiness.not_ready", environment="production") for n in (30, 20, 10)]
    ledger.record(store, [seen(now, environment="staging"), *bad], ledger.Memory())
    store.close()
    with portal.running(data, GREENLIGHT_CONFIG=str(data / "greenlight.toml")) as url:
        yield url


# Streamlit's navigation is a list with headings between its items: not ours to change.
STREAMLITS_OWN = "[data-testid=stSidebarNav]"


def _colours(node: dict[str, Any]) -> str:
    found = [check.get("data") or {} for check in node["any"]]
    return " ".join(
        f"{d.get('fgColor')} on {d.get('bgColor')}: {d.get('contrastRatio')}" for d in found if "fgColor" in d
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_serious_fault(place: str, open_page: Callable[..., Page], path: str, theme: str) -> None:
    ready = ".gl .title" if path in WITHOUT_ANSWER else ".gl .answer"
    assert faults(open_page(place + path, theme=theme, ready=ready)) == []


@pytest.mark.parametrize("width", [1440, 390])
def test_no_serious_fault_in_the_last_step_s_report_nor_is_anything_cut_off(
    place: str, open_page: Callable[..., Page], width: int
) -> None:
    page = open_page(place + LAST_STEP, width=width)
    page.get_by_role("heading", name="What this report does not prove").wait_for()
    assert faults(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    every_check = page.get_by_role("region", name="Table that scrolls").filter(has_text="Threshold")
    fits = every_check.evaluate("e => [e.scrollWidth > e.clientWidth, e.querySelectorAll('tr')[1].offsetHeight]")
    assert fits[0] == (width == 390), "on a phone it scrolls in itself"
    assert fits[1] < 90, "its rows stay rows"


def faults(page: Page) -> list[str]:
    page.wait_for_timeout(1500)  # Streamlit fades parts in; a colour half way is no fault
    seen_ = Axe().run(page, context={"exclude": [[STREAMLITS_OWN]]}).response["violations"]
    found = [v for v in seen_ if v["impact"] in {"serious", "critical"}]
    return [f"{v['id']}: {node['html'][:120]} {_colours(node)}" for v in found for node in v["nodes"]]
