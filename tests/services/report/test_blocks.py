"""What a report says, whatever its format: who signed, and *simulated* on every line that could be quoted."""

import re
import zlib
from pathlib import Path

import pytest

from services import clock
from services.access import local_operator
from services.evidence import decisions
from services.fingerprint import Snapshot
from services.report.blocks import Bars, Heading, Table, Words
from services.report.document import KINDS, LIMITS, RISKS, Kind
from services.report.make import Report, report
from services.report.pdf import pdf
from services.report.render import html, markdown, text
from services.settings import load
from services.settings.model import Settings
from services.store import Store, snapshots
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
    assert line.endswith("it no longer covers what runs: its variables changed.")


def test_what_came_from_outside_stays_text_in_every_format(store: Store, wanted: Settings) -> None:
    evil = "<script>alert(1)</script> | [x](http://evil) `#` \n# Go \u202e\u0000 \U0001f600 \u674e"
    decisions.decide(store, wanted.environment("prod"), "policy", local_operator(evil), note=evil)
    made = report(store, wanted, "prod", "completion")
    blocks = made.blocks()
    assert "<script>" not in html(blocks, made.title)
    written = markdown(blocks)
    assert "<script>" not in written
    assert "[x](http" not in written
    assert "\n# Go" not in written
    assert "\n# Go" not in text(blocks)
    assert made.file("pdf").startswith(b"%PDF")


def test_a_pdf_is_black_on_white_but_for_its_bars(tmp_path: Path) -> None:
    """What was set for a chart's bars once filled the tables below it: black on dark grey."""
    table = Table(("What", "Note"), tuple((f"row {n}", "a note of some length " * 4) for n in range(45)))
    bars = Bars("Left", (("Readiness uptime (simulated)", 0.5, "50 % left"),))
    made = pdf([Heading(1, "Report"), bars, table], "Report", made_at=clock.now(),
               data_dir=tmp_path)  # fmt: skip
    streams = [zlib.decompress(part) for part in re.findall(rb"stream\n(x\x9c.*?)\nendstream", made, re.DOTALL)]
    drawn = b"\n".join(re.sub(rb"(?s)\((?:\\.|[^\\)])*\)", b"", page) for page in streams if b" Tf" in page)
    grey, kept, dark = 0.0, [], []
    for set_, state, width in re.findall(rb"([\d.]+) g\b|\b([qQ])\b|[\d.]+ [\d.-]+ ([\d.]+) -?[\d.]+ re f", drawn):
        if set_:
            grey = float(set_)
        elif state == b"q":
            kept.append(grey)
        elif state == b"Q":
            grey = kept.pop()
        elif grey < 0.8:
            dark.append(float(width))
    bar_pt = 60 * 0.5 / 25.4 * 72
    assert dark == [pytest.approx(bar_pt, abs=0.1)], "nothing is dark but the bar"
