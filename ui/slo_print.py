"""The SLOs as a page to print or forward: black on white, complete, in one file that needs no network."""

from __future__ import annotations

from datetime import tzinfo
from html import escape

from services.settings.model import Slo
from services.slo import words
from services.slo.view import Row, Slos
from services.slo.what_if import WhatIf
from ui import present

STYLE = """
body{font:11pt/1.45 system-ui,sans-serif;color:#000;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:18pt;margin:0}h2{font-size:12.5pt;margin:1.2rem 0 .2rem}p{margin:.2rem 0}.dim{color:#444}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #999;vertical-align:top}
.state{font-weight:700}section{break-inside:avoid}.sim{border:1px solid #000;padding:0 .4em}
"""


def page(found: Slos, strict: WhatIf, policy: Slo, zone: tzinfo) -> str:
    """The whole page."""
    _, sentence = words.answer(found.rows)
    mark = ' <span class="sim">simulated</span>' if found.simulated else ""
    title = f"SLO trends: {found.environment}" + (" (simulated)" if found.simulated else "")
    rows = "".join(_section(row, policy, found.verdict, mark) for row in found.rows)
    maintenance = "".join(
        f"<tr><td>{escape(present.moment(m.from_ms, zone, short=True))} to "
        f"{escape(present.moment(m.until_ms, zone, short=True))}</td><td>{escape(m.reason)}</td>"
        f"<td>{escape(m.declared_by)}{', withdrawn' if m.withdrawn_by else ''}</td></tr>"
        for m in found.maintenance
    )
    declared = f"<table>{maintenance}</table>" if maintenance else "<p>None was declared.</p>"
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f"<p class='dim'>As of {escape(present.moment(found.as_of_ms, zone))}. Only what was measured counts: time "
        f"that was not observed is neither good nor bad.</p><p class='state'>{escape(sentence)}{mark}</p>{rows}"
        f"<section><h2>What if strict mode had been on?{mark}</h2><p>{escape(strict.sentence)}</p></section>"
        f"<section><h2>Planned maintenance, left out of the computation</h2>{declared}</section></body></html>"
    )


def _section(row: Row, policy: Slo, verdict: str | None, mark: str) -> str:
    status, target = row.status, row.slo.objective.target
    budget = status.budget
    left = "–" if budget is None else "overspent"
    if budget is not None and budget.remaining >= 0:
        left = f"{present.share(budget.remaining)} ({present.seconds(budget.left_s)})"
    cells = (
        ("Objective", words.target(row)),
        (
            "Measured",
            f"{present.share(status.value, target)} ({status.good:,} of {status.good + status.bad:,})",
        ),
        ("Budget left", left),
        ("Observed", f"{present.share(status.coverage)} of {row.window_days} days"),
        ("What we do", words.policy(row, policy, verdict)),
    )
    table = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in cells)
    state = present.appearance(status.state).word
    return (
        f"<section><h2>{escape(words.title(row.slo.sli))}: {state}{mark}</h2><p>{escape(words.sentence(row))}</p>"
        f"<table>{table}</table></section>"
    )
