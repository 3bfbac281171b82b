"""Our own markup, all of it: a few escaped pieces and one style sheet. Whatever came from outside enters as text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode

import streamlit as st

from services.health.ribbon import Cell
from services.health.view import Change, Notice
from ui import present

MANY_COLUMNS = 5
# Material Symbols, 24 × 24, as inline paths: no font to wait for, nothing that jumps.
_SYMBOLS = {
    "check_circle": "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-2 15-5-5 1.41-1.41L10 14.17l7.59-7.59L19 8l-9 9z",
    "warning": "M1 21h22L12 2 1 21zm12-3h-2v-2h2v2zm0-4h-2v-4h2v4z",
    "cancel": "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm5 13.59L15.59 17 12 13.41 8.41 17 7 15.59 10.59 12 7 8.41 "
    "8.41 7 12 10.59 15.59 7 17 8.41 13.41 12 17 15.59z",
    "help": "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1 17h-2v-2h2v2zm2.07-7.75-.9.92C13.45 12.9 13 13.5 13 15h-2"
    "v-.5c0-1.1.45-2.1 1.17-2.83l1.24-1.26c.37-.36.59-.86.59-1.41a2 2 0 0 0-4 0H8a4 4 0 0 1 8 0c0 .88-.36 1.68-.93 "
    "2.25z",
    "radio_button_unchecked": "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 18a8 8 0 1 1 0-16 8 8 0 0 1 0 16z",
    "schedule": "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 18a8 8 0 1 1 0-16 8 8 0 0 1 0 16zm.5-13H11v6l5.25 3.15"
    ".75-1.23-4.5-2.67z",
    "notifications": "M12 22c1.1 0 2-.9 2-2h-4a2 2 0 0 0 2 2zm6-6v-5c0-3.07-1.63-5.64-4.5-6.32V4a1.5 1.5 0 0 0-3 0v.68"
    "C7.64 5.36 6 7.92 6 11v5l-2 2v1h16v-1l-2-2z",
    "science": "M19.8 18.4 14 10.67V6.5l1.35-1.69c.26-.33.03-.81-.39-.81H9.04c-.42 0-.65.48-.39.81L10 6.5v4.17L4.2 "
    "18.4c-.49.66-.02 1.6.8 1.6h14c.82 0 1.29-.94.8-1.6z",
}

_SVG = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'><path d='{}'/></svg>"

_RULES = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def _style() -> str:
    masks = "".join(f'.gl .i-{name}{{--m:url("{_data_url(_SVG.format(path))}")}}\n' for name, path in _SYMBOLS.items())
    return f"<style>{_RULES}{masks}</style>"


def show(markup: str) -> None:
    """Draw our markup. Streamlit sanitises it in the browser (and strips inline SVG, so there is none in it)."""
    st.html(markup)


def scroll_to_top() -> None:
    """Bring the page's head into view, once: after something was done further down."""
    st.html("<script>document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)</script>",
            unsafe_allow_javascript=True)  # fmt: skip


def block(*parts: str) -> str:
    """Pieces as one block in our style."""
    return f'<div class="gl">{"".join(parts)}</div>'


def symbol(name: str) -> str:
    """A symbol in the colour of its text; it stands beside a word, so screen readers skip it."""
    return f'<span class="i i-{name}" aria-hidden="true"></span>' if name else ""


def badge(state: str, *, word: str | None = None, hint: str = "") -> str:
    """A state: symbol, word, tone."""
    seen = present.appearance(state)
    title = f' title="{escape(hint, quote=True)}"' if hint else ""
    words = escape(seen.word if word is None else word)
    return f'<span class="badge {seen.tone}"{title}>{symbol(seen.symbol)} {words}</span>'


_TERMS = re.compile(rf"\b({'|'.join(sorted(present.TERMS, key=len, reverse=True))})s?\b", re.IGNORECASE)


def glossed(texts: Sequence[str]) -> list[str]:
    """Texts as markup; the first time that a word stands which a newcomer may not know, it has its gloss on hover."""
    seen: set[str] = set()

    def marked(match: re.Match[str]) -> str:
        word, known = match.group(0), match.group(1).lower()
        if known in seen:
            return word
        seen.add(known)
        return term(word, present.TERMS[known])

    return [_TERMS.sub(marked, escape(text)) for text in texts]


def simulated() -> str:
    """The mark of a simulated environment."""
    hint = "Generated for demonstration, not a real system."
    return f'<span class="sim" title="{hint}">{symbol("science")} simulated</span>'


def answer(state: str, what: str, then: str, *, mark: bool = False, leads_to: str = "") -> str:
    """The page's one sentence with its state, and the next step; `leads_to` is the address of its evidence."""
    seen = present.appearance(state)
    step = f'<p class="ink">{escape(then)}</p>' if then else ""
    note = f" {simulated()}" if mark else ""
    said = f'<span class="ink">{escape(what)}</span>'
    if leads_to:
        said = f'<a class="ink plain" href="{leads_to}" target="_self">{escape(what)}</a>'
    return block(
        f'<div class="answer {seen.tone}" role="status"><div class="what">{symbol(seen.symbol)} '
        f"{said}{note}</div>{step}</div>"
    )


def title(text: str, question: str) -> str:
    """The page's title and the question that it answers."""
    head = f'<div class="title" role="heading" aria-level="1">{escape(text)}</div>'
    return block(head, f'<div class="dim">{escape(question)}</div>')


def tile(*parts: str) -> str:
    """A bordered box."""
    return f'<div class="tile">{"".join(parts)}</div>'


def link(text: str, page: str, **query: str) -> str:
    """A link to one of our pages, in this tab."""
    return f'<a class="link" href="{address(page, **query)}" target="_self">{escape(text)}</a>'


def address(page: str, **query: str) -> str:
    """The address of one of our pages, for an attribute."""
    return f"./{page}" + (f"?{escape(urlencode(query), quote=True)}" if query else "")


def heading(text: str, explanation: str = "") -> str:
    """A heading inside a block; not an <h2>, to which markdown would add an anchor."""
    return f'<div class="h2" role="heading" aria-level="2">{term(text, explanation)}</div>'


def term(text: str, explanation: str) -> str:
    """A word with its gloss on hover, and where it is tapped or has the keyboard's focus."""
    if not explanation:
        return escape(text)
    return f'<abbr tabindex="0" title="{escape(explanation, quote=True)}">{escape(text)}</abbr>'


def findings(words: Sequence[Notice], *, most: int) -> str:
    """What is wrong and what to do, worst first."""
    items = [
        f"<li>{badge(w.state, word=None if w.named else _subject(w))} <span>{escape(w.advice.what)}</span>"
        + (f'<div class="fix dim">{escape(w.advice.fix)}</div>' if w.advice.fix else "")
        + "</li>"
        for w in words[:most]
    ]
    if len(words) > most:
        items.append(f'<li class="dim">and {len(words) - most} more on the page Dependency health</li>')
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _subject(notice: Notice) -> str:
    return " and ".join(present.title(name) for name in notice.subjects)


def ribbon(
    cells: Sequence[Cell], where: tzinfo, *, label: str, unit: str, leads_to: Callable[[int, int], str] | None = None
) -> str:
    """One cell per equal slice of time, oldest left; hover says from, to, state.

    Neighbours alike are one element with one title, so that a calm month is a few nodes to draw, not hundreds.
    `leads_to` makes the address of what was seen between two times, in ms.
    """
    drawn = "".join(_run(list(run), where, leads_to) for _, run in itertools.groupby(cells, key=_alike))
    counts = _summary(cells)
    role, words = "img" if leads_to is None else "group", escape(f"{label}: {counts}", quote=True)
    return (
        f'<div><span class="dim">{escape(label)}</span>'
        f'<div class="ribbon" role="{role}" aria-label="{words}">{drawn}'
        f'</div><span class="dim">{escape(unit)}; {escape(counts)}</span></div>'
    )


def _alike(cell: Cell) -> tuple[str, str]:
    return cell.state, cell.code


def _run(run: list[Cell], where: tzinfo, leads_to: Callable[[int, int], str] | None) -> str:
    words = escape(_run_words(run[0], run[-1], where), quote=True)
    drawn = f'class="{present.appearance(run[0].state).tone}" style="flex:{len(run)};--n:{len(run)}" title="{words}"'
    if leads_to is None:
        return f"<span {drawn}></span>"
    there = leads_to(run[0].from_ms, run[-1].until_ms)
    return f'<a {drawn} href="{there}" target="_self" aria-label="{words}"></a>'


def _run_words(first: Cell, last: Cell, where: tzinfo) -> str:
    span = f"{present.moment(first.from_ms, where, short=True)} – {present.moment(last.until_ms, where, short=True)}"
    return f"{span}: {present.appearance(first.state).word}{present.cause(first.code)}"


def _summary(cells: Iterable[Cell]) -> str:
    states = [present.appearance(cell.state).word for cell in cells]
    order = ("not ready", "down", "degraded", "slow", "ready", "ok", "unknown")
    return ", ".join(f"{states.count(word)} {word}" for word in order if word in states) or "nothing yet"


def spark(points: Sequence[tuple[int, float | None]], *, threshold: float | None, label: str) -> str:
    """A small line over the last hour with its threshold; gaps where nothing was measured."""
    known = [value for _, value in points if value is not None]
    if len(known) < 2:
        return ""
    top = max([*known, threshold or 0]) * 1.1 or 1
    begin, length = points[0][0], max(1, points[-1][0] - points[0][0])
    pauses = sorted(b[0] - a[0] for a, b in itertools.pairwise(points))
    gap, before = 4 * pauses[len(pauses) // 2], points[0][0]  # a longer pause was not observed: no line across it
    path, pen = [], "M"
    for at, value in points:
        pen, before = ("M" if at - before > gap else pen), at
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{(at - begin) / length * 200:.1f} {40 - value / top * 38:.1f}")
        pen = "L"
    line = ""
    if threshold:
        height = 40 - threshold / top * 38
        line = f'<path d="M0 {height:.1f}H200" stroke="#B57B00" stroke-dasharray="4 3"/>'
    curve = f'<path d="{" ".join(path)}" stroke="#5B78E6" stroke-width="1.5" vector-effect="non-scaling-stroke"/>'
    return picture(line + curve, label)


def picture(shapes: str, label: str) -> str:
    """Shapes of our own on a ground of 200 × 40, as wide as there is room."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 40" preserveAspectRatio="none" fill="none">'
        f"{shapes}</svg>"
    )
    return f'<img class="spark" alt="{escape(label, quote=True)}" src="{_data_url(drawing)}">'


def _data_url(svg: str) -> str:
    return "data:image/svg+xml," + quote(svg, safe=" =:/'")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A small table; cells are markup that was escaped before. One of many columns scrolls in itself on a phone."""
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    names = "".join(f"<th scope='col'>{escape(name)}</th>" for name in head)
    scroll = '<div class="scroll">'
    if len(head) >= MANY_COLUMNS:
        scroll = '<div class="scroll wide" tabindex="0" role="region" aria-label="Table that scrolls">'
    return f"{scroll}<table><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table></div>"


def changes(items: Sequence[Change], where: tzinfo, *, name_environment: bool) -> str:
    """The newest state changes."""
    if not items:
        return '<p class="dim">No change of state yet.</p>'
    rows = []
    for item in items:
        subject = present.title(item.subject)
        what = f"{item.environment} · {subject}" if name_environment else subject
        before = present.appearance(item.before).word if item.before else "not measured before"
        shift = f'<span class="dim">{escape(before)} →</span> {badge(item.after)}'
        rows.append((escape(present.moment(item.at_ms, where)), escape(what), shift, escape(item.sentence)))
    return table(("When", "What", "Change", "Why"), rows)


STYLE = _style()
