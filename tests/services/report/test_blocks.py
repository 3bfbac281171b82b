"""What a report says, whatever its format: who signed, and *simulated* on every line that could be quoted."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from services import clock
from services.access import local_operator
from services.evidence import decisions
from services.fingerprint import Snapshot
from services.report import exports
from services.report.blocks import Bars, Heading, Table, Words, front
from services.report.document import KINDS, LIMITS, RISKS, Kind
from services.report.make import Report, report
from services.report.render import markdown, text
from services.settings import load
from services.settings.model import Settings
from services.store import Store, alerts, deploys, snapshots
from services.store.alerts import Alert
from services.verdict import view as verdicts
from tests.services.checklist.test_view import CHECKS, prove

SOMEBODY = local_operator("Ada")


@pytest.fixture
def wanted(tmp_path: Path) -> Settings:
    (tmp_path / "greenlight.toml").write_text(
        '[[environments]]\nname = "stage"\nrole = "staging"\nbase_url = "http://s"\nsimulated = true\n'
        '[[environments]]\nname = "prod"\nrole = "production"\nbase_url = "http://p"\nsimulated = true\n'
    )
    return load({"GREENLIGHT_CONFIG": str(tmp_path / "greenlight.toml"), "GREENLIGHT_DATA": str(tmp_path)})


def full(store: Store, wanted: Settings, kind: Kind) -> Report:
    """A report in which every kind of line is there."""
    for name in ("stage", "prod"):
        prove(store, name, *CHECKS, simulated=True)
        decisions.decide(store, wanted.environment(name), "policy", SOMEBODY, note="minutes")
    decisions.waive_canaries(store, wanted.environment("stage"), SOMEBODY, note="none planned", days=3)
    prove(store, "prod", "replay.gate", outcome="fail", simulated=True, value=0.94)
    return report(store, wanted, "prod", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_that_could_be_quoted_says_simulated(store: Store, wanted: Settings, kind: Kind) -> None:
    found = full(store, wanted, kind)
    general = {*LIMITS, *RISKS}
    unmarked = []
    for block in found.blocks():
        if isinstance(block, Table):
            unmarked += [row for row in block.rows if not any("(simulated)" in cell for cell in row)]
        elif isinstance(block, Bars):
            unmarked += [(title,) for title, _, _ in block.bars if "(simulated)" not in title]
        elif isinstance(block, Words) and block.text not in general and not block.text.startswith("Made by Greenlight"):
            unmarked += [(block.text,)] if "(simulated)" not in block.text else []
        elif isinstance(block, Heading) and block.level == 1:
            assert block.text.endswith("(simulated)")
    assert unmarked == []


def test_an_open_risk_names_who_answers_for_the_environment(store: Store, wanted: Settings) -> None:
    assert {owner for _, owner, _ in front(full(store, wanted, "leadership").found).risks} == {
        "nobody named", "Ada (unverified)",
    }  # fmt: skip
    named = wanted.model_copy(
        update={"environments": tuple(e.model_copy(update={"owner": "Platform team"}) for e in wanted.environments)}
    )
    assert "Platform team" in {owner for _, owner, _ in front(report(store, named, "prod", "leadership").found).risks}


def test_it_says_who_signed_and_what_changed_since(store: Store, wanted: Settings) -> None:
    def head() -> list[str]:
        made = report(store, wanted, "prod", "leadership")
        return [block.text for block in made.blocks() if isinstance(block, Words)]

    assert "Nobody has signed the Go (simulated)." in head()
    decisions.decide(store, wanted.environment("prod"), "sign_off", SOMEBODY, note="go")
    (line,) = [words for words in head() if words.startswith("The Go was signed")]
    assert line.startswith("The Go was signed by Ada (unverified), 2")
    assert line.endswith(" UTC (simulated).")
    now = clock.now_ms()
    with store.write() as connection:
        snapshots.note(connection, Snapshot(environment="prod", source="f", first_ms=now, last_ms=now,
                                            fingerprint="k-2", key_id="k", marks={}))  # fmt: skip
    (line,) = [words for words in head() if words.startswith("The Go was signed")]
    assert line.endswith("it no longer covers what runs: its variables changed (simulated).")


def test_what_came_from_outside_stays_text_in_every_format(store: Store, wanted: Settings) -> None:
    evil = "<script>alert(1)</script> | [x](http://evil) `#` #panic() $x$ \n# Go \u202e\u0000 \U0001f600 \u674e"
    decisions.decide(store, wanted.environment("prod"), "policy", local_operator(evil), note=evil)
    made = report(store, wanted, "prod", "completion")
    blocks = made.blocks()
    assert b"<script>" not in made.file("html")
    written = markdown(blocks)
    assert "<script>" not in written
    assert "[x](http" not in written
    assert "\n# Go" not in written
    assert "\n# Go" not in text(blocks)
    assert "#panic() $x$" in "".join(pages_of(made))


def pages_of(made: Report) -> list[str]:
    """The text of each page of the PDF, as a reader's search finds it."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(made.file("pdf"))).pages]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_page_says_what_a_board_member_needs(store: Store, wanted: Settings, kind: Kind) -> None:
    made = full(store, wanted, kind)
    first, *others = pages_of(made)
    for said in ("No-Go for prod", "Next: ", "Nobody has signed the Go.", "requirements met", "Open risks", "94 %",
                 "This is the first report of its kind.", "Next date: ", "Ada (unverified)"):  # fmt: skip
        assert said in first, said
    for number, page in enumerate([first, *others], 1):
        assert f"Page {number} of {len(others) + 1}" in page
        assert "prod" in page[:40], "the head names the environment"
        assert "simulated" in page.lower()
    assert first.count("(simulated)") == 0, "one mark a page, not one a line"
    page = made.file("html").decode()
    assert page.count(">simulated</span>") == 1
    assert "No-Go for prod" in page


def test_the_pdf_is_tagged_and_the_same_for_the_same_facts(store: Store, wanted: Settings) -> None:
    made = full(store, wanted, "completion")
    content = made.file("pdf")
    assert made.file("pdf") == content
    reader = PdfReader(io.BytesIO(content))
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"] == "en"
    assert b"pdfuaid" in reader.trailer["/Root"]["/Metadata"].get_data()
    assert reader.metadata is not None
    assert reader.metadata.title == "Completion report: prod (simulated)"


@pytest.mark.parametrize(
    "name",
    ["Žofie Nováková", "Ελένη Παπά", "Олена Шевченко", "李明", "田中 陽子", "김민수", "שרה כהן", "अमित शर्मा",
     "สมชาย ใจดี", "Նարե", "ნინო", "አበበ", "தமிழ்"],
)  # fmt: skip
def test_a_name_is_printed_in_its_own_letters(store: Store, wanted: Settings, name: str) -> None:
    decisions.decide(store, wanted.environment("prod"), "policy", local_operator(name), note="agreed")
    made = report(store, wanted, "prod", "completion")
    assert b"pdfuaid" in PdfReader(io.BytesIO(made.file("pdf"))).trailer["/Root"]["/Metadata"].get_data(), (
        "a letter without a glyph would not be PDF/UA"
    )


def test_it_says_what_changed_since_the_report_before(store: Store, wanted: Settings) -> None:
    verdicts.keep(store, wanted)
    first = report(store, wanted, "prod", "leadership")
    exports.note(store, first, "pdf", b"", SOMEBODY)
    assert report(store, wanted, "stage", "leadership").found["changed"] is None
    assert report(store, wanted, "prod", "completion").found["changed"] is None, "another kind of report"
    now = clock.now_ms()
    with store.write() as connection:
        deploys.note(connection, deploys.Deploy(environment="prod", at_ms=now, version="v2", source="told"))
    prove(store, "prod", "readiness.ready", simulated=True)
    decisions.decide(store, wanted.environment("prod"), "policy", SOMEBODY, note="minutes")
    changed = report(store, wanted, "prod", "leadership").found["changed"]
    assert changed["by"] == "Ada"
    assert changed["lines"] == [
        "Now met: The application says that it is ready.",
        "Version v2 was deployed.",
        "May run strict, by Ada (unverified).",
    ]


def test_a_requirement_that_is_no_longer_met_is_said(store: Store, wanted: Settings) -> None:
    prove(store, "prod", *CHECKS, simulated=True)
    verdicts.keep(store, wanted)
    exports.note(store, report(store, wanted, "prod", "leadership"), "pdf", b"", SOMEBODY)
    prove(store, "prod", "readiness.ready", outcome="fail", simulated=True)
    lines = report(store, wanted, "prod", "leadership").found["changed"]["lines"]
    assert "No longer met: The application says that it is ready." in lines
    assert "The verdict was Not enough evidence and is No-Go." in lines


def test_an_open_incident_is_named_with_since_when_and_who_took_it(store: Store, wanted: Settings) -> None:
    prove(store, "prod", *CHECKS, simulated=True)
    now = clock.now_ms()
    made = Alert(id="a", environment="prod", cause="redis", source="states", event="required_down", severity="page",
                 state="open", simulated=True, opened_ms=now - 3_600_000, changed_ms=now, title="prod: Redis is down",
                 what="It refuses connections.", fix="Start it.", page="dependency_health",
                 acknowledged_ms=now, acknowledged_by="Ada Lovelace")  # fmt: skip
    with store.write() as connection:
        alerts.add(connection, made)
        alerts.add(connection, replace(made, id="b", cause="mail", title="prod: mail was down", state="resolved",
                                        ended_ms=now))  # fmt: skip
    said = text(report(store, wanted, "prod", "completion").blocks())
    assert "Redis is down" in said
    assert clock.iso(now - 3_600_000)[:16].replace("T", " ") in said
    assert "Ada Lovelace" in said
    assert "mail was down" not in said
