"""Words, numbers and colours: the one place where they are made."""

import re

import pytest

from services.dependencies.messages import MESSAGES
from ui import html, present
from ui.guard import is_loopback


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "not measured"), (0.0421, "0.042 ms"), (0.4, "0.4 ms"), (5.25, "5.2 ms"), (62.4, "62 ms"),
     (1300, "1.3 s"), (75_000, "1 min 15 s")],
)  # fmt: skip
def test_milliseconds(value: float | None, text: str) -> None:
    assert present.milliseconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "not measured"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (185, "3 min 5 s"), (11_520, "3 h 12 min"),
     (187_200, "2 d 4 h"), (-5, "0 s")],
)  # fmt: skip
def test_seconds(value: float | None, text: str) -> None:
    assert present.seconds(value) == text


def test_an_unheard_of_state_looks_unknown_never_good() -> None:
    assert present.appearance("fantastic").tone == "none"


def test_a_time_zone_nobody_knows_is_utc() -> None:
    assert str(present.zone("Mars/Olympus")) == "UTC"
    assert str(present.zone("../../etc/passwd")) == "UTC"


def relative_luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("tone", ["good", "warn", "bad", "none", "sim", "dim"])
def test_every_tone_is_readable_on_its_ground(tone: str) -> None:
    found = re.search(rf"--{tone}:light-dark\((#\w+),(#\w+)\)", html.STYLE)
    assert found
    for colour, ground in zip(found.groups(), ("#FFFFFF", "#14171C"), strict=True):
        light, dark = sorted((relative_luminance(colour), relative_luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_badge_is_symbol_word_and_tone_together() -> None:
    for state in ("ok", "slow", "down", "unknown"):
        drawn = html.badge(state)
        assert 'class="i i-' in drawn
        assert present.appearance(state).word in drawn


def test_every_piece_escapes_what_it_is_given() -> None:
    evil = "<script>alert(1)</script>\"'"
    for drawn in (html.badge("ok", word=evil, hint=evil), html.answer("ok", evil, evil), html.term(evil, evil),
                  html.heading(evil, evil), html.table([evil], [])):  # fmt: skip
        assert "<script" not in drawn
        assert 'title=""' not in drawn


def test_no_sentence_breaks_out_of_its_html_block() -> None:
    assert not any("\n" in row.what + row.fix for row in MESSAGES.values())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("10.0.0.1", False), ("evil.example", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
